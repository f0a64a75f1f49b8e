package report_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"portrange/internal/doctor"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/report"
)

func someFindings() *report.Doctor {
	finding := func(namespace uint64, name, code string, severity judge.Severity) doctor.Finding {
		return doctor.Finding{Namespace: namespace, Name: name, Finding: judge.Finding{
			Code: code, Severity: severity, Subject: "tcp 10.0.0.2 → 10.0.0.5:8080",
			Evidence: "21870 of 28218 ports in use, 6348 left; most by ha\x1bproxy (pid 812)", Advice: "give it more ports: `portrange set 15000 64001`",
		}}
	}
	return &report.Doctor{
		SchemaVersion: report.SchemaVersion, TakenAt: time.Date(2026, 11, 22, 20, 43, 44, 0, time.UTC), Host: "lb1", Kernel: "6.18.44",
		Findings: []doctor.Finding{
			finding(4026531840, "host", "pool-full", judge.Critical),
			finding(4026532000, "nginx (9)", "pool-past-half", judge.Warning),
			finding(0, "", "machine-files", judge.Info),
		},
		Gaps: []host.Gap{},
		Namespaces: []report.Examined{
			{NetNS: 4026531840, Name: "host", Source: "bpf", Walk: &host.Walk{Restarts: 2, Skipped: 21000}},
			{NetNS: 4026532000, Name: "nginx (9)", Source: "netlink"},
		},
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
	one.Findings = one.Findings[1:]
	if text := writeDoctor(t, one, report.Style{}); !strings.Contains(text, "pool-past-half, network namespace nginx (9)\n") {
		t.Errorf("the one namespace of several that has a finding is not named:\n%s", text)
	}
	one.Namespaces = one.Namespaces[1:]
	if text := writeDoctor(t, one, report.Style{}); strings.Contains(text, "network namespace") {
		t.Errorf("one namespace need not be named:\n%s", text)
	}
}

func TestDoctorWithNothingFound(t *testing.T) {
	doc := someFindings()
	doc.Findings = []doctor.Finding{}
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

func thresholds(t *testing.T, warning, critical string) judge.Thresholds {
	t.Helper()
	w, errW := judge.ParseThreshold(warning)
	c, errC := judge.ParseThreshold(critical)
	if err := errors.Join(errW, errC); err != nil {
		t.Fatal(err)
	}
	return judge.Thresholds{Warning: w, Critical: c}
}

func line(t *testing.T, c *report.Check) string {
	t.Helper()
	c.Thresholds = thresholds(t, "50%", "2000")
	var out bytes.Buffer
	if err := report.WriteCheck(&out, c); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func strain(left int, severity judge.Severity) judge.Strain {
	return judge.Strain{Name: "lb1", Proto: "tcp", Local: "10.0.0.2", Remote: "10.0.0.5:80", Size: 28232, Left: left, Severity: severity}
}

func TestCheckLine(t *testing.T) {
	gap := []host.Gap{{Part: "bind buckets", Why: "not permitted"}, {Part: "settings of x", Why: "gone"}}
	for _, tt := range []struct {
		name    string
		check   *report.Check
		code    int
		want    []string
		without string
	}{
		{
			"worst of two", report.NewCheck([]judge.Strain{strain(20000, judge.Info), strain(1500, judge.Critical)}, true, false, nil), 2,
			[]string{"PORTRANGE CRITICAL: 1500 ports left from 10.0.0.2 to 10.0.0.5:80 (tcp), 94.7% taken, network namespace lb1; worst of 2 pools | ",
				"taken=26732;14115;26231;0;28232 ", " left=1500;;;0;28232 "}, "not exact",
		},
		{
			"not exact", report.NewCheck([]judge.Strain{strain(9000, judge.Warning)}, false, false, gap), 1,
			[]string{"WARNING: 9000 ports", "; not exact, fewer may be left; could not read bind buckets and 1 more | "}, "worst of",
		},
		{
			"partly read and fine so far", report.NewCheck([]judge.Strain{strain(20000, judge.Info)}, true, true, nil), 3,
			[]string{"PORTRANGE UNKNOWN: 20000 ports left", "not exact"}, "",
		},
		{"nothing", report.NewCheck(nil, true, false, nil), 3, []string{"PORTRANGE UNKNOWN: no pool could be read\n"}, "|"},
		{
			"error", report.UnknownCheck(errors.New("read a|b:\npermission\tdenied")), 3,
			[]string{"PORTRANGE UNKNOWN: read a/b: permission denied\n"}, "|",
		},
		{
			"several reached", report.NewCheck([]judge.Strain{strain(0, judge.Critical), strain(9000, judge.Warning), strain(9, judge.Critical)}, true, false, nil), 2,
			[]string{"0 ports left", "worst of 3 pools, 2 critical and 1 warning | ", "critical_pools=2;;;0; warning_pools=1;;;0;\n"}, "",
		},
	} {
		got := line(t, tt.check)
		if tt.check.ExitCode != tt.code || strings.Count(got, "\n") != 1 {
			t.Errorf("%s: exit code %d, line %q", tt.name, tt.check.ExitCode, got)
		}
		for _, want := range tt.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q does not contain %q", tt.name, got, want)
			}
		}
		if tt.without != "" && strings.Contains(got, tt.without) {
			t.Errorf("%s: %q contains %q", tt.name, got, tt.without)
		}
	}
}

func TestCheckOfAPoolThatIsAlwaysTooSmall(t *testing.T) {
	c := report.NewCheck([]judge.Strain{{Proto: "tcp", Size: 100, Left: 100, Severity: judge.Critical}}, true, false, nil)
	if got := line(t, c); !strings.Contains(got, "taken=0;49;~:-1;0;100") {
		t.Errorf("line %q, want a critical range that no number is in", got)
	}
}
