package sample

import (
	"context"
	"errors"
	"iter"
	"net/netip"
	"testing"

	"portrange/internal/host"
	"portrange/internal/kernel/netns"
	"portrange/internal/port"
)

// fakeSource yields the sockets, then the errors.
type fakeSource struct {
	label string
	held  []port.Socket
	errs  []error
}

func (f fakeSource) name() string { return f.label }

func (f fakeSource) sockets(context.Context, *netns.Handle) iter.Seq2[port.Socket, error] {
	return func(yield func(port.Socket, error) bool) {
		for _, s := range f.held {
			if !yield(s, nil) {
				return
			}
		}
		for _, err := range f.errs {
			if !yield(port.Socket{}, err) {
				return
			}
		}
	}
}

func connection(p uint16, hold port.Hold) port.Socket {
	return port.Socket{
		Proto: port.TCP, State: port.Established, Hold: hold,
		Local:  netip.AddrPortFrom(netip.MustParseAddr("10.0.0.2"), p),
		Remote: netip.MustParseAddrPort("10.0.0.5:80"),
	}
}

var errBroken = errors.New("broken pipe")

func here(t *testing.T) []Namespace {
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

func TestSnapshotStartsOverWithTheOtherSource(t *testing.T) {
	s := &Sampler{
		primary:  fakeSource{label: "bpf", held: []port.Socket{connection(1, port.ConnectHeld), connection(2, port.ConnectHeld)}, errs: []error{errBroken}},
		fallback: fakeSource{label: "netlink", held: []port.Socket{connection(3, port.HoldUnknown)}},
	}
	snapshot, err := s.Snapshot(t.Context(), here(t))
	if err != nil {
		t.Fatal(err)
	}
	ns := snapshot.Namespaces[0]
	if ns.Source != "netlink" || count(&ns) != 1 || !ns.Usage.Blind() {
		t.Errorf("source %s with %d connections, want the fallback's one and none of the others", ns.Source, count(&ns))
	}
	if len(snapshot.Gaps) != 1 || snapshot.Gaps[0].Part != "bind buckets" || snapshot.Gaps[0].NetNS != ns.ID {
		t.Errorf("gaps %+v, want one that says what is lost", snapshot.Gaps)
	}
}

func TestSnapshotWithoutFallbackFails(t *testing.T) {
	s := &Sampler{primary: fakeSource{label: "bpf", held: []port.Socket{connection(1, port.ConnectHeld)}, errs: []error{errBroken}}}
	if snapshot, err := s.Snapshot(t.Context(), here(t)); !errors.Is(err, errBroken) {
		t.Errorf("snapshot %+v, error %v; want none, and the source's error", snapshot, err)
	}
}

func TestSnapshotGapMakesItPartial(t *testing.T) {
	gap := &host.Gap{Part: "udp sockets", Why: "no udp_diag"}
	s := &Sampler{primary: fakeSource{label: "netlink", held: []port.Socket{connection(1, port.ConnectHeld)}, errs: []error{gap}}}
	snapshot, err := s.Snapshot(t.Context(), here(t))
	if err != nil {
		t.Fatal(err)
	}
	ns := snapshot.Namespaces[0]
	if !ns.Partial || count(&ns) != 1 {
		t.Errorf("partial %v with %d connections, want the connection and a mark", ns.Partial, count(&ns))
	}
	if want := (host.Gap{Part: "udp sockets", Why: "no udp_diag", NetNS: ns.ID}); len(snapshot.Gaps) != 1 || snapshot.Gaps[0] != want {
		t.Errorf("gaps %+v, want %+v", snapshot.Gaps, want)
	}
}

func TestSnapshotTellsOfVRFs(t *testing.T) {
	inside := connection(1, port.ConnectHeld)
	inside.L3Mdev = 7
	s := &Sampler{primary: fakeSource{label: "bpf", held: []port.Socket{inside, connection(2, port.ConnectHeld)}}}
	snapshot, err := s.Snapshot(t.Context(), here(t))
	if err != nil {
		t.Fatal(err)
	}
	usage := snapshot.Namespaces[0].Usage
	if len(usage.VRFs) != 1 || usage.VRFs[7] == nil || usage.VRFUnsure.String() != "1" {
		t.Errorf("VRFs %v, ports without a certain place %s; want VRF 7, which no device leads to", usage.VRFs, &usage.VRFUnsure)
	}
}

// TestSnapshotTellsOfMissedSockets: they are a number, not a part that is missing.
func TestSnapshotTellsOfMissedSockets(t *testing.T) {
	gap := &host.Gap{Part: host.PartSockets, Object: "tcp sockets", Why: "2 went", Missed: host.Missed{Proto: port.TCP, Sockets: 2}}
	s := &Sampler{primary: fakeSource{label: "netlink", held: []port.Socket{connection(1, port.ConnectHeld)}, errs: []error{gap}}}
	snapshot, err := s.Snapshot(t.Context(), here(t))
	if err != nil {
		t.Fatal(err)
	}
	if ns := snapshot.Namespaces[0]; ns.Partial || ns.Usage.Missed[port.TCP] != 2 || len(snapshot.Gaps) != 1 {
		t.Errorf("partial %v, missed %v, gaps %v; want 2 missed and a gap that says so", ns.Partial, ns.Usage.Missed, snapshot.Gaps)
	}
}

func TestSnapshotLeavesOutWhatIsGone(t *testing.T) {
	s := &Sampler{primary: fakeSource{label: "bpf"}}
	gone := Namespace{ID: 1, Name: "gone", Path: "/proc/0/ns/net"}
	snapshot, err := s.Snapshot(t.Context(), append(here(t), gone))
	if err != nil {
		t.Fatal(err)
	}
	if len(snapshot.Namespaces) != 1 || len(snapshot.Gaps) != 1 || snapshot.Gaps[0].NetNS != 1 {
		t.Errorf("%d namespaces and gaps %+v, want one and a gap for the other", len(snapshot.Namespaces), snapshot.Gaps)
	}
	if _, err := s.Snapshot(t.Context(), []Namespace{gone}); !errors.Is(err, netns.ErrGone) {
		t.Errorf("nothing but what is gone: error %v, want %v", err, netns.ErrGone)
	}
	if _, err := s.Snapshot(t.Context(), nil); err == nil {
		t.Error("no target at all is no error")
	}
}

func TestSnapshotStopsWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := &Sampler{primary: fakeSource{label: "bpf", errs: []error{context.Canceled}}, fallback: fakeSource{label: "netlink"}}
	if _, err := s.Snapshot(ctx, here(t)); !errors.Is(err, context.Canceled) {
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
		s := &Sampler{primary: fakeSource{label: "bpf", held: tt.held, errs: []error{errBroken}}, fallback: other}
		rows, gaps := 0, 0
		var failure error
		for _, err := range s.Sockets(t.Context(), here(t)) {
			switch {
			case err == nil:
				rows++
			case fatal(err):
				failure = err
			default:
				gaps++
			}
		}
		if rows != tt.rows || gaps != tt.gaps || !errors.Is(failure, tt.err) {
			t.Errorf("broken %s: %d rows, %d gaps, error %v; want %d, %d, %v", tt.name, rows, gaps, failure, tt.rows, tt.gaps, tt.err)
		}
	}
}

