package report_test

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/report"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares output with testdata/name.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// busyHost is a document with everything in it: two namespaces, a full, a
// nearly full and a quiet pool, a device, local pools, findings and a gap.
func busyHost() *report.Show {
	show := &report.Show{
		SchemaVersion: report.SchemaVersion,
		TakenAt:       time.Date(2026, 11, 22, 20, 43, 44, 0, time.UTC),
		Host:          "lb1", Kernel: "6.18.44",
		Namespaces: namespaces([]judge.Verdict{busyNamespace(), quietNamespace(), idleNamespace()}, busyFindings()),
		Gaps:       []host.Gap{{Part: "bind buckets", NetNS: 4026532450, Why: "operation not permitted"}},
	}
	show.Namespaces[0].Walk = &host.Walk{Restarts: 3, Skipped: 28000}
	return show
}

// namespaces puts each finding with the verdict on its namespace.
func namespaces(verdicts []judge.Verdict, found []finding.Finding) []report.Shown {
	list := make([]report.Shown, len(verdicts))
	for i, v := range verdicts {
		elsewhere := func(f finding.Finding) bool { return f.NetNS != v.NetNS }
		list[i] = report.Shown{Verdict: v, Findings: report.NewFindings(slices.DeleteFunc(slices.Clone(found), elsewhere))}
	}
	return list
}

func busyNamespace() judge.Verdict {
	return judge.Verdict{
		NetNS: 4026531840, Name: "host", Source: "bpf", Exact: true,
		Range:    judge.RangeInfo{Low: 32768, High: 60999, Size: 28232, Default: true},
		Reserved: "8080,40000-40003", ReservedInRange: 4, BindHeld: 14, Usable: 28214, OutsideRange: 3, InUse: 43214,
		Settings: judge.SettingsInfo{TWReuse: 2, TWReuseDelayMS: 1000, UnprivilegedStart: 1024},
		Pools: []judge.Pool{
			{
				Proto: "tcp", Local: "10.0.0.2", Remote: "10.0.0.5:8080", Size: 28214, Used: 28214, UsedRatio: 1, Exact: true,
				States: map[string]int{"established": 3000, "time_wait": 25214},
				Owners: []judge.Owner{{Process: host.Process{PID: 812, Command: "haproxy"}, Used: 2500}, {Process: host.Process{PID: 813, Command: "haproxy"}, Used: 500}},
			},
			{
				Proto: "tcp", Local: "10.0.0.2", Device: "eth1", Remote: "[2001:db8::1234:5678]:443", Size: 28214, Used: 15000, Left: 13214, UsedRatio: 0.532, Exact: true,
				States: map[string]int{"established": 15000},
				Owners: []judge.Owner{{Process: host.Process{PID: 90, Command: "ev\x1b[31mil"}, Used: 15000}},
			},
			{
				Proto: "tcp", Local: "127.0.0.1", Remote: "127.0.0.1:5432", Size: 28214, Used: 12, Left: 28209, Reusable: 7, UsedRatio: 0, Exact: true,
				States: map[string]int{"time_wait": 7, "established": 5}, Owners: []judge.Owner{},
			},
		},
		LocalPools: []judge.LocalPool{
			{Proto: "tcp", Local: "127.0.0.1", Size: 28228, Used: 12, Left: 28216, Exact: true},
			{Proto: "udp", Local: "10.0.0.2", Size: 28228, Used: 20000, Left: 8228, Exact: true},
		},
	}
}

func quietNamespace() judge.Verdict {
	return judge.Verdict{
		NetNS: 4026532450, Name: "nginx (4711)", Source: "netlink", Doubts: []judge.Doubt{judge.DoubtBuckets},
		Range:  judge.RangeInfo{Low: 15000, High: 64000, Size: 49001},
		Usable: 49001, Pools: []judge.Pool{}, LocalPools: []judge.LocalPool{},
	}
}

