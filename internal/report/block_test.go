package report_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/charmbracelet/x/ansi"

	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/port"
	"portrange/internal/report"
)

// kind is a kind of finding whose evidence is always the same.
func kind(code, evidence string, causes ...string) *finding.Kind {
	return &finding.Kind{Code: code, Causes: causes, Evidence: func(*finding.Finding) string { return evidence }}
}

// busyFindings are those of [busyHost]: a full pool with its cause, and a note.
func busyFindings() []finding.Finding {
	const netns, name = 4026531840, "host"
	pool := finding.OfPool(port.TCP, "10.0.0.2", "10.0.0.5:8080")
	values := finding.Values{{Name: "used", V: 28214}, {Name: "size", V: 28214}, {Name: "left", V: 0}, {Name: "time_wait", V: 25214}}
	return finding.Relate([]finding.Finding{
		{
			Kind:     kind("pool-full", "28,214 of 28,214 ports in use, 0 left; most by haproxy (pid 812)", "time-wait-share"),
			Severity: finding.Critical, NetNS: netns, Name: name, Subject: pool, Values: values,
		},
		{
			Kind:     kind("time-wait-share", "25,214 of 28,214 ports in use are in TIME_WAIT (89.4%): this side closes first, and each port stays taken for 60 s"),
			Severity: finding.Info, NetNS: netns, Name: name, Subject: pool, Values: values,
			Actions: []finding.Action{
				{
					Step: finding.Now, Command: finding.Inside("lb1", "sysctl", "-w", port.KeyTWReuse+"=1"),
					Text:   "not across a NAT that shares one address between hosts with clocks of their own",
					Effect: &finding.Effect{Size: 28214, Left: 27114, Share: 0.039, Rate: 420, Ceiling: 28214},
				},
				{
					Step: finding.Today, Text: "add a source address or a port at the destination: each pair of them has a pool of its own",
					Effect: &finding.Effect{Size: 28214, Share: 1, Rate: 420, Ceiling: 940.5},
				},
				{
					Step: finding.InProgram, Text: "keep connections open and reuse them (HTTP keep-alive, a connection pool)",
					Effect: &finding.Effect{Size: 28214, Left: 25214, Share: 0.106},
				},
			},
		},
		{
			Kind:     kind("bind-before-connect", "9 ports of the range are held by connections bound to a port before connect()"),
			Severity: finding.Info, NetNS: netns, Name: name, Subject: finding.Subject{Proto: "tcp"},
			Actions: []finding.Action{{Step: finding.InProgram, Text: "set IP_BIND_ADDRESS_NO_PORT"}},
		},
	})
}

// everyForm is one finding for each form of a block.
func everyForm() []finding.Finding {
	found := busyFindings()
	process := host.Process{PID: 26, Command: "ev\x1b[31mil\u202egnp.exe\n\u009b2J"}
	found = append(found,
		finding.Finding{
			Kind: kind("one-process", "most ports by 数据库服务 (pid 26)"), Severity: finding.Warning, NetNS: 1, Name: "né\u0301t\u202e",
			Subject: finding.OfProcess(process), Since: time.Date(2026, 11, 22, 20, 40, 0, 0, time.UTC),
			Actions: []finding.Action{{Step: finding.Now, Command: finding.Command{"kill", "a\nb"}}},
		},
		finding.Finding{
			Kind: kind("boot-differs", "it is 1 now"), Severity: finding.Warning,
			Subject: finding.OfSetting(port.KeyReserved, strings.Repeat("8080,", 30)+"9"),
			Actions: []finding.Action{{Step: finding.Today, Text: "write it into /etc/sysctl.d"}},
		},
		finding.Finding{
			Kind: kind("service-port", "postgresql.service listens on 5432…"), Severity: finding.Warning, Subject: finding.Of("postgresql.service"),
			Actions: []finding.Action{{Step: finding.Today, Text: "write it into /etc/sysctl.d"}},
		},
		finding.Finding{
			Kind: kind("udp-full", "no port"), Severity: finding.Info, Subject: finding.Subject{Proto: "udp", Local: "0.0.0.0", Process: &process},
		},
	)
	narrow := finding.Finding{
		Kind: kind("range-narrow", "1,000 ports"), Severity: finding.Warning, NetNS: 1, Name: "lb1", Subject: finding.OfSetting(port.KeyRange, "1000 1999"),
		Actions: []finding.Action{{Step: finding.Now, Command: finding.Portrange("lb1", "set", "1024", "65535", "--reserve", "--persist")}},
	}
	found = append(found, narrow)
	for i := range 7 {
		found = append(found, finding.Finding{
			Kind: kind("pool-near-full", "900 of 1,000 ports in use", "range-narrow"), Severity: finding.Warning, NetNS: 1, Name: "lb1",
			Subject: finding.OfPool(port.TCP, "10.0.0.2", fmt.Sprintf("10.0.0.%d:80", i)),
		})
	}
	return finding.Relate(found)
}

