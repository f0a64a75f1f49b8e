package observe

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"portrange/internal/capacity"
	"portrange/internal/host"
	"portrange/internal/nettest"
	"portrange/internal/port"
	"portrange/internal/sample"
)

func TestMain(m *testing.M) { nettest.Main(m) }

// busyHost is a host on which something happens between samples.
type busyHost struct {
	*sample.Sampler
	happens func()
	calls   int
}

func (b *busyHost) Snapshot(ctx context.Context, targets []sample.Namespace) (*host.State, error) {
	if b.calls++; b.calls > 1 {
		b.happens()
	}
	return b.Sampler.Snapshot(ctx, targets)
}

func openSampler(t *testing.T) *sample.Sampler {
	t.Helper()
	sampler, err := sample.Open(sample.Options{Source: sample.Auto})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sampler.Close(); err != nil {
			t.Error(err)
		}
	})
	return sampler
}

func targetOf(t *testing.T, host *nettest.Host) sample.Namespace {
	t.Helper()
	targets, _, err := sample.Targets(t.Context(), host.Path())
	if err != nil {
		t.Fatal(err)
	}
	return targets[0]
}

// TestLiveRun has five connections begin between two samples: three are closed by
// the client, one by the server and one stays. All are seen, and counted by the
// kernel.
func TestLiveRun(t *testing.T) {
	nettest.NeedRoot(t)
	host := nettest.New(t)
	remote := netip.MustParseAddrPort("127.0.0.1:80")
	listener, err := host.Listen(nettest.TCP4, remote)
	if err != nil {
		t.Fatal(err)
	}
	pair := func() (client, server *nettest.Socket) {
		client, server, err := nettest.Pair(listener, func() (*nettest.Socket, error) { return host.Connect(nettest.TCP4, remote) })
		if err != nil {
			t.Fatal(err)
		}
		return client, server
	}
	var last *nettest.Socket
	sampler := &busyHost{Sampler: openSampler(t), happens: func() {
		if _, err := nettest.TimeWait(listener, 3, func() (*nettest.Socket, error) { return host.Connect(nettest.TCP4, remote) }); err != nil {
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
	}}
	live, err := Run(t.Context(), sampler, targetOf(t, host), MinLength)
	if err != nil {
		t.Fatal(err)
	}
	steps := live.Samples - 1
	if steps < 1 || live.Opened != 5*steps || live.Seen != live.Opened || len(live.Tuples) != 1 || len(live.Gaps) > 0 {
		t.Fatalf("measured %+v, want 5 connections to one destination in each of %d steps", live, steps)
	}
	o := live.Tuples[0]
	if o.Remote != remote.String() || o.New != 5*steps || o.ByClient != 3*steps || o.ByServer != steps-1 {
		t.Errorf("observed %+v in %d steps", o, steps)
	}
	if err := live.Plan(live.Ports, 0.99); err != nil {
		t.Fatal(err)
	}
	plan := live.Tuples[0].Plan
	if plan == nil || plan.Load.Rate != o.Rate || plan.Pool.Usable != port.DefaultRange.Size() || !plan.Load.Loopback {
		t.Errorf("plan %+v", plan)
	}
}

func TestLiveRunOfAnIdleHost(t *testing.T) {
	nettest.NeedRoot(t)
	live, err := Run(t.Context(), openSampler(t), targetOf(t, nettest.New(t)), MinLength)
	if err != nil {
		t.Fatal(err)
	}
	if live.Opened != 0 || live.Seen != 0 || len(live.Tuples) != 0 || live.Samples < 2 || live.Elapsed <= 0 {
		t.Errorf("measured %+v", live)
	}
}

func TestLiveRunEndsWithItsContext(t *testing.T) {
	nettest.NeedRoot(t)
	ctx, cancel := context.WithCancel(t.Context())
	sampler := &busyHost{Sampler: openSampler(t), happens: cancel}
	if live, err := Run(ctx, sampler, targetOf(t, nettest.New(t)), MaxLength); !errors.Is(err, context.Canceled) {
		t.Errorf("measured %+v, %v, want %v", live, err, context.Canceled)
	}
}

func TestRunRefusesALength(t *testing.T) {
	for _, length := range []time.Duration{-time.Second, 0, MinLength - 1, MaxLength + 1} {
		if live, err := Run(t.Context(), nil, sample.Namespace{}, length); err == nil || !strings.Contains(err.Error(), "want a time from 1s to 1h0m0s") {
			t.Errorf("for %v: measured %+v, %v", length, live, err)
		}
	}
}

// fake gives the same snapshot again and again.
type fake struct{ shown host.State }

func (f *fake) Snapshot(context.Context, []sample.Namespace) (*host.State, error) {
	f.shown.TakenAt = f.shown.TakenAt.Add(time.Second)
	return &f.shown, nil
}

func TestRunKeepsGapsOnce(t *testing.T) {
	own, _, err := sample.Targets(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	gap := host.Gap{Part: "udp sockets", Why: "interrupted"}
	settings := host.Settings{Range: port.DefaultRange, Reserved: &port.Set{}}
	f := &fake{host.State{
		Namespaces: []host.Namespace{{Settings: settings, Usage: host.NewUsage(settings)}}, Gaps: []host.Gap{gap, gap},
	}}
	live, err := Run(t.Context(), f, own[0], MinLength)
	if err != nil {
		t.Fatal(err)
	}
	if len(live.Gaps) != 1 || live.Gaps[0] != gap {
		t.Errorf("gaps %+v, want one", live.Gaps)
	}
	f.shown.Namespaces = nil
	if live, err := Run(t.Context(), f, own[0], MinLength); err == nil || !strings.Contains(err.Error(), "is gone") {
		t.Errorf("measured %+v, %v, want an error", live, err)
	}
}

func TestPlanLeavesOutWhatRests(t *testing.T) {
	live := &Live{Tuples: []capacity.Observed{{Remote: "10.0.0.5:80", Open: 7}}}
	if err := live.Plan(capacity.PlainPorts(port.DefaultRange), 0.99); err != nil || live.Tuples[0].Plan != nil {
		t.Errorf("plan %+v, %v for a tuple without new connections", live.Tuples[0].Plan, err)
	}
}