// idleNamespace has nothing but a range.
func idleNamespace() judge.Verdict {
	return judge.Verdict{
		NetNS: 4026532451, Name: "redis (99)", Source: "bpf", Exact: true,
		Range:  judge.RangeInfo{Low: 32768, High: 60999, Size: 28232, Default: true},
		Usable: 28232, Pools: []judge.Pool{}, LocalPools: []judge.LocalPool{},
	}
}

func TestShowText(t *testing.T) {
	tests := []struct {
		name  string
		limit int
		style report.Style
	}{
		{name: "show-pipe.txt", limit: 10},
		{name: "show-limit.txt", limit: 1},
		{name: "show-wide-colour.txt", style: report.Style{Width: 160, Colour: true, Bars: true}},
		{name: "show-80.txt", style: report.Style{Width: 80, Bars: true}},
		{name: "show-40.txt", style: report.Style{Width: 40}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			if err := report.WriteShow(&out, busyHost(), test.limit, test.style); err != nil {
				t.Fatal(err)
			}
			golden(t, test.name, out.String())
		})
	}
}

func TestShowFitsTheTerminal(t *testing.T) {
	for _, width := range []int{72, 80, 100, 132, 200} {
		var out bytes.Buffer
		if err := report.WriteShow(&out, busyHost(), 0, report.Style{Width: width, Bars: true}); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width {
				t.Errorf("width %d: %d cells in %q", width, n, line)
			}
		}
	}
}

func TestNamesCannotMoveTheCursor(t *testing.T) {
	var out bytes.Buffer
	if err := report.WriteShow(&out, busyHost(), 0, report.Style{}); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsRune(out.String(), '\x1b') {
		t.Errorf("an escape sequence of a process name came through:\n%q", out.String())
	}
}

func TestClosingLine(t *testing.T) {
	quiet := quietNamespace()
	used := busyNamespace()
	verdicts := func(verdicts ...judge.Verdict) []report.Shown { return namespaces(verdicts, nil) }
	tests := []struct {
		name string
		doc  report.Show
		want string
	}{
		{"no pools", report.Show{Namespaces: verdicts(quiet)}, "All is well: no socket uses a port of the range."},
		{"a gap", report.Show{Namespaces: verdicts(quiet), Gaps: []host.Gap{{}}}, "As far as could be read, all is well: no socket uses a port of the range."},
		{"no pools of one protocol", report.Show{Namespaces: verdicts(quiet), Proto: "udp"}, "All is well: no udp socket uses a port of the range."},
		{"only UDP", report.Show{Namespaces: verdicts(judge.Verdict{LocalPools: []judge.LocalPool{
			{Proto: "tcp", Local: "10.0.0.2", Size: 20, Used: 19, Left: 1}, {Proto: "udp", Local: "10.0.0.2", Size: 20, Used: 16, Left: 4},
		}})}, "All is well: the fullest pool, udp 10.0.0.2, has 4 of 20 ports left."},
		{"only notes", report.Show{Namespaces: []report.Shown{withFindings(used, finding.Info)}}, "All is well: the fullest pool, tcp 10.0.0.2 → 10.0.0.5:8080, has 0 of 28,214 ports left."},
		{"warnings", report.Show{Namespaces: []report.Shown{withFindings(used, finding.Warning, finding.Warning)}}, "Not well: 2 warnings. First: a0."},
		{"critical in the second namespace", report.Show{Namespaces: []report.Shown{withFindings(quiet, finding.Warning), withFindings(used, finding.Info, finding.Critical)}}, "Not well: 1 critical, 1 warning. First, in host: a1."},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			if err := report.WriteShow(&out, &test.doc, 0, report.Style{}); err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			if got := lines[len(lines)-1]; got != test.want {
				t.Errorf("closing line\n got %s\nwant %s", got, test.want)
			}
		})
	}
}

func withFindings(v judge.Verdict, severities ...finding.Severity) report.Shown {
	var found []finding.Finding
	for i, severity := range severities {
		digit := strconv.Itoa(i)
		found = append(found, finding.Finding{
			Kind: kind("s"+digit, "e"+digit), Severity: severity, NetNS: v.NetNS, Name: v.Name,
			Actions: []finding.Action{{Step: finding.Now, Text: "a" + digit}},
		})
	}
	return namespaces([]judge.Verdict{v}, found)[0]
}

