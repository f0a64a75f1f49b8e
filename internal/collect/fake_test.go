package collect

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"portrange/internal/host"
	"portrange/internal/kernel/netns"
	"portrange/internal/kernel/sockiter"
	"portrange/internal/port"
)

// fakeSource yields the sockets, leaves the gaps and then ends with the error.
type fakeSource struct {
	label string
	table bool
	held  []port.Socket
	gaps  []host.Gap
	err   error
}

func (f fakeSource) name() string { return f.label }

func (f fakeSource) lost() host.Part {
	if f.table {
		return host.PartTableWalk
	}
	return host.PartBuckets
}

func (f fakeSource) sockets(_ context.Context, _ *netns.Handle, n *notes) *host.Stream[port.Socket] {
	return host.NewStream(func(yield func(port.Socket) bool) error {
		if f.table {
			n.walk = &host.Walk{Restarts: 7}
		}
		n.gaps.Add(f.gaps...)
		for _, s := range f.held {
			if !yield(s) {
				return nil
			}
		}
		return f.err
	})
}

// from is a collector with the given sources.
func from(sources ...source) *Collector { return &Collector{sources: sources, want: host.WantSockets} }

func connection(p uint16, hold port.Hold) port.Socket {
	return port.Socket{
		Proto: port.TCP, State: port.Established, Hold: hold,
		Local:  netip.AddrPortFrom(netip.MustParseAddr("10.0.0.2"), p),
		Remote: netip.MustParseAddrPort("10.0.0.5:80"),
	}
}

var errBroken = errors.New("broken pipe")

func here(t *testing.T) []netns.Namespace {
	t.Helper()
	targets, gaps, err := Targets(t.Context(), "")
	if err != nil || len(gaps) > 0 {
		t.Fatal(err, gaps)
	}
	return targets
}

func count(ns *host.Namespace) (n int) {
	for _, uses := range ns.Usage.Tuples {
		for i := range uses.States {
			n += uses.States[i].Ports.Len()
		}
	}
	return n
}

func TestLookStartsOverWithTheOtherSource(t *testing.T) {
	s := from(
		fakeSource{label: "bpf", held: []port.Socket{connection(1, port.ConnectHeld), connection(2, port.ConnectHeld)}, err: errBroken},
		fakeSource{label: "netlink", held: []port.Socket{connection(3, port.HoldUnknown)}})
	state, err := s.Look(t.Context(), here(t), host.WantSockets)
	if err != nil {
		t.Fatal(err)
	}
	ns := state.Namespaces[0]
	if ns.Source != "netlink" || count(&ns) != 1 || !ns.Usage.Blind() {
		t.Errorf("source %s with %d connections, want the fallback's one and none of the others", ns.Source, count(&ns))
	}
	if len(state.Gaps) != 1 || state.Gaps[0].Part != "bind buckets" || state.Gaps[0].NetNS != ns.ID {
		t.Errorf("gaps %+v, want one that says what is lost", state.Gaps)
	}
}

// TestAWalkThatFailsLeavesAGap: the table of bind buckets, the iterators and
// sock_diag take each other's place, with a word on what that costs.
func TestAWalkThatFailsLeavesAGap(t *testing.T) {
	some := []port.Socket{connection(1, port.ConnectHeld), connection(2, port.ConnectHeld)}
	for name, tt := range map[string]struct {
		table, iterators error
		source           string
		parts            []host.Part
	}{
		"all well":            {nil, nil, "bpf", nil},
		"the table":           {errBroken, nil, "bpf", []host.Part{host.PartTableWalk}},
		"table and iterators": {errBroken, errBroken, "netlink", []host.Part{host.PartTableWalk, host.PartBuckets}},
	} {
		c := from(fakeSource{label: "bpf", table: true, held: some, err: tt.table},
			fakeSource{label: "bpf", held: some[:1], err: tt.iterators}, fakeSource{label: "netlink", held: some[:1]})
		state, err := c.Look(t.Context(), here(t), host.WantSockets|host.WantTotals)
		if err != nil {
			t.Fatal(err)
		}
		ns, want := &state.Namespaces[0], 1
		if tt.table == nil {
			want = 2
		}
		if ns.Source != tt.source || (ns.Walk != nil) != (tt.table == nil) || count(ns) != want || ns.Totals.Ports.Bound != want || ns.Partial {
			t.Errorf("%s failed: source %s, walk %v, %d connections, %d bound; want %d", name, ns.Source, ns.Walk, count(ns), ns.Totals.Ports.Bound, want)
		}
		var parts []host.Part
		for _, gap := range state.Gaps {
			parts = append(parts, gap.Part)
			if gap.NetNS != ns.ID || !strings.Contains(gap.Why, errBroken.Error()) {
				t.Errorf("%s failed: gap %+v", name, gap)
			}
		}
		if !slices.Equal(parts, tt.parts) {
			t.Errorf("%s failed: gaps in %v, want %v", name, parts, tt.parts)
		}
	}
}

