package capacity_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"portrange/internal/capacity"
	"portrange/internal/collect"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/nettest"
	"portrange/internal/port"
)

func TestMain(m *testing.M) { nettest.Main(m) }

// measure measures a host on which something happens between two looks.
func measure(t *testing.T, h *nettest.Host, happens func()) *capacity.Live {
	t.Helper()
	collector, err := collect.Open(t.Context(), collect.Options{}, capacity.LiveWant)
	if err != nil {
		t.Fatal(err)
	}
	defer collector.Close()
	step, err := capacity.Step(capacity.MinLength)
	if err != nil {
		t.Fatal(err)
	}
	targets, _, err := collect.Targets(t.Context(), h.Path())
	if err != nil {
		t.Fatal(err)
	}
	looks := collector.Every(t.Context(), targets, capacity.LiveWant, step)
	between := host.NewStream(func(yield func(*host.State) bool) error {
		for state := range looks.All() {
			if !yield(state) {
				return nil
			}
			happens()
		}
		return looks.Err()
	})
	measured, err := capacity.Measure(between, h.ID(), capacity.MinLength)
	if err != nil {
		t.Fatal(err)
	}
	return measured
}

// TestLiveRun has five connections begin between two samples: three are closed by
// the client, one by the server and one stays. All are seen, and counted by the
// kernel.
func TestLiveRun(t *testing.T) {
	nettest.NeedRoot(t)
	h := nettest.New(t)
	remote := netip.MustParseAddrPort("127.0.0.1:80")
	listener, err := h.Listen(nettest.TCP4, remote)
	if err != nil {
		t.Fatal(err)
	}
	pair := func() (client, server *nettest.Socket) {
		client, server, err := nettest.Pair(listener, func() (*nettest.Socket, error) { return h.Connect(nettest.TCP4, remote) })
		if err != nil {
			t.Fatal(err)
		}
		return client, server
	}
	var last *nettest.Socket
	measured := measure(t, h, func() {
		if _, err := nettest.TimeWait(listener, 3, func() (*nettest.Socket, error) { return h.Connect(nettest.TCP4, remote) }); err != nil {
			t.Fatal(err)
		}
		if last != nil {
			last.Close()
		}
		_, _ = pair()
		client, server := pair()
		if err := server.Close(); err != nil {
			t.Fatal(err)
		}
		last = client
	})
	steps := measured.Samples - 1
	if steps < 1 || measured.Opened != 5*steps || measured.Seen != measured.Opened || len(measured.Tuples) != 1 || len(measured.Gaps) > 0 {
		t.Fatalf("measured %+v, want 5 connections to one destination in each of %d steps", measured, steps)
	}
	o := measured.Tuples[0]
	if o.Remote != remote.String() || o.New != 5*steps || o.ByClient != 3*steps || o.ByServer != steps-1 {
		t.Errorf("observed %+v in %d steps", o, steps)
	}
	if err := measured.Plan(measured.Ports, 0.99); err != nil {
		t.Fatal(err)
	}
	plan := measured.Tuples[0].Plan
	if plan == nil || plan.Load.Rate != o.Rate || plan.Pool.Usable != port.DefaultRange.Size() || !plan.Load.Loopback {
		t.Errorf("plan %+v", plan)
	}
}

func TestLiveRunOfAnIdleHost(t *testing.T) {
	nettest.NeedRoot(t)
	measured := measure(t, nettest.New(t), func() {})
	if measured.Opened != 0 || measured.Seen != 0 || len(measured.Tuples) != 0 || measured.Samples < 2 || measured.Elapsed <= 0 {
		t.Errorf("measured %+v", measured)
	}
}

// shows is a stream of looks a step apart, the times of which are a little off,
// that ends with err.
func shows(n int, step time.Duration, ns []host.Namespace, gaps []host.Gap, err error) *host.Stream[*host.State] {
	return host.NewStream(func(yield func(*host.State) bool) error {
		at := time.Now()
		for i := range n {
			off := time.Duration(i%2) * time.Millisecond // an odd look is late
			if !yield(&host.State{TakenAt: at.Add(time.Duration(i)*step + off), Namespaces: ns, Gaps: gaps}) {
				return nil
			}
		}
		return err
	})
}

func quiet(id uint64) []host.Namespace {
	settings := host.Settings{Range: port.DefaultRange, Reserved: &port.Set{}}
	opened := 7
	return []host.Namespace{{ID: id, Name: "lb1", Settings: settings, Usage: host.NewUsage(settings), Opened: &opened}}
}

// TestMeasureCoversItsLength: thirty steps are thirty-one looks, and not one more
// because the last came a moment early.
func TestMeasureCoversItsLength(t *testing.T) {
	const length = time.Minute
	step, err := capacity.Step(length)
	if err != nil || step != 2*time.Second {
		t.Fatalf("step %v, %v", step, err)
	}
	measured, err := capacity.Measure(shows(100, step, quiet(1), nil, nil), 1, length)
	if err != nil {
		t.Fatal(err)
	}
	if measured.Samples != 31 || measured.Elapsed != length.Seconds() || measured.Opened != 0 || measured.Name != "lb1" {
		t.Errorf("measured %+v", measured)
	}
}

func TestMeasureEndsWithItsLooks(t *testing.T) {
	if measured, err := capacity.Measure(shows(3, time.Second, quiet(1), nil, context.Canceled), 1, capacity.MaxLength); !errors.Is(err, context.Canceled) {
		t.Errorf("measured %+v, %v, want %v", measured, err, context.Canceled)
	}
}

func TestMeasureRefusesALength(t *testing.T) {
	for _, length := range []time.Duration{-time.Second, 0, capacity.MinLength - 1, capacity.MaxLength + 1} {
		if measured, err := capacity.Measure(nil, 1, length); err == nil || !strings.Contains(err.Error(), "want a time from 1s to 1h0m0s") {
			t.Errorf("for %v: measured %+v, %v", length, measured, err)
		}
	}
}

func TestMeasureKeepsGapsOnce(t *testing.T) {
	gap := host.Gap{Part: host.PartSockets, Object: "udp sockets", Why: "interrupted"}
	measured, err := capacity.Measure(shows(9, time.Second, quiet(1), []host.Gap{gap, gap}, nil), 1, capacity.MinLength)
	if err != nil {
		t.Fatal(err)
	}
	if len(measured.Gaps) != 1 || measured.Gaps[0] != gap {
		t.Errorf("gaps %+v, want one", measured.Gaps)
	}
}

func TestMeasureWithoutItsNamespace(t *testing.T) {
	blind := quiet(1)
	blind[0].Opened = nil
	for want, looks := range map[string]*host.Stream[*host.State]{
		"is gone":       shows(2, time.Second, quiet(2), nil, nil),
		"does not tell": shows(2, time.Second, blind, nil, nil),
	} {
		if measured, err := capacity.Measure(looks, 1, capacity.MinLength); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("measured %+v, %v, want an error with %q", measured, err, want)
		}
	}
}

func TestPlanLeavesOutWhatRests(t *testing.T) {
	measured := &capacity.Live{Tuples: []capacity.Observed{{Remote: "10.0.0.5:80", Open: 7}}}
	if err := measured.Plan(judge.PlainPorts(port.DefaultRange), 0.99); err != nil || measured.Tuples[0].Plan != nil {
		t.Errorf("plan %+v, %v for a tuple without new connections", measured.Tuples[0].Plan, err)
	}
}
