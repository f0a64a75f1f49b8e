package report_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"portrange/internal/act"
	"portrange/internal/act/emit"
	"portrange/internal/act/journal"
	"portrange/internal/boot"
	"portrange/internal/chart"
	"portrange/internal/cli"
	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/port"
	"portrange/internal/report"
	"portrange/internal/rules"
)

// poison puts name behind every text below value, so that no field is forgotten, be
// it one that nobody would expect to be chosen by others.
func poison(value reflect.Value, name string) {
	switch value.Kind() {
	case reflect.String:
		if value.CanSet() {
			value.SetString(value.String() + name)
		}
	case reflect.Pointer:
		if !value.IsNil() && value.Type() != reflect.TypeFor[*finding.Kind]() {
			poison(value.Elem(), name)
		}
	case reflect.Interface:
		if text, is := value.Interface().(string); is && value.CanSet() {
			value.Set(reflect.ValueOf(text + name))
		}
	case reflect.Struct:
		for i := range value.NumField() {
			if value.Type().Field(i).IsExported() {
				poison(value.Field(i), name)
			}
		}
	case reflect.Slice:
		for i := range value.Len() {
			poison(value.Index(i), name)
		}
	default:
	}
}

func poisoned[T any](document *T, name string) *T {
	poison(reflect.ValueOf(document).Elem(), name)
	return document
}

// documents are one of each, with a name in every text.
func documents(t *testing.T, name string) map[string]any {
	t.Helper()
	plan := poisoned(somePlan(), name)
	for i := range plan.Changes {
		poison(reflect.ValueOf(plan.Changes[i].Settings), name)
		poison(reflect.ValueOf(plan.Changes[i].Findings), name)
	}
	poison(reflect.ValueOf(plan.Files), name)
	undo := &act.Undo{
		Entry: journal.Entry{ID: 3, Command: name, User: name}, Settings: plan.Changes[0].Settings, Files: plan.Files,
		Kept: []act.Kept{{What: name, Why: name, File: &plan.Files[0]}},
	}
	gaps := []host.Gap{{Part: host.PartUnits, Object: name, Why: name}}
	strains := []judge.Strain{strain(100, finding.Critical), strain(200, finding.Warning)}
	poison(reflect.ValueOf(strains), name)
	return map[string]any{
		"show": poisoned(busyHost(), name), "doctor": poisoned(someFindings(), name), "boot": report.NewBoot(poisoned(someBoot(), name), nil),
		"rules": examined(name), "change": report.NewChange(plan), "undo": report.NewUndo(undo),
		"confirmation": report.NewConfirmation(&undo.Entry), "check": report.NewCheck(strains, true, false, nil, gaps), "unknown": report.UnknownCheck(errors.New(name)),
		"summary": poisoned(&report.Summary{Namespaces: []host.Totals{someTotals(), someTotals()}, Gaps: gaps}, name),
		"groups":  poisoned(someGroups("process"), name),
		"live":    poisoned(someLive(t), name), "costs": poisoned(someCosts(), name),
		"left": poisoned(&report.Left{Pools: []report.LeftPool{{}}, LocalPools: []report.LeftLocal{{}}, Gaps: gaps}, name),
		"reserved": report.NewReserved([]host.Namespace{
			{Name: name, Settings: host.Settings{Reserved: &port.Set{}}}, {Name: name, Settings: host.Settings{Reserved: &port.Set{}}},
		}, gaps),
	}
}

// examined is what the rules say of a namespace whose names are hostile.
func examined(name string) *report.Doctor {
	state := fullOfTimeWait()
	ns := &state.Namespaces[0]
	ns.Name, ns.Ref = name, name
	ns.Claims = []host.Claim{
		{Kind: host.SocketUnit, Who: name, Evidence: name, Ports: ns.Settings.Range.Set()},
		{Kind: host.NodePorts, Who: name, Evidence: name, Ports: ns.Settings.Range.Set()},
	}
	ns.Holds = []host.Hold{{Port: 40000, Proto: port.TCP, State: port.Listen, Processes: []host.Process{{PID: 1, Command: name}}}}
	ns.Usage.Listening.Add(40000)
	ns.Devices = map[uint32]string{1: name}
	ns.NAT = []host.NATRules{{Table: name, Chain: name}}
	return report.NewDoctor(state.TakenAt, state, rules.Examine(&rules.Facts{Now: state}))
}

func writeText(w io.Writer, document any, style report.Style) error {
	switch doc := document.(type) {
	case *report.Show:
		return report.WriteShow(w, doc, 0, style)
	case *report.Doctor:
		return report.WriteDoctor(w, doc, style)
	case *report.Boot:
		return report.WriteBoot(w, doc, style)
	case *report.Change:
		return report.WriteChange(w, doc, style)
	case *report.Undo:
		return report.WriteUndo(w, doc, style)
	case *report.Check:
		return report.WriteCheck(w, doc)
	case *report.Summary:
		return report.WriteSummary(w, doc, style)
	case *report.SocketGroups:
		return report.WriteSocketGroups(w, doc, style)
	case *report.LivePlan:
		return report.WriteLivePlan(w, doc, 0, style)
	case *report.Costs:
		return report.WriteCosts(w, doc, style)
	case *report.Left:
		return report.WriteLeft(w, doc, style)
	case *report.Reserved:
		return report.WriteReserved(w, doc, style)
	}
	return nil // a document of JSON alone
}

// harmless fails unless nothing in the output does more than show.
func harmless(t *testing.T, what, output string) {
	t.Helper()
	if !utf8.ValidString(output) {
		t.Errorf("%s: not UTF-8: %q", what, output)
	}
	for _, r := range output {
		if r != '\n' && !unicode.IsPrint(r) {
			t.Fatalf("%s: %U came through in %q", what, r, output)
		}
	}
}