func TestRowsStopWhenNobodyWantsThem(t *testing.T) {
	s := &Sampler{primary: fakeSource{held: []port.Socket{connection(1, port.ConnectHeld), connection(2, port.ConnectHeld)}}}
	rows := 0
	for _, err := range s.Sockets(t.Context(), append(here(t), here(t)...)) {
		if err != nil {
			t.Fatal(err)
		}
		rows++
		break
	}
	if rows != 1 {
		t.Errorf("%d rows after the first was enough", rows)
	}
}

func TestBatchesArriveWholeAndInOrder(t *testing.T) {
	var held []port.Socket
	for p := range uint16(2*batchLen + 3) {
		held = append(held, connection(p, port.BindHeld))
	}
	gap := &host.Gap{Part: "idle bound sockets", Why: "unknown"}
	found := make(chan batch, 16)
	if err := sendBatches(t.Context(), fakeSource{held: held, errs: []error{gap}}.sockets(t.Context(), nil), found); err != nil {
		t.Fatal(err)
	}
	close(found)
	next, gaps := uint16(0), 0
	for b := range found {
		for _, s := range b.sockets {
			if s.Local.Port() != next {
				t.Fatalf("port %d, want %d", s.Local.Port(), next)
			}
			next++
		}
		if b.err != nil {
			gaps++
		}
	}
	if int(next) != len(held) || gaps != 1 {
		t.Errorf("%d sockets and %d gaps, want %d and 1", next, gaps, len(held))
	}
}
