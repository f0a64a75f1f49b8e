package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"portrange/internal/host"
	"portrange/internal/nettest"
)

// listeners is how many listeners the crowded host has in the range.
const listeners = 5

// crowd is how many connections the crowded host has to each of two
// destinations, and how many more in TIME_WAIT.
type crowd struct{ connections, timeWaits int }

func crowdSize() crowd {
	if testing.Short() {
		return crowd{300, 50}
	}
	return crowd{3000, 500}
}

var (
	firstServer  = netip.MustParseAddrPort("10.9.0.5:8080")
	secondServer = netip.MustParseAddrPort("[fd00::5]:8443")
)

// crowdedHost has connections to two destinations and listeners in the range.
// TIME_WAIT, which passes, comes last.
func crowdedHost(t *testing.T, size crowd) *nettest.Host {
	t.Helper()
	nettest.NeedRoot(t)
	box := nettest.NewNamed(t, fmt.Sprintf("portrange-%d-crowded", os.Getpid()))
	box.Addr("10.9.0.5/32", "fd00::5/128")
	for i := range listeners {
		listener := scene{ns: box.Namespace, kind: nettest.TCP4, at: netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(50000+i))}
		check(t, listener.open("listen", 1))
	}
	first := scene{ns: box.Namespace, kind: nettest.TCP4, at: firstServer}
	second := scene{ns: box.Namespace, kind: nettest.TCP6, at: secondServer}
	waiting := scene{ns: box.Namespace, kind: nettest.TCP4, at: netip.MustParseAddrPort("10.9.0.5:8081")}
	datagrams := scene{ns: box.Namespace, kind: nettest.UDP4, at: netip.MustParseAddrPort("10.9.0.5:53")}
	check(t, first.open("established", size.connections))
	check(t, second.open("established", size.connections))
	check(t, datagrams.open("connect", 7))
	check(t, waiting.open("time-wait", size.timeWaits))
	return box
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestAgreesWithSSAndNetstat holds the commands against what people used before.
func TestAgreesWithSSAndNetstat(t *testing.T) {
	size := crowdSize()
	box := crowdedHost(t, size)
	t.Run("show", func(t *testing.T) { showAgrees(t, box, size) })
	for _, source := range []string{"bpf", "netlink"} {
		t.Run(source, func(t *testing.T) {
			portrange := func() states { return portrangeStates(t, box, source) }
			between(t, "ss", func() states { return ssStates(t, box) }, portrange)
			between(t, "netstat", func() states { return netstatStates(t, box) }, portrange)
		})
	}
	t.Run("summary", func(t *testing.T) { summaryAgrees(t, box) })
	t.Run("left", func(t *testing.T) { leftAgrees(t, box, size) })
}

// between holds a count against what another program counts before and after it:
// sockets in TIME_WAIT end meanwhile.
func between(t *testing.T, who string, count, portrange func() states) {
	t.Helper()
	before, got, after := count(), portrange(), count()
	for name := range got {
		if n, low, high := got[name], min(before[name], after[name]), max(before[name], after[name]); n < low || n > high {
			t.Errorf("%d sockets %s; %s counts %d before and %d after", n, name, who, before[name], after[name])
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(got))); diff != "" {
		t.Errorf("states (-%s +portrange):\n%s", who, diff)
	}
}

// states counts sockets by protocol and state, spelled as portrange does.
type states map[string]int

func portrange(t *testing.T, box *nettest.Host, document any, args ...string) {
	t.Helper()
	out := output(t, exec.Command("portrange", append(args, "--netns", box.Path(), "--json")...))
	check(t, json.Unmarshal([]byte(out), document))
}

func output(t *testing.T, command *exec.Cmd) string {
	t.Helper()
	var stderr strings.Builder
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, stderr.String())
	}
	return string(out)
}

func portrangeStates(t *testing.T, box *nettest.Host, source string) states {
	var document struct {
		Sockets []struct{ Proto, State string }
		Gaps    []host.Gap
	}
	portrange(t, box, &document, "sockets", "--source", source)
	for _, gap := range document.Gaps {
		if gap.Part != "owners" { // root may not see into every process everywhere
			t.Errorf("a part of the sockets is missing: %v", gap)
		}
	}
	got := states{}
	for _, s := range document.Sockets {
		got[s.Proto+" "+s.State]++
	}
	return got
}

// ssNames maps ss's spelling of the states that occur.
var ssNames = map[string]string{"ESTAB": "established", "TIME-WAIT": "time_wait", "LISTEN": "listen", "UNCONN": "close"}