func TestLeftText(t *testing.T) {
	doc := &report.Left{
		Pools: []report.LeftPool{
			{Origin: report.Origin{Name: "host", Source: "bpf"}, Pool: judge.Pool{
				Exact: true,
				Proto: "tcp", Local: "10.0.0.2", Remote: "10.0.0.5:8080", Size: 28218, Used: 21870, Left: 6358, Reusable: 10, UsedRatio: 0.775,
				States: map[string]int{"established": 3000, "time_wait": 18870},
				Owners: []judge.Owner{{Process: host.Process{PID: 812, Command: "haproxy"}, Used: 3000}},
			}},
			{Origin: report.Origin{Name: "lb1", Source: "netlink"}, Pool: judge.Pool{
				Doubts: []judge.Doubt{judge.DoubtBuckets},
				Proto:  "tcp", Local: "fe80::1", Device: "eth0", Remote: "[fe80::2]:80", Size: 1, Left: 1, ErrorBound: 1,
			}},
		},
		LocalPools: []report.LeftLocal{{Origin: report.Origin{Name: "host", Source: "bpf"}, LocalPool: judge.LocalPool{
			Exact: true,
			Proto: "udp", Local: "0.0.0.0", Size: 28232, Used: 28232,
		}}, {Origin: report.Origin{Name: "host", Source: "bpf"}, LocalPool: judge.LocalPool{
			Proto: "tcp", Local: "10.0.0.2", Remote: "10.0.0.5:80", Size: 12, Used: 3, Left: 9, Shared: 3, ErrorBound: 3, OnlyFewer: true,
			Doubts: []judge.Doubt{judge.DoubtShared},
		}}, {Origin: report.Origin{Name: "host", Source: "netlink"}, LocalPool: judge.LocalPool{
			Proto: "udp", Local: "10.0.0.2", Size: 12, Used: 12, PerhapsEndless: true, ErrorBound: 12,
			Doubts: []judge.Doubt{judge.DoubtSharing},
		}}, {Origin: report.Origin{Name: "host", Source: "bpf"}, LocalPool: judge.LocalPool{
			Proto: "udp", Local: "10.0.0.2", Size: 12, Used: 11, Left: 1, Endless: true, Exact: true,
		}}},
	}
	var out bytes.Buffer
	if err := report.WriteLeft(&out, doc, report.Style{}); err != nil {
		t.Fatal(err)
	}
	golden(t, "left.txt", out.String())

	out.Reset()
	if err := report.WriteLeft(&out, doc, report.Style{Width: 50, Colour: true}); err != nil {
		t.Fatal(err)
	}
	golden(t, "left-50.txt", out.String())
}

func someSockets() []report.Socket {
	uid, nobody := uint32(0), uint32(4242)
	return []report.Socket{
		{NetNS: 1, Name: "host", Proto: "tcp", Family: "inet", Local: "0.0.0.0:22", State: "listen", UID: &uid, User: "root", Inode: 7, Processes: []host.Process{{PID: 1, Command: "systemd"}, {PID: 300, Command: "sshd"}}},
		{NetNS: 1, Name: "host", Proto: "tcp", Family: "inet6", Local: "10.0.0.2:40000", Remote: "10.0.0.5:8080", State: "established", UID: &nobody, Inode: 8, Timer: &report.Timer{Kind: "keepalive", ExpiresMS: 7_199_600}, Processes: []host.Process{}},
		{NetNS: 2, Name: "nginx (4711)", Proto: "tcp", Family: "inet6", Local: "[2001:db8::1234:5678:9abc]:40000", Device: "eth0", Remote: "[2001:db8::2]:443", State: "time_wait", Timer: &report.Timer{Kind: "timewait", ExpiresMS: 59_940}, Processes: []host.Process{}},
		{NetNS: 2, Name: "nginx (4711)", Proto: "udp", Family: "inet", Local: "0.0.0.0:53", State: "close", UID: &uid, User: "root", Processes: []host.Process{}},
		{NetNS: 2, Name: "nginx (4711)", Proto: "tcp", Family: "inet", Local: "10.0.0.2:40001", Remote: "10.0.0.5:8080", State: "syn_sent", UID: &uid, User: "root", Timer: &report.Timer{Kind: "on", ExpiresMS: 1500, Retries: 3}, Processes: []host.Process{}},
	}
}