func TestLookWithoutFallbackFails(t *testing.T) {
	s := from(fakeSource{label: "bpf", held: []port.Socket{connection(1, port.ConnectHeld)}, err: errBroken})
	if state, err := s.Look(t.Context(), here(t), host.WantSockets); !errors.Is(err, errBroken) {
		t.Errorf("state %+v, error %v; want none, and the source's error", state, err)
	}
}

func TestLookGapMakesItPartial(t *testing.T) {
	gap := host.Gap{Part: "udp sockets", Why: "no udp_diag"}
	s := from(fakeSource{label: "netlink", held: []port.Socket{connection(1, port.ConnectHeld)}, gaps: []host.Gap{gap}})
	state, err := s.Look(t.Context(), here(t), host.WantSockets)
	if err != nil {
		t.Fatal(err)
	}
	ns := state.Namespaces[0]
	if !ns.Partial || count(&ns) != 1 {
		t.Errorf("partial %v with %d connections, want the connection and a mark", ns.Partial, count(&ns))
	}
	if want := (host.Gap{Part: "udp sockets", Why: "no udp_diag", NetNS: ns.ID}); len(state.Gaps) != 1 || state.Gaps[0] != want {
		t.Errorf("gaps %+v, want %+v", state.Gaps, want)
	}
}

func TestLookTellsOfVRFs(t *testing.T) {
	inside := connection(1, port.ConnectHeld)
	inside.L3Mdev = 7
	s := from(fakeSource{label: "bpf", held: []port.Socket{inside, connection(2, port.ConnectHeld)}})
	state, err := s.Look(t.Context(), here(t), host.WantSockets)
	if err != nil {
		t.Fatal(err)
	}
	usage := state.Namespaces[0].Usage
	if len(usage.VRFs) != 1 || usage.VRFs[7] == nil || usage.VRFUnsure.String() != "1" {
		t.Errorf("VRFs %v, ports without a certain place %s; want VRF 7, which no device leads to", usage.VRFs, &usage.VRFUnsure)
	}
}

// TestLookTellsOfMissedSockets: they are a number, not a part that is missing.
func TestLookTellsOfMissedSockets(t *testing.T) {
	gap := host.Gap{Part: host.PartSockets, Object: "tcp sockets", Why: "2 went", Missed: host.Missed{Proto: port.TCP, Sockets: 2}}
	s := from(fakeSource{label: "netlink", held: []port.Socket{connection(1, port.ConnectHeld)}, gaps: []host.Gap{gap}})
	state, err := s.Look(t.Context(), here(t), host.WantSockets)
	if err != nil {
		t.Fatal(err)
	}
	if ns := state.Namespaces[0]; ns.Partial || ns.Usage.Missed[port.TCP] != 2 || len(state.Gaps) != 1 {
		t.Errorf("partial %v, missed %v, gaps %v; want 2 missed and a gap that says so", ns.Partial, ns.Usage.Missed, state.Gaps)
	}
}

func TestLookLeavesOutWhatIsGone(t *testing.T) {
	s := from(fakeSource{label: "bpf"})
	gone := netns.Namespace{ID: 1, Name: "gone", Path: "/proc/0/ns/net"}
	state, err := s.Look(t.Context(), append(here(t), gone), host.WantSockets)
	if err != nil {
		t.Fatal(err)
	}
	if len(state.Namespaces) != 1 || len(state.Gaps) != 1 || state.Gaps[0].NetNS != 1 {
		t.Errorf("%d namespaces and gaps %+v, want one and a gap for the other", len(state.Namespaces), state.Gaps)
	}
	if _, err := s.Look(t.Context(), []netns.Namespace{gone}, host.WantSockets); !errors.Is(err, netns.ErrGone) {
		t.Errorf("nothing but what is gone: error %v, want %v", err, netns.ErrGone)
	}
	if _, err := s.Look(t.Context(), nil, host.WantSockets); err == nil {
		t.Error("no target at all is no error")
	}
}

func TestLookStopsWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := from(fakeSource{label: "bpf", err: context.Canceled}, fakeSource{label: "netlink"})
	if _, err := s.Look(ctx, here(t), host.WantSockets); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}

func TestRowsFallBackOnlyBeforeTheFirst(t *testing.T) {
	other := fakeSource{label: "netlink", held: []port.Socket{connection(3, port.HoldUnknown)}}
	for _, tt := range []struct {
		name string
		held []port.Socket
		rows int
		gaps int
		err  error
	}{
		{"at once", nil, 1, 1, nil},
		{"on the way", []port.Socket{connection(1, port.ConnectHeld)}, 1, 0, errBroken},
	} {
		s := from(fakeSource{label: "bpf", held: tt.held, err: errBroken}, other)
		var gaps host.Gaps
		rows, stream := 0, s.Rows(t.Context(), here(t), &gaps)
		for range stream.All() {
			rows++
		}
		if missed := len(gaps.List()); rows != tt.rows || missed != tt.gaps || !errors.Is(stream.Err(), tt.err) {
			t.Errorf("broken %s: %d rows, %d gaps, error %v; want %d, %d, %v", tt.name, rows, missed, stream.Err(), tt.rows, tt.gaps, tt.err)
		}
	}
}