func ssStates(t *testing.T, box *nettest.Host) states {
	got := states{}
	for proto, flag := range map[string]string{"tcp": "-Htan", "udp": "-Huan"} {
		for line := range strings.Lines(output(t, box.Command("ss", flag))) {
			name, known := ssNames[strings.Fields(line)[0]]
			if !known {
				t.Fatalf("ss: unexpected state in %q", line)
			}
			got[proto+" "+name]++
		}
	}
	return got
}

func netstatStates(t *testing.T, box *nettest.Host) states {
	got := states{}
	for line := range strings.Lines(output(t, box.Command("netstat", "--inet", "--inet6", "-an"))) {
		fields := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "tcp"):
			got["tcp "+strings.ToLower(fields[5])]++
		case strings.HasPrefix(line, "udp") && len(fields) > 5:
			got["udp "+strings.ToLower(fields[5])]++
		case strings.HasPrefix(line, "udp"):
			got["udp close"]++
		}
	}
	return got
}

// summaryAgrees compares line by line, up to spaces, what ss says before and after.
func summaryAgrees(t *testing.T, box *nettest.Host) {
	want := summaryLines(t, output(t, box.Command("ss", "-s")))
	got := summaryLines(t, output(t, exec.Command("portrange", "summary", "--netns", box.Path())))
	still := summaryLines(t, output(t, box.Command("ss", "-s")))
	for line := range want {
		if still[line] && !got[line] {
			t.Errorf("ss -s has %q, summary has only %v", line, slices.Sorted(maps.Keys(got)))
		}
	}
}

// summaryLines is a summary as a set of lines. The kernel counts sockets
// without a place in its tables, and orphans, for all namespaces together: of
// those figures only the difference holds still beside other tests.
func summaryLines(t *testing.T, text string) map[string]bool {
	t.Helper()
	lines := map[string]bool{}
	for line := range strings.Lines(text) {
		var total, established, closed, orphaned, waiting int
		const form = "TCP: %d (estab %d, closed %d, orphaned %d, timewait %d)"
		line = strings.Join(strings.Fields(line), " ")
		if n, _ := fmt.Sscanf(line, form, &total, &established, &closed, &orphaned, &waiting); n == 5 {
			line = fmt.Sprintf(form, total-closed, established, 0, 0, waiting)
		}
		if line != "" {
			lines[line] = true
		}
	}
	if len(lines) < 8 {
		t.Errorf("no summary: %s", text)
	}
	return lines
}

// pools is what the test looks at in a document of show.
type pools struct {
	Namespaces []struct {
		Exact    bool
		BindHeld int `json:"bind_held"`
		Usable   int
		Pools    []pool
	}
}

type pool struct {
	Local, Remote    string
	Size, Used, Left int
	Reusable         int
	States           states
}

func showAgrees(t *testing.T, box *nettest.Host, size crowd) {
	var document pools
	before := ssStates(t, box)["tcp time_wait"]
	portrange(t, box, &document, "show")
	after := ssStates(t, box)["tcp time_wait"]
	ns := document.Namespaces[0]
	const usable = 28232 - listeners
	if !ns.Exact || ns.BindHeld != listeners || ns.Usable != usable {
		t.Errorf("exact %v, bind-held %d, usable %d; want true, %d, %d", ns.Exact, ns.BindHeld, ns.Usable, listeners, usable)
	}
	want := map[string]pool{
		firstServer.String():  {Used: size.connections, States: states{"established": size.connections}},
		secondServer.String(): {Used: size.connections, States: states{"established": size.connections}},
		"10.9.0.5:8081":       {Used: size.timeWaits, States: states{"time_wait": size.timeWaits}},
	}
	if len(ns.Pools) != len(want) {
		t.Errorf("%d pools, want %d", len(ns.Pools), len(want))
	}
	for _, got := range ns.Pools {
		expected := want[got.Remote]
		if waiting := expected.States["time_wait"]; waiting > 0 && after <= got.Used && got.Used <= min(before, waiting) {
			expected.Used, expected.States = got.Used, states{"time_wait": got.Used} // some ended meanwhile
		}
		if got.Used != expected.Used || !cmp.Equal(got.States, expected.States) {
			t.Errorf("pool %+v, want %+v", got, expected)
		}
		if got.Size != usable || got.Size != got.Used+got.Left-got.Reusable {
			t.Errorf("pool does not add up to %d: %+v", usable, got)
		}
	}
}

func leftAgrees(t *testing.T, box *nettest.Host, size crowd) {
	for remote, want := range map[string]int{
		firstServer.String():  28232 - listeners - size.connections,
		secondServer.String(): 28232 - listeners - size.connections,
		"10.9.0.5:9999":       28232 - listeners,
	} {
		var got pool
		portrange(t, box, &got, "left", remote)
		if got.Left != want {
			t.Errorf("left %s = %d, want %d", remote, got.Left, want)
		}
	}
}
