package report_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/port"
	"portrange/internal/report"
)

// someFindings has a full pool with its cause, a warning of the same rule for two
// pools of another namespace, and something about the machine.
func someFindings() *report.Doctor {
	found := busyFindings()[:2]
	for _, remote := range []string{"10.0.0.5:8080", "10.0.0.6:443"} {
		found = append(found, finding.Finding{
			Kind:     kind("pool-past-half", "15,000 of 28,232 ports in use, 13,232 left; most by ha\x1bproxy (pid 812)"),
			Severity: finding.Warning, NetNS: 4026532000, Name: "nginx (9)", Subject: finding.OfPool(port.TCP, "10.0.0.2", remote),
			Actions: []finding.Action{{Step: finding.Now, Command: finding.Portrange("9", "set", "15000", "64001", "--reserve")}},
		})
	}
	found = append(found, finding.Finding{
		Kind: kind("machine-files", "99 of 100 files open"), Severity: finding.Info, Subject: finding.OfSetting("fs.file-max", "100"),
	})
	return &report.Doctor{
		SchemaVersion: report.SchemaVersion, TakenAt: time.Date(2026, 11, 22, 20, 43, 44, 0, time.UTC), Host: "lb1", Kernel: "6.18.44",
		Namespaces: []report.Examined{
			{NetNS: 4026531840, Name: "host", Source: "bpf", Walk: &host.Walk{Restarts: 2, Skipped: 21000}},
			{NetNS: 4026532000, Name: "nginx (9)", Source: "netlink"},
		},
		Findings: report.NewFindings(found), Gaps: []host.Gap{},
	}
}

func writeDoctor(t *testing.T, doc *report.Doctor, style report.Style) string {
	t.Helper()
	var out bytes.Buffer
	if err := report.WriteDoctor(&out, doc, style); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestDoctorText(t *testing.T) {
	golden(t, "doctor-pipe.txt", writeDoctor(t, someFindings(), report.Style{}))
	golden(t, "doctor-72.txt", writeDoctor(t, someFindings(), report.Style{Width: 72, Colour: true}))
	one := someFindings()
	one.Findings = one.Findings[2:]
	if text := writeDoctor(t, one, report.Style{}); !strings.Contains(text, "pool-past-half  tcp 10.0.0.2 → 10.0.0.5:8080, network namespace nginx (9)\n") {
		t.Errorf("the one namespace of several that has a finding is not named:\n%s", text)
	}
	one.Namespaces = one.Namespaces[1:]
	if text := writeDoctor(t, one, report.Style{}); strings.Contains(text, "network namespace") {
		t.Errorf("one namespace need not be named:\n%s", text)
	}
}

func TestDoctorWithNothingFound(t *testing.T) {
	doc := someFindings()
	doc.Findings = report.NewFindings(nil)
	if text := writeDoctor(t, doc, report.Style{}); !strings.HasSuffix(text, "\nNothing found.\n") {
		t.Errorf("text %q", text)
	}
	doc.Gaps = []host.Gap{{Part: "owners", Why: "operation not permitted"}}
	if text := writeDoctor(t, doc, report.Style{}); !strings.HasSuffix(text, "\nNothing found, as far as could be read.\n") {
		t.Errorf("text %q", text)
	}
}

func TestDoctorJSON(t *testing.T) {
	var out bytes.Buffer
	if err := report.WriteJSON(&out, someFindings()); err != nil {
		t.Fatal(err)
	}
	golden(t, "doctor.json", out.String())
}