func blocks(t *testing.T, found []finding.Finding, style report.Style) string {
	t.Helper()
	return writeDoctor(t, &report.Doctor{Host: "lb1", Kernel: "6.18.44", Findings: report.NewFindings(found), Namespaces: make([]report.Examined, 2)}, style)
}

func TestBlockGoldens(t *testing.T) {
	for _, width := range []int{0, 40, 80} {
		golden(t, fmt.Sprintf("blocks-%d.txt", width), blocks(t, everyForm(), report.Style{Width: width}))
		golden(t, fmt.Sprintf("blocks-%d-ascii.txt", width), blocks(t, everyForm(), report.Style{Width: width, ASCII: true}))
	}
}

// TestBlocksFitTheTerminal: only a command is wider, which is there to be copied.
func TestBlocksFitTheTerminal(t *testing.T) {
	for _, style := range []report.Style{{Width: 72}, {Width: 80, Colour: true}, {Width: 80, ASCII: true}, {Width: 132}} {
		for line := range strings.Lines(blocks(t, everyForm(), style)) {
			if n := ansi.StringWidth(strings.TrimSuffix(line, "\n")); n > style.Width && !strings.Contains(line, "`") {
				t.Errorf("width %d: %d cells in %q", style.Width, n, line)
			}
		}
	}
}

func TestCommandsAreNotBroken(t *testing.T) {
	const command = "`portrange set 1024 65535 --reserve --persist --netns lb1`"
	for _, width := range []int{0, 30, 40, 80} {
		if text := blocks(t, everyForm(), report.Style{Width: width}); !strings.Contains(text, command) {
			t.Errorf("width %d: no %s in\n%s", width, command, text)
		}
	}
}

// TestNothingHostileComesThrough holds every text with findings in it against
// what moves a cursor or turns text round, and ASCII against all else.
func TestNothingHostileComesThrough(t *testing.T) {
	show := busyHost()
	show.Namespaces[0].Findings = report.NewFindings(everyForm())
	change := &report.Change{Findings: report.NewFindings(everyForm()), Namespaces: []report.NamespaceChange{{Findings: report.NewFindings(everyForm())}}}
	for _, ascii := range []bool{false, true} {
		style := report.Style{Width: 80, ASCII: ascii, Bars: true}
		var out bytes.Buffer
		if err := report.WriteShow(&out, show, 0, style); err != nil {
			t.Fatal(err)
		}
		if err := report.WriteChange(&out, change, style); err != nil {
			t.Fatal(err)
		}
		out.WriteString(blocks(t, everyForm(), style))
		for _, r := range out.String() {
			if r != '\n' && !unicode.IsPrint(r) || ascii && r > unicode.MaxASCII {
				t.Fatalf("ASCII %v: %U came through in\n%q", ascii, r, out.String())
			}
		}
		if !ascii && !strings.Contains(out.String(), "数据库服务") {
			t.Error("a name in Chinese did not come through")
		}
	}
}

func TestEffectsInWords(t *testing.T) {
	for want, effect := range map[string]*finding.Effect{
		"about 3.9% of the pool in use at the present rate, 27,100 left; sustains 28,232/s": {Size: 28232, Left: 27100, Share: 0.039, Rate: 470, Ceiling: 28232},
		"about 10.6% of the pool in use, 25,214 left":                                       {Size: 28214, Left: 25214, Share: 0.106},
		"the pool stays full at the present rate; sustains 941/s":                           {Size: 28214, Share: 1, Rate: 2000, Ceiling: 940.5},
		"the pool stays full": {Size: 10, Share: 1},
		"":                    nil,
	} {
		f := finding.Finding{Kind: kind("x", "y"), Actions: []finding.Action{{Step: finding.Now, Text: "z", Effect: effect}}}
		if got := report.NewFindings([]finding.Finding{f})[0].Actions[0].Effect; got != want {
			t.Errorf("%+v: %q, want %q", effect, got, want)
		}
	}
}