func TestSocketsText(t *testing.T) {
	for name, namespaces := range map[string]bool{"sockets.txt": false, "sockets-all.txt": true} {
		var out bytes.Buffer
		w := bufio.NewWriter(&out)
		printer := report.NewSocketsText(w, namespaces, report.Style{})
		for _, s := range someSockets() {
			if err := printer.Write(&s); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		golden(t, name, out.String())
	}
}

// TestLeftOfSeveralAddresses has a line for each, and tells of doubts all the same.
func TestLeftOfSeveralAddresses(t *testing.T) {
	pool := func(remote string, doubts ...judge.Doubt) report.LeftPool {
		l := report.LeftPool{Origin: report.Origin{Name: "lb1", Source: "bpf"}}
		l.Proto, l.Local, l.Remote, l.Size, l.Left, l.Doubts = "tcp", "10.0.0.2", remote, 100, 90, doubts
		return l
	}
	doc := &report.Left{Brief: true, Pools: []report.LeftPool{pool("10.0.0.5:80"), pool("10.0.0.6:80", judge.DoubtRules)}}
	var out bytes.Buffer
	if err := report.WriteLeft(&out, doc, report.Style{}); err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitN(out.String(), "\n", 3)
	for i, remote := range []string{"10.0.0.5:80", "10.0.0.6:80"} {
		if want := "90 ports left from 10.0.0.2 to " + remote + " (tcp), network namespace lb1"; lines[i] != want {
			t.Errorf("line %d: %q, want %q", i, lines[i], want)
		}
	}
	if !strings.Contains(lines[2], "not exact") || strings.Contains(out.String(), "Usable") {
		t.Errorf("not brief, or without its doubts:\n%s", out.String())
	}
}

func someGroups(by string) *report.SocketGroups {
	doc := &report.SocketGroups{SchemaVersion: report.SchemaVersion, By: by, Sockets: 17_521, Gaps: []host.Gap{}, Groups: []report.SocketGroup{
		{GroupKey: report.GroupKey{Name: "sshd"}, Sockets: 1, Processes: 2, States: map[string]int{"listen": 1}},
		{GroupKey: report.GroupKey{Without: report.WithoutTimeWait}, Sockets: 16_000, States: map[string]int{"time_wait": 15_990, "fin_wait2": 10}},
		{GroupKey: report.GroupKey{Name: "nginx"}, Sockets: 1_400, Processes: 4, States: map[string]int{"established": 1_400}},
		{GroupKey: report.GroupKey{Without: report.WithoutReading}, Sockets: 120, States: map[string]int{"close_wait": 120}},
	}}
	return doc
}

func TestSocketGroupsText(t *testing.T) {
	for name, tt := range map[string]struct {
		by    string
		limit int
		width int
	}{"groups.txt": {"process", 0, 0}, "groups-80.txt": {"unit", 3, 80}} {
		doc := someGroups(tt.by)
		doc.Sort(tt.limit)
		var out bytes.Buffer
		if err := report.WriteSocketGroups(&out, doc, report.Style{Width: tt.width}); err != nil {
			t.Fatal(err)
		}
		golden(t, name, out.String())
	}
}

func TestSocketsColumnsFitTheTerminal(t *testing.T) {
	s := report.Socket{Name: "lb1", Proto: "tcp", Family: "inet", Local: "10.250.251.252:40000", Remote: "10.0.0.5:8080", State: "established",
		User: "haproxy", UID: new(uint32), Processes: []host.Process{{PID: 26315, Command: "haproxy"}}}
	for _, test := range []struct {
		width      int
		namespaces bool
		titles     string
	}{
		{0, false, "PROTO LOCAL REMOTE STATE TIMER USER PROCESS"},
		{109, false, "PROTO LOCAL REMOTE STATE TIMER USER PROCESS"},
		{108, false, "PROTO LOCAL REMOTE STATE USER PROCESS"},
		{80, false, "PROTO LOCAL REMOTE STATE PROCESS"},
		{80, true, "NETNS PROTO LOCAL REMOTE STATE"},
		{64, false, "PROTO LOCAL REMOTE STATE"},
	} {
		var out bytes.Buffer
		w := bufio.NewWriter(&out)
		if err := errors.Join(report.NewSocketsText(w, test.namespaces, report.Style{Width: test.width}).Write(&s), w.Flush()); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		if got := strings.Join(strings.Fields(lines[0]), " "); got != test.titles {
			t.Errorf("%d columns: %s, want %s", test.width, got, test.titles)
		}
		for _, line := range lines {
			if test.width > 0 && len(line) > test.width {
				t.Errorf("%d columns: %q has %d", test.width, line, len(line))
			}
		}
	}
}

func TestSummaryText(t *testing.T) {
	doc := &report.Summary{Namespaces: []host.Totals{someTotals()}}
	var out bytes.Buffer
	if err := report.WriteSummary(&out, doc, report.Style{}); err != nil {
		t.Fatal(err)
	}
	golden(t, "summary.txt", out.String())

	other := someTotals()
	other.Name, other.NetNS = "lb1", 4026532450
	doc.Namespaces = append(doc.Namespaces, other)
	out.Reset()
	if err := report.WriteSummary(&out, doc, report.Style{}); err != nil {
		t.Fatal(err)
	}
	golden(t, "summary-all.txt", out.String())
}

func someTotals() host.Totals {
	return host.Totals{
		NetNS: 4026531840, Name: "host", Sockets: 177,
		TCP: host.TCPTotals{Total: 12012, Established: 3000, Closed: 2, Orphaned: 1, TimeWait: 9000},
		Transports: []host.Transport{
			{Name: "raw"}, {Name: "udp", Total: 3, IPv4: 2, IPv6: 1}, {Name: "tcp", Total: 3010, IPv4: 3007, IPv6: 3},
			{Name: "inet", Total: 3013, IPv4: 3009, IPv6: 4}, {Name: "frag"},
		},
		Ports: host.PortTotals{Bound: 6020, InRange: 6000, RangeSize: 28232},
	}
}

// brokenPipe fails every write.
type brokenPipe struct{}

var errPipe = errors.New("broken pipe")

func (brokenPipe) Write([]byte) (int, error) { return 0, errPipe }

func TestWriteErrorsComeOut(t *testing.T) {
	writers := map[string]func(io.Writer) error{
		"show": func(w io.Writer) error { return report.WriteShow(w, busyHost(), 0, report.Style{}) },
		"left": func(w io.Writer) error {
			return report.WriteLeft(w, &report.Left{Pools: []report.LeftPool{{}}}, report.Style{})
		},
		"summary": func(w io.Writer) error {
			return report.WriteSummary(w, &report.Summary{Namespaces: []host.Totals{{}}}, report.Style{})
		},
		"json":         func(w io.Writer) error { return report.WriteJSON(w, busyHost()) },
		"sockets json": func(w io.Writer) error { return report.NewSocketsJSON(w).Write(&report.Socket{}) },
		"sockets end":  func(w io.Writer) error { return report.NewSocketsJSON(w).Close(nil, false) },
		"sockets text": func(w io.Writer) error {
			printer := report.NewSocketsText(bufio.NewWriterSize(w, 16), false, report.Style{})
			return printer.Write(&report.Socket{})
		},
	}
	for name, write := range writers {
		if err := write(brokenPipe{}); !errors.Is(err, errPipe) {
			t.Errorf("%s: error %v, want %v", name, err, errPipe)
		}
	}
}