func TestRowsStopWhenNobodyWantsThem(t *testing.T) {
	s := from(fakeSource{held: []port.Socket{connection(1, port.ConnectHeld), connection(2, port.ConnectHeld)}})
	rows := 0
	stream := s.Rows(t.Context(), append(here(t), here(t)...), nil)
	for range stream.All() {
		rows++
		break
	}
	if rows != 1 || stream.Err() != nil {
		t.Errorf("%d rows after the first was enough, error %v", rows, stream.Err())
	}
}

func TestBatchesArriveWholeAndInOrder(t *testing.T) {
	var held []port.Socket
	for p := range uint16(2*batchLen + 3) {
		held = append(held, connection(p, port.BindHeld))
	}
	at, err := here(t)[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	defer at.Close()
	idle := beside(at, func() *host.Stream[port.Socket] {
		return fakeSource{held: held, err: errBroken}.sockets(t.Context(), nil, &notes{})
	}, t.Context())
	next := uint16(0)
	for batch := range idle.found {
		for _, s := range batch {
			if s.Local.Port() != next {
				t.Fatalf("port %d, want %d", s.Local.Port(), next)
			}
			next++
		}
	}
	if int(next) != len(held) || !errors.Is(idle.err, errBroken) {
		t.Errorf("%d sockets and the error %v, want %d and %v", next, idle.err, len(held), errBroken)
	}
}

// TestIdleSocketsOfOlderKernels: what the kernel does not list is a gap, unless
// the pass over open files has seen it.
func TestIdleSocketsOfOlderKernels(t *testing.T) {
	unlisted := host.Gap{Part: host.PartIdle, Why: "not before 6.8"}
	c := from(fakeSource{label: "bpf", gaps: []host.Gap{unlisted}})
	found, err := c.Look(t.Context(), here(t), host.WantSockets)
	if err != nil {
		t.Fatal(err)
	}
	if ns := found.Namespaces[0]; !ns.Partial || len(found.Gaps) != 1 || found.Gaps[0].NetNS != ns.ID {
		t.Errorf("partial %v, gaps %+v; want a gap of the namespace", ns.Partial, found.Gaps)
	}
	c.programs = &sockiter.Programs{} // there were open files to look at
	p := &pass{Collector: c, want: host.WantSockets | host.WantOwners}
	s := &site{unlisted: &unlisted, idle: []port.Socket{{Proto: port.TCP, State: port.BoundInactive, Hold: port.BindHeld, Local: netip.MustParseAddrPort("10.0.0.2:99")}}}
	s.ns.Settings = host.Settings{Range: port.DefaultRange, Reserved: &port.Set{}}
	s.begin(p.want)
	p.finish(s)
	if missed := p.gaps.List(); s.ns.Partial || len(missed) > 0 || !s.ns.Usage.BindHeld.Contains(99) {
		t.Errorf("gaps %+v, bind-held %s; want the idle socket instead of a gap", missed, s.ns.Usage.BindHeld.String())
	}
}

// TestOwnersThatCannotBeReadMakeHoldingsPartial: whoever holds a socket may be among
// them.
func TestOwnersThatCannotBeReadMakeHoldingsPartial(t *testing.T) {
	for name, tt := range map[string]struct {
		gap  host.Gap
		want bool
	}{
		"of the whole host":        {host.Gap{Part: host.PartOwners, Why: "39 of 40 processes: permission denied"}, true},
		"of some sockets":          {host.Gap{Part: host.PartOwners, Object: "owners of MPTCP sockets"}, true},
		"of the namespace":         {host.Gap{Part: host.PartOwners, NetNS: 7}, true},
		"of another namespace":     {host.Gap{Part: host.PartOwners, NetNS: 8}, false},
		"something else is amiss":  {host.Gap{Part: host.PartDocker}, false},
		"sockets, and not owners":  {host.Gap{Part: host.PartSockets, NetNS: 7}, false},
		"one process's file limit": {host.Gap{Part: host.PartProcess, NetNS: 7}, false},
	} {
		p := &pass{Collector: from(), want: host.WantSockets | host.WantOwners}
		s := &site{ns: host.Namespace{ID: 7, Settings: host.Settings{Range: port.DefaultRange, Reserved: &port.Set{}}}}
		s.begin(p.want)
		p.gaps.Add(tt.gap)
		p.finish(s)
		if got := p.state.Namespaces[0].Holdings.Partial; got != tt.want {
			t.Errorf("a gap %s: partial %v, want %v", name, got, tt.want)
		}
	}
}
