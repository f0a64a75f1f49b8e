package report_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"portrange/internal/act"
	"portrange/internal/act/journal"
	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/port"
	"portrange/internal/report"
)

// somePlan widens the range of one namespace, and two of its findings ask for
// the same.
func somePlan() *act.Plan {
	advice := finding.Action{Step: finding.Now, Text: "add --reserve: otherwise it fails to start"}
	intruder := func(code, who, evidence string) finding.Finding {
		return finding.Finding{
			Kind: kind(code, evidence), Severity: finding.Warning, NetNS: 4026531840, Name: "host",
			Subject: finding.Of(who), Actions: []finding.Action{advice},
		}
	}
	full := busyFindings()[0]
	full.Actions = full.Actions[:1]
	place := journal.Place{ID: 4026531840, Name: "host"}
	return &act.Plan{
		Changes: []act.Change{{
			NetNS: 4026531840, Name: "ho\x1bst", Before: judge.RangeOf(port.DefaultRange), After: judge.RangeOf(port.Range{Low: 15000, High: 64001}),
			Gained: 20770, ReservedAfter: "8080",
			Findings: []finding.Finding{
				full, intruder("service-port", "postgresql.service", "it listens on 15432"), intruder("socket-unit", "cups\u202e.socket", "it wants 15631"),
			},
			Settings: []journal.Setting{{Namespace: place, Key: port.KeyReserved, After: "8080"}, {Namespace: place, Key: port.KeyRange, Before: "32768 60999", After: "15000 64001"}},
		}},
		Files:    []journal.File{{Path: "/etc/sysctl.d/90-portrange.conf", After: &journal.Content{Mode: 0o644, Data: []byte("net.ipv4.ip_local_port_range = 15000 64001\n")}}},
		Findings: []finding.Finding{{Kind: kind("interrupted", "it was interrupted on its way"), Severity: finding.Warning, Subject: finding.Of("change 3 (set)")}},
		Gaps:     []host.Gap{},
	}
}

func TestChangeText(t *testing.T) {
	for name, style := range map[string]report.Style{"change.txt": {}, "change-60-ascii.txt": {Width: 60, ASCII: true}} {
		var out bytes.Buffer
		if err := report.WriteChange(&out, report.NewChange(somePlan()), style); err != nil {
			t.Fatal(err)
		}
		golden(t, name, out.String())
	}
}

func TestChangeJSON(t *testing.T) {
	var out bytes.Buffer
	if err := report.WriteJSON(&out, report.NewChange(somePlan())); err != nil {
		t.Fatal(err)
	}
	golden(t, "change.json", out.String())
}

func TestUndoText(t *testing.T) {
	plan := somePlan()
	undo := &act.Undo{
		Entry:    journal.Entry{ID: 3, State: journal.Waiting, At: time.Date(2026, 11, 22, 20, 43, 44, 0, time.UTC), Command: "set 15000 64001", User: "root\u202e"},
		Settings: plan.Changes[0].Settings, Files: plan.Files,
		Kept: []act.Kept{{What: "net.ipv4.tcp_tw_reuse in netns lb1", Why: "it is 2 now"}},
	}
	var out bytes.Buffer
	if err := report.WriteUndo(&out, report.NewUndo(undo), report.Style{}); err != nil {
		t.Fatal(err)
	}
	golden(t, "undo.txt", out.String())
	for state, want := range map[journal.State]string{
		journal.Confirming: ", which was interrupted as it was confirmed\n",
		journal.Reverting:  ", which was interrupted as it was taken back\n",
	} {
		undo.Entry.State = state
		out.Reset()
		err := report.WriteUndo(&out, report.NewUndo(undo), report.Style{})
		if first, _, _ := strings.Cut(out.String(), "To be written"); err != nil || !strings.Contains(first, want) {
			t.Errorf("%s: %v, no %q in\n%s", state, err, want, first)
		}
	}
	undo.Resumes, undo.Entry.State = true, journal.Begun
	out.Reset()
	if err := report.WriteUndo(&out, report.NewUndo(undo), report.Style{}); err != nil {
		t.Fatal(err)
	}
	if want := "Finishes change 3, `portrange set 15000 64001`, by root? on 2026-11-22 20:43:44 UTC, which was interrupted\n"; !strings.HasPrefix(out.String(), want) {
		t.Errorf("no %q in\n%s", want, out.String())
	}
}