// TestAnEffectIsNoFindingOfItsOwn: it stands below its cause, and what is
// counted are causes. JSON lists all.
func TestAnEffectIsNoFindingOfItsOwn(t *testing.T) {
	text := blocks(t, busyFindings(), report.Style{})
	for want, times := range map[string]int{
		"CRITICAL": 1, "therefore  pool-full: 28,214 of 28,214": 1,
		"2 findings: 1 critical, 1 info. `portrange doctor --explain time-wait-share` explains the first.": 1,
	} {
		if got := strings.Count(text, want); got != times {
			t.Errorf("%q is there %d times, want %d, in\n%s", want, got, times, text)
		}
	}
	list := report.NewFindings(busyFindings())
	if len(list) != 3 || list[1].Code != "pool-full" || fmt.Sprint(list[1].Causes) != "[time-wait-share]" {
		t.Errorf("JSON lists %+v", list)
	}
}

// TestABlockWithoutStepsOfItsOwn takes those of its effects, and else names itself.
func TestABlockWithoutStepsOfItsOwn(t *testing.T) {
	found := busyFindings()
	found[1].Actions, found[0].Actions = found[0].Actions, nil
	show := busyHost()
	for _, want := range []string{"First, in host: `ip netns exec lb1 sysctl -w net.ipv4.tcp_tw_reuse=1`, about 3.9% of the pool in use at the present rate.", "First, in host: time-wait-share, tcp 10.0.0.2 → 10.0.0.5:8080."} {
		show.Namespaces[0].Findings = report.NewFindings(found)
		var out bytes.Buffer
		if err := report.WriteShow(&out, show, 0, report.Style{}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
		found[1].Actions = nil
	}
}

func TestRepeatedStepsAreNotPrintedAgain(t *testing.T) {
	text := blocks(t, everyForm(), report.Style{})
	if got := strings.Count(text, "write it into /etc/sysctl.d"); got != 1 {
		t.Errorf("a step of two findings in a row is printed %d times in\n%s", got, text)
	}
}

func TestShowCutsALongListOfBlocks(t *testing.T) {
	show := busyHost()
	var found []finding.Finding
	for i := range 12 {
		found = append(found, finding.Finding{Kind: kind(fmt.Sprintf("code-%d", i), "e"), Severity: finding.Warning, NetNS: show.Namespaces[0].NetNS})
	}
	show.Namespaces[0].Findings = report.NewFindings(found)
	var out bytes.Buffer
	if err := report.WriteShow(&out, show, 0, report.Style{}); err != nil {
		t.Fatal(err)
	}
	for want, there := range map[string]bool{"code-9\n": true, "code-10": false, "2 findings not shown (--json lists all)": true, "Not well: 12 warnings.": true} {
		if strings.Contains(out.String(), want) != there {
			t.Errorf("%q: want %v in\n%s", want, there, out.String())
		}
	}
}

func TestDoubtsInWords(t *testing.T) {
	show := busyHost()
	var out bytes.Buffer
	show.Namespaces[1].Doubts = []judge.Doubt{judge.DoubtPartial, judge.DoubtBuckets, judge.DoubtV6Only, judge.DoubtVRF, "other"}
	if err := report.WriteShow(&out, show, 0, report.Style{}); err != nil {
		t.Fatal(err)
	}
	const want = "netlink, not exact: some sockets could not be read, so fewer ports may be left, by how many is not known; " +
		"ports bound before connect() cannot be told apart, so fewer may be left; nor can TIME_WAIT ports that connect() may take over, so more may be; " +
		"IPV6_V6ONLY of connected sockets does not show, so more may be left for bind() to 0.0.0.0; " +
		"it is not certain in which VRF some sockets are, so fewer or more may be left; other\n"
	if !strings.Contains(out.String(), want) {
		t.Errorf("no %q in\n%s", want, out.String())
	}
}