// mentions reports whether a text of a JSON document holds name.
func mentions(value any, name string) bool {
	switch value := value.(type) {
	case string:
		return strings.Contains(value, name)
	case []any:
		for _, element := range value {
			if mentions(element, name) {
				return true
			}
		}
	case map[string]any:
		for _, element := range value {
			if mentions(element, name) {
				return true
			}
		}
	}
	return false
}

// parses fails unless a parser finds the name, as far as it is UTF-8.
func parses(t *testing.T, what, output, name string) {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(output), &value); err != nil {
		t.Fatalf("%s: %v in %q", what, err, output)
	}
	if utf8.ValidString(name) && !mentions(value, name) {
		t.Errorf("%s: the name %q cannot be recognised in %q", what, name, output)
	}
}

// FuzzHostileNames feeds a name through every output there is.
func FuzzHostileNames(f *testing.F) {
	for _, name := range []string{
		"nginx", "a\x1b]0;title\x07\x1b[2Jb", "\u009b31m\u0085", "x\u202egnp.exe\u202c", "\u2066a\u2069\u200e\u200f\u061c", "\u200b\ufeff\u00ad",
		"two\nlines\r\tand a tab", "\xff\xfe\xc2", "\x1b[31", "\x1b[5m", "</text><script>&\"'|", "%s%d{{.}}", "\u2028\u2029\U000E0041",
	} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		for what, document := range documents(t, name) {
			for _, style := range []report.Style{{}, {Width: 60, Bars: true}, {ASCII: true}, {Width: 72, Colour: true}} {
				var text bytes.Buffer
				if err := writeText(&text, document, style); err != nil {
					t.Fatal(err)
				}
				plain := text.String()
				if style.Colour {
					plain = strings.NewReplacer("\x1b[0m", "", "\x1b[1m", "", "\x1b[2m", "", "\x1b[31m", "", "\x1b[32m", "", "\x1b[33m", "").Replace(plain)
				}
				harmless(t, what+" as text", plain)
			}
			var text bytes.Buffer
			if err := report.WriteJSON(&text, document); err != nil {
				t.Fatal(err)
			}
			harmless(t, what+" as JSON", text.String())
			parses(t, what, text.String(), name)
		}
		listed(t, name)
		written(t, name)
		said(t, name)
	})
}

// listed are sockets, which come one by one.
func listed(t *testing.T, name string) {
	t.Helper()
	var text, document bytes.Buffer
	w := bufio.NewWriter(&text)
	asText, asJSON := report.NewSocketsText(w, true, report.Style{}), report.NewSocketsJSON(&document)
	for _, s := range someSockets() {
		if err := errors.Join(asText.Write(poisoned(&s, name)), asJSON.Write(&s)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Flush(), asJSON.Close([]host.Gap{{Part: host.PartOwners, Why: name}}, false)); err != nil {
		t.Fatal(err)
	}
	harmless(t, "sockets as text", text.String())
	harmless(t, "sockets as JSON", document.String())
	parses(t, "sockets", document.String(), name)
}

// written are files: the drop-in, the journal, settings for other systems, charts.
func written(t *testing.T, name string) {
	t.Helper()
	settings := host.Settings{Range: port.DefaultRange, Reserved: &port.Set{}}
	plan, err := act.NewPlan(act.Wish{Range: &port.Range{Low: 15000, High: 64001}, Persist: true, Origin: act.Origin{Command: name, User: name}}, act.Look{
		State:  &host.State{Namespaces: []host.Namespace{{ID: 1, Name: name, Settings: settings}}},
		Places: map[uint64]journal.Place{1: {ID: 1, Name: name}}, Booted: 1,
		Files: &act.Files{Contents: map[string]*journal.Content{act.DropIn: nil}, Boot: noForecast{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	dropIn := string(plan.Files[0].After.Data)
	harmless(t, "drop-in", dropIn)
	for line := range strings.Lines(dropIn) {
		if line[0] != '#' && !strings.HasPrefix(line, port.KeyRange+" = ") {
			t.Errorf("the name ends its comment: %q", dropIn)
		}
	}
	for _, format := range emit.Formats() {
		var text bytes.Buffer
		if err := emit.Write(&text, format, []emit.Setting{{Key: port.KeyRange, Value: name}}); err != nil {
			t.Fatal(err)
		}
		harmless(t, string(format), text.String())
	}
	drawing := chart.Chart{
		Title: name, X: chart.Axis{Label: name}, Y: chart.Axis{Label: name},
		Series: []chart.Series{{Name: name, Points: []chart.Point{{X: 0, Y: 0}, {X: 1, Y: 1}}}}, Marks: []chart.Mark{{At: 0.5, Label: name}},
	}
	harmless(t, "chart", string(drawing.SVG()))
}

type noForecast struct{}

func (noForecast) Conflicts(string, []byte) []boot.Conflict { return nil }
func (noForecast) Report(map[string]string) *boot.Report    { return &boot.Report{} }

// said are words of the command line itself, about what it was given.
func said(t *testing.T, name string) {
	t.Helper()
	var out, words bytes.Buffer
	streams := cli.Streams{In: strings.NewReader(""), Out: &out, Err: &words, Getenv: func(string) string { return name }}
	for _, args := range [][]string{
		{"no command " + name}, {"check", "--tuple", "none " + name}, {"boot", "--root", "/nowhere/" + name}, {"doctor", "--explain", "no code " + name},
	} {
		_ = cli.Run(context.Background(), args, streams)
	}
	harmless(t, "standard output", out.String())
	harmless(t, "standard error", words.String())
}
