package report_test

import (
	"bytes"
	"strings"
	"testing"

	"portrange/internal/boot"
	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/port"
	"portrange/internal/report"
	"portrange/internal/rules"
)

func pointer[T any](value T) *T { return &value }

// someBoot has a setting that a reboot changes, one that nothing sets, and a
// file name that is not fit to be printed.
func someBoot() *boot.Report {
	line := boot.Line{File: "/etc/sysctl.d/90-x\u202e.conf", Line: 3, Target: "/opt/x.conf"}
	return &boot.Report{
		SchemaVersion: 1, Program: boot.Systemd,
		Settings: []boot.Setting{
			{
				Key: port.KeyRange, Running: pointer("32768 60999"), Boot: pointer("15000 64001"), Drift: true,
				Systemd: &boot.Decision{Value: "15000 64001", Line: line},
				Loses:   []boot.Loser{{Line: boot.Line{File: "/etc/sysctl.conf", Line: 1, Target: "/etc/sysctl.conf"}, Value: "", Programs: []boot.Program{boot.Systemd}, Why: "a later line sets it"}},
			},
			{Key: port.KeyReserved, Running: pointer(""), Boot: pointer("")},
			{Key: port.KeyTWReuse, Running: pointer("2")},
		},
	}
}

func TestBootText(t *testing.T) {
	for name, style := range map[string]report.Style{"boot.txt": {}, "boot-40.txt": {Width: 40, Colour: true}} {
		var out bytes.Buffer
		if err := report.WriteBoot(&out, report.NewBoot(someBoot(), nil), style); err != nil {
			t.Fatal(err)
		}
		golden(t, name, out.String())
	}
}

func TestBootClosing(t *testing.T) {
	for want, settings := range map[string][]boot.Setting{
		"A reboot changes 1 setting. `portrange set` and `portrange reserve add` with --persist keep a range and a list.\n": someBoot().Settings[:1],
		"A reboot changes none of them.\n":                   someBoot().Settings[1:],
		"What runs now is not compared with another root.\n": {{Key: port.KeyRange, Boot: pointer("1 2")}},
	} {
		var out bytes.Buffer
		if err := report.WriteBoot(&out, report.NewBoot(&boot.Report{Program: boot.Procps, Settings: settings}, nil), report.Style{}); err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(out.String(), "\n\n"+want) {
			t.Errorf("no %q at the end of\n%s", want, out.String())
		}
	}
}

// TestUnsettledChangeIsTold with boot, and by show with the first namespace alone.
func TestUnsettledChangeIsTold(t *testing.T) {
	found := []finding.Finding{rules.Interrupted("change 7", "set 1 2", rules.WhileConfirmed)}
	var out bytes.Buffer
	if err := report.WriteBoot(&out, report.NewBoot(someBoot(), found), report.Style{}); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.Contains(got, "interrupted-change  change 7") || !strings.Contains(got, "portrange confirm") {
		t.Error(got)
	}
	settings := host.Settings{Range: port.DefaultRange, Reserved: &port.Set{}}
	show := report.NewShow(&host.State{Namespaces: []host.Namespace{
		{ID: 1, Settings: settings, Usage: host.NewUsage(settings)}, {ID: 2, Settings: settings, Usage: host.NewUsage(settings)},
	}}, found)
	if first, second := show.Namespaces[0].Findings, show.Namespaces[1].Findings; len(first) != 1 || len(second) != 0 {
		t.Errorf("show: %+v and %+v", first, second)
	}
}

func TestReservedText(t *testing.T) {
	set := &port.Set{}
	set.AddRange(40000, 40009)
	set.Add(80)
	some := host.Namespace{ID: 4026531840, Name: "host", Settings: host.Settings{Range: port.DefaultRange, Reserved: set}}
	none := host.Namespace{ID: 4026532450, Name: "lb\x1b1", Settings: host.Settings{Range: port.DefaultRange, Reserved: &port.Set{}}}
	for want, namespaces := range map[string][]host.Namespace{
		"80,40000-40009\n": {some},
		"\n":               {none},
		"host (4026531840)  80,40000-40009\nlb?1 (4026532450)  none\n": {some, none},
	} {
		var out bytes.Buffer
		doc := report.NewReserved(namespaces, []host.Gap{})
		if err := report.WriteReserved(&out, doc, report.Style{}); err != nil {
			t.Fatal(err)
		}
		if out.String() != want {
			t.Errorf("printed %q, want %q", out.String(), want)
		}
	}
	if first := report.NewReserved([]host.Namespace{some}, nil).Namespaces[0]; first.Count != 11 || first.InRange != 10 {
		t.Errorf("counted %+v, want 11 and 10 of them in the range", first)
	}
}
