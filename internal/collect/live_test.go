package collect_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"portrange/internal/boot"
	"portrange/internal/collect"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/kernel/netns"
	"portrange/internal/nettest"
	"portrange/internal/port"
)

func TestMain(m *testing.M) { nettest.Main(m) }

var server = netip.MustParseAddrPort("127.0.0.1:1100")

// busy is a host with 20 connections, 10 ports in TIME_WAIT, a listener and an
// idle socket in the range, one bind before connect, and UDP. Ports with a fixed
// number come first, or connect() could have picked them.
func busy(t *testing.T) *nettest.Host {
	t.Helper()
	h := nettest.New(t)
	listener := must(h.Listen(nettest.TCP4, server))(t)
	must(h.BindConnect(nettest.TCP4, netip.MustParseAddrPort("127.0.0.1:40001"), server))(t)
	must(listener.Accept())(t)
	must(h.Listen(nettest.TCP6, netip.MustParseAddrPort("[::]:40002")))(t)
	must(h.Bind(nettest.TCP4, netip.MustParseAddrPort("127.0.0.1:40003")))(t)
	must(h.Bind(nettest.UDP4, netip.MustParseAddrPort("127.0.0.1:40004")))(t)
	connect := func() (*nettest.Socket, error) { return h.Connect(nettest.TCP4, server) }
	for range 20 {
		if _, _, err := nettest.Pair(listener, connect); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := nettest.TimeWait(listener, 10, connect); err != nil {
		t.Fatal(err)
	}
	return h
}

func must(s *nettest.Socket, err error) func(*testing.T) *nettest.Socket {
	return func(t *testing.T) *nettest.Socket {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

// look takes one look at the targets.
func look(t *testing.T, options collect.Options, targets []netns.Namespace, want host.Want) *host.State {
	t.Helper()
	collector, err := collect.Open(t.Context(), options, want)
	if err != nil {
		t.Fatal(err)
	}
	defer collector.Close()
	found, err := collector.Look(t.Context(), targets, want)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// lookAt takes one look at the namespace that ref means.
func lookAt(t *testing.T, source collect.Source, ref string, want host.Want) *host.State {
	t.Helper()
	targets, gaps, err := collect.Targets(t.Context(), ref)
	if err != nil || len(gaps) > 0 {
		t.Fatal(err, gaps)
	}
	return look(t, collect.Options{Source: source}, targets, want)
}

func TestLiveLook(t *testing.T) {
	h := busy(t)
	for _, source := range []collect.Source{collect.BPF, collect.Netlink} {
		s := lookAt(t, source, h.Path(), host.WantSockets|host.WantOwners)
		// A process may be protected even from root; none of this test is.
		s.Gaps = slices.DeleteFunc(s.Gaps, func(gap host.Gap) bool { return gap.Part == host.PartOwners })
		if len(s.Gaps) > 0 || len(s.Namespaces) != 1 || s.Namespaces[0].ID != h.ID() {
			t.Fatalf("%s: gaps %+v, namespaces %d", source, s.Gaps, len(s.Namespaces))
		}
		v := judge.Namespace(&s.Namespaces[0])
		// Through sock_diag the bind before connect looks like any connection.
		used, held := 30, 3
		if source == collect.Netlink {
			used, held = 31, 2
		}
		if v.Exact != (source == collect.BPF) || v.BindHeld != held || len(v.Pools) != 1 || v.Pools[0].Used != used {
			t.Errorf("%s: exact %v, %d bind-held, pools %+v; want %d used, %d bind-held", source, v.Exact, v.BindHeld, v.Pools, used, held)
		}
		if own := v.Pools[0].Owners; len(own) != 1 || own[0].PID != os.Getpid() || own[0].Used != used-10 {
			t.Errorf("%s: owners %+v, want this process with %d", source, own, used-10)
		}
	}
}

// TestLiveSourcesAgree holds the two sources against each other on all that
// both can know.
func TestLiveSourcesAgree(t *testing.T) {
	h := busy(t)
	facts := func(source collect.Source) map[string]int {
		usage := lookAt(t, source, h.Path(), host.WantSockets).Namespaces[0].Usage
		counts := map[string]int{"listening": usage.Listening.Len()}
		for tuple, uses := range usage.Tuples {
			for i := range uses.States {
				counts[tuple.Remote.String()+" "+uses.States[i].State.String()] += uses.States[i].Ports.Len()
			}
		}
		// Only BPF tells apart the one that called bind() before connect().
		for p := range usage.Bound.All() {
			if !usage.Listening.Contains(p) {
				counts["127.0.0.1:1100 established"]++
			}
		}
		for local, ports := range usage.Locals {
			counts[local.Proto.String()+" "+local.Addr.String()] += ports.Len()
		}
		return counts
	}
	if diff := cmp.Diff(facts(collect.BPF), facts(collect.Netlink)); diff != "" {
		t.Errorf("bpf and netlink differ:\n%s", diff)
	}
}

func TestLiveRows(t *testing.T) {
	h := busy(t)
	for _, source := range []collect.Source{collect.BPF, collect.Netlink} {
		states := map[port.State]int{}
		for _, row := range rows(t, source, h.Path()) {
			states[row.Socket.State]++
			if row.Socket.Inode == 0 {
				continue
			}
			if len(row.Processes) != 1 || row.Processes[0].PID != os.Getpid() {
				t.Errorf("%s: %v held by %+v, want this process", source, row.Socket.Local, row.Processes)
			}
		}
		// Both ends of 21 connections; the servers of the closed ones are gone.
		want := map[port.State]int{port.Established: 42, port.TimeWait: 10, port.Listen: 2, port.BoundInactive: 1, port.Close: 1}
		if !maps.Equal(states, want) {
			t.Errorf("%s: states %v, want %v", source, states, want)
		}
	}
}

func rows(t *testing.T, source collect.Source, ref string) []collect.Row {
	t.Helper()
	collector, err := collect.Open(t.Context(), collect.Options{Source: source}, host.WantRows|host.WantOwners)
	if err != nil {
		t.Fatal(err)
	}
	defer collector.Close()
	targets, _, err := collect.Targets(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	var gaps host.Gaps
	stream := collector.Rows(t.Context(), targets, &gaps)
	all := slices.Collect(stream.All())
	missed := slices.DeleteFunc(gaps.List(), func(gap host.Gap) bool { return gap.Part == host.PartOwners })
	if stream.Err() != nil || len(missed) > 0 {
		t.Fatal(stream.Err(), missed)
	}
	return all
}

func TestLiveAllNamespaces(t *testing.T) {
	h := nettest.NewNamed(t, "portrange-look")
	h.Range(20000, 20999)
	targets, _, err := collect.Targets(t.Context(), collect.AllNamespaces)
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(targets, func(n netns.Namespace) bool { return n.ID == h.ID() })
	if at < 0 || targets[at].Name != "portrange-look" {
		t.Fatalf("targets %v do not hold the named namespace", targets)
	}
	s := lookAt(t, collect.BPF, "portrange-look", 0)
	if got := s.Namespaces[0].Settings.Range; got != (port.Range{Low: 20000, High: 20999}) {
		t.Errorf("range %v: not the namespace's own", got)
	}
}

// TestLiveReferencesLeadBack asks for a namespace by what a look calls it:
// by name, by the path of one without a name, and the caller's own by nothing.
func TestLiveReferencesLeadBack(t *testing.T) {
	named, nameless := nettest.NewNamed(t, "portrange-ref"), nettest.New(t)
	for ref, want := range map[string]string{"": "", "portrange-ref": "portrange-ref", nameless.Path(): nameless.Path()} {
		ns := lookAt(t, collect.Auto, ref, host.WantSockets).Namespaces[0]
		if ns.Ref != want {
			t.Errorf("reference %q of namespace %q, want %q", ns.Ref, ns.Name, want)
		}
		if again := lookAt(t, collect.Auto, ns.Ref, host.WantSockets).Namespaces[0]; again.ID != ns.ID {
			t.Errorf("%q leads to namespace %d, want %d", ns.Ref, again.ID, ns.ID)
		}
	}
	named.Do(func() {
		if ns := lookAt(t, collect.Auto, "portrange-ref", host.WantSockets).Namespaces[0]; ns.Ref != "" {
			t.Errorf("reference %q of the caller's own namespace, want none", ns.Ref)
		}
	})
}

func TestLiveSummary(t *testing.T) {
	h := busy(t)
	found := lookAt(t, collect.Netlink, h.Path(), host.WantTotals)
	if len(found.Gaps) > 0 || found.Namespaces[0].Totals == nil {
		t.Fatalf("gaps %v, totals %v", found.Gaps, found.Namespaces[0].Totals)
	}
	// 30 clients, 40001 to 40003 in the range, and the server's port.
	if got := found.Namespaces[0].Totals; got.Ports.Bound != 34 || got.Ports.InRange != 33 || got.TCP.Established != 42 || got.TCP.TimeWait != 10 {
		t.Errorf("totals %+v", got)
	}
}

// TestLiveDestinations counts pools where every socket has a destination of its own.
func TestLiveDestinations(t *testing.T) {
	const n = 15000
	h := nettest.New(t)
	h.Crowd(n, nettest.CrowdOptions{Destinations: n})
	for _, source := range []collect.Source{collect.BPF, collect.Netlink} {
		if got := len(lookAt(t, source, h.Path(), host.WantSockets).Namespaces[0].Usage.Tuples); got != n {
			t.Errorf("%s: %d tuples, want %d", source, got, n)
		}
	}
}

func TestLiveSourcesAndDevice(t *testing.T) {
	h := nettest.New(t)
	h.Addr("10.7.0.1")
	targets, _, err := collect.Targets(t.Context(), h.Path())
	if err != nil {
		t.Fatal(err)
	}
	sources, err := collect.Sources(t.Context(), targets[0], collect.Question{Remote: netip.MustParseAddr("10.7.0.1")})
	if err != nil || !slices.Equal(sources, []netip.Addr{netip.MustParseAddr("10.7.0.1")}) {
		t.Errorf("sources %v, %v", sources, err)
	}
	for _, text := range []string{"lo", "1"} {
		if device, err := collect.Device(targets[0], text); err != nil || device.Index != 1 || device.Name != "lo" {
			t.Errorf("%s is %+v, %v", text, device, err)
		}
	}
	for _, text := range []string{"eth9", "4711"} {
		if _, err := collect.Device(targets[0], text); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("no device %s: %v", text, err)
		}
	}
	if _, _, err := collect.Targets(t.Context(), "no-such-netns"); err == nil || !strings.Contains(err.Error(), "no-such-netns") {
		t.Errorf("unknown namespace: %v", err)
	}
}

// TestLiveOnlyWhatIsWanted: what nobody asks for is nil, and settings are there
// always.
func TestLiveOnlyWhatIsWanted(t *testing.T) {
	h := busy(t)
	bare := lookAt(t, collect.Auto, h.Path(), 0)
	ns := &bare.Namespaces[0]
	if ns.Settings.Range != port.DefaultRange || bare.Files != nil || bare.TCP != nil || bare.HostRange != nil || bare.Features != (host.Features{}) {
		t.Errorf("nothing wanted: %+v", bare)
	}
	if ns.Usage != nil || ns.Holdings != nil || ns.Holds != nil || ns.Claims != nil || ns.TimeWait != nil || ns.Conntrack != nil ||
		ns.NAT != nil || ns.Totals != nil || ns.Opened != nil || ns.Walk != nil || ns.Source != "" {
		t.Errorf("nothing wanted: %+v", ns)
	}
	const want = host.WantOpened | host.WantTCP | host.WantLimits | host.WantHost | host.WantHolds | host.WantFeatures
	full := lookAt(t, collect.Auto, h.Path(), want)
	ns = &full.Namespaces[0]
	if full.Files == nil || full.HostRange == nil || full.HostNetNS == ns.ID || full.Features.SocketRange == host.Unknown {
		t.Errorf("of the host: %+v", full)
	}
	if *ns.Opened != 31 || ns.TimeWait.Sockets != 10 || ns.Busiest == nil || ns.Busiest.PID != os.Getpid() || ns.Busiest.Open == 0 || ns.Busiest.Ports != 23 {
		t.Errorf("opened %d, timewait %+v, busiest %+v", *ns.Opened, ns.TimeWait, ns.Busiest)
	}
	if ns.Walk == nil || ns.Source != "bpf" {
		t.Errorf("walk %v, source %s", ns.Walk, ns.Source)
	}
}

// TestLiveHolds: both ways find the same holders of ports, though one sees them in
// a pass of its own and the other joins them by inode.
func TestLiveHolds(t *testing.T) {
	h := busy(t)
	self := func(source collect.Source) map[string]int {
		found := map[string]int{}
		for _, hold := range lookAt(t, source, h.Path(), host.WantHolds).Namespaces[0].Holds {
			if len(hold.Processes) != 1 || hold.Processes[0].PID != os.Getpid() {
				t.Errorf("%s: port %d held by %v, want this process", source, hold.Port, hold.Processes)
			}
			found[fmt.Sprint(hold.Proto, hold.Port, hold.State)]++
		}
		return found
	}
	want := map[string]int{"tcp 1100 listen": 1, "tcp 40001 established": 1, "tcp 40002 listen": 1, "tcp 40003 bound_inactive": 1, "udp 40004 close": 1}
	if diff := cmp.Diff(want, self(collect.BPF)); diff != "" {
		t.Errorf("bpf (-want +got):\n%s", diff)
	}
	delete(want, "tcp 40001 established") // which only its bucket shows
	if diff := cmp.Diff(want, self(collect.Netlink)); diff != "" {
		t.Errorf("netlink (-want +got):\n%s", diff)
	}
}

// TestLiveHostRange: the host's own look has it, and it is read no second time.
func TestLiveHostRange(t *testing.T) {
	targets, _, err := collect.Targets(t.Context(), port.Host)
	if err != nil {
		t.Fatal(err)
	}
	state := look(t, collect.Options{}, targets, host.WantHost)
	if state.HostRange == nil || *state.HostRange != state.Namespaces[0].Settings.Range || state.HostNetNS != state.Namespaces[0].ID {
		t.Errorf("host range %v of %d, want that of %d", state.HostRange, state.HostNetNS, state.Namespaces[0].ID)
	}
}

// TestForecast compares what files say with a look, and with nothing for the
// files of another system.
func TestForecast(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "etc/sysctl.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	file := []byte("net.ipv4.ip_local_port_range = 15000 64001\nnet.ipv4.tcp_fin_timeout = 60\n")
	if err := os.WriteFile(filepath.Join(root, "etc/sysctl.d/50-ports.conf"), file, 0o644); err != nil {
		t.Fatal(err)
	}
	h := nettest.New(t)
	h.Range(40000, 40199)
	now := lookAt(t, collect.Netlink, h.Path(), 0)
	report, err := collect.Forecast(root, append(boot.Keys(), port.KeyTWRecycle), &now.Namespaces[0])
	if err != nil {
		t.Fatal(err)
	}
	drift := map[string]bool{}
	for _, s := range report.Settings {
		drift[s.Key] = s.Drift
		if known := s.Key != port.KeyTWRecycle; (s.Running != nil) != known {
			t.Errorf("%s: running %v", s.Key, s.Running)
		}
	}
	if !drift[port.KeyRange] || drift[port.KeyFinTimeout] {
		t.Errorf("drift %v", drift)
	}
	if report, err = collect.Forecast(root, boot.Keys(), nil); err != nil || report.Settings[0].Running != nil || *report.Settings[0].Boot != "15000 64001" {
		t.Errorf("without a look: %+v, %v", report.Settings[0], err)
	}
	if _, err := collect.Forecast(root+"/nowhere", boot.Keys(), nil); err == nil {
		t.Error("a root that is not there is no error")
	}
}

func TestInterrupted(t *testing.T) {
	h := nettest.New(t)
	own, err := netns.Open(h.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	collector, err := collect.Open(t.Context(), collect.Options{Root: "/", Source: collect.Netlink}, host.WantSockets)
	if err != nil {
		t.Fatal(err)
	}
	defer collector.Close()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	h.Do(func() {
		looks, n := collector.Every(ctx, []netns.Namespace{own.Namespace}, host.WantSockets, time.Hour), 0
		begun := time.Now()
		for range looks.All() {
			n++
		}
		if n > 1 || !errors.Is(looks.Err(), context.Canceled) || time.Since(begun) > time.Second {
			t.Errorf("%d looks in %v, error %v, want context.Canceled", n, time.Since(begun), looks.Err())
		}
	})
}

func TestUnread(t *testing.T) {
	own, err := netns.Current()
	if err != nil {
		t.Fatal(err)
	}
	gone := own
	gone.ID++ // the path leads elsewhere than when it was found
	state := &host.State{Namespaces: []host.Namespace{{ID: own.ID}}}
	if got := collect.Unread(state, []netns.Namespace{own, gone}); len(got) != 0 {
		t.Errorf("unread %+v, want none: one was read, the other is gone", got)
	}
	if got := collect.Unread(&host.State{}, []netns.Namespace{own}); len(got) != 1 {
		t.Errorf("unread %+v, want the one that is there", got)
	}
}
