package report_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/report"
	"portrange/internal/rules"
)

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

func strain(left int, severity finding.Severity) judge.Strain {
	return judge.Strain{Name: "lb1", Proto: "tcp", Local: "10.0.0.2", Remote: "10.0.0.5:80", Size: 28232, Left: left, Severity: severity}
}

// checkCase is a check with its exit code and what its line holds.
type checkCase struct {
	name    string
	check   *report.Check
	code    int
	want    []string
	without string
}

func checkCases() []checkCase {
	gap := []host.Gap{{Part: "bind buckets", Why: "not permitted"}, {Part: host.PartSettings, Object: "settings of x", Why: "gone"}}
	return []checkCase{
		{
			"worst of two", report.NewCheck([]judge.Strain{strain(20000, finding.Info), strain(1500, finding.Critical)}, true, false, nil, nil), 2,
			[]string{"PORTRANGE CRITICAL: 1,500 ports left from 10.0.0.2 to 10.0.0.5:80 (tcp), 94.7% taken, network namespace lb1; worst of 2 pools | ",
				"taken=26732;14115;26231;0;28232 ", " left=1500;;;0;28232 "}, "not exact",
		},
		{
			"not exact", report.NewCheck([]judge.Strain{strain(9000, finding.Warning)}, false, false, nil, gap), 1,
			[]string{"WARNING: 9,000 ports", "; not exact, fewer may be left; could not read bind buckets and 1 more | "}, "worst of",
		},
		{
			"partly read and fine so far", report.NewCheck([]judge.Strain{strain(20000, finding.Info)}, true, true, nil, nil), 3,
			[]string{"PORTRANGE UNKNOWN: 20,000 ports left", "not exact"}, "",
		},
		{"nothing", report.NewCheck(nil, true, false, nil, nil), 3, []string{"PORTRANGE UNKNOWN: no pool could be read\n"}, "|"},
		{
			"error", report.UnknownCheck(errors.New("read a|b:\npermission\tdenied")), 3,
			[]string{"PORTRANGE UNKNOWN: read a/b: permission denied\n"}, "|",
		},
		{
			"several reached", report.NewCheck([]judge.Strain{strain(0, finding.Critical), strain(9000, finding.Warning), strain(9, finding.Critical)}, true, false, nil, nil), 2,
			[]string{"0 ports left", "worst of 3 pools, 2 critical and 1 warning | ", "critical_pools=2;;;0; warning_pools=1;;;0;\n"}, "",
		},
	}
}

func TestCheckLine(t *testing.T) {
	for _, tt := range checkCases() {
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

// TestCheckTellsOfOwnChanges: an overdue one is a warning at least, one that waits
// is nobody's business.
func TestCheckTellsOfOwnChanges(t *testing.T) {
	at := time.Date(2026, 11, 22, 20, 43, 44, 0, time.UTC)
	overdue := []finding.Finding{rules.ChangeOverdue("change 7", "set 1 2", at)}
	fine := []judge.Strain{strain(20000, finding.Info)}
	for _, tt := range []checkCase{
		{"fine so far", report.NewCheck(fine, true, false, overdue, nil), 1, []string{"PORTRANGE WARNING: 20,000 ports", "; change 7, portrange set 1 2 should have gone back at 2026-11-22 20:43:44 UTC"}, ""},
		{"partly read", report.NewCheck(fine, true, true, overdue, nil), 1, []string{"; change 7, "}, ""},
		{"critical", report.NewCheck([]judge.Strain{strain(0, finding.Critical)}, true, false, overdue, nil), 2, []string{"CRITICAL", "; change 7, "}, ""},
		{"waits", report.NewCheck(fine, true, false, []finding.Finding{rules.ChangeWaits("change 7", "set 1 2", at)}, nil), 0, nil, "change 7"},
	} {
		got := line(t, tt.check)
		if tt.check.ExitCode != tt.code || tt.without != "" && strings.Contains(got, tt.without) {
			t.Errorf("%s: exit code %d, %q", tt.name, tt.check.ExitCode, got)
		}
		for _, want := range tt.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q does not contain %q", tt.name, got, want)
			}
		}
	}
}

func TestCheckOfAPoolThatIsAlwaysTooSmall(t *testing.T) {
	c := report.NewCheck([]judge.Strain{{Proto: "tcp", Size: 100, Left: 100, Severity: finding.Critical}}, true, false, nil, nil)
	if got := line(t, c); !strings.Contains(got, "taken=0;49;~:-1;0;100") {
		t.Errorf("line %q, want a critical range that no number is in", got)
	}
}
