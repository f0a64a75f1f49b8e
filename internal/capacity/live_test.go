package capacity

import (
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/port"
)

// scene is a namespace as one sample shows it: sockets by state.
type scene map[port.State][]uint16

func (s scene) namespace(remote string) *host.Namespace {
	settings := host.Settings{Range: port.Range{Low: 40000, High: 49999}, Reserved: &port.Set{}, TWReuseDelay: time.Second, Timestamps: 1}
	ns := &host.Namespace{Settings: settings, Usage: host.NewUsage(settings)}
	for state, ports := range s {
		for _, p := range ports {
			ns.Usage.Add(&port.Socket{
				Proto: port.TCP, State: state, Hold: port.ConnectHeld,
				Local: netip.AddrPortFrom(netip.MustParseAddr("10.0.0.2"), p), Remote: netip.MustParseAddrPort(remote),
			})
		}
	}
	return ns
}

const remote = "10.0.0.5:8080"

func watch(scenes ...scene) *Watch {
	w := &Watch{}
	for i, s := range scenes {
		w.Add(time.Unix(int64(10*i), 0), s.namespace(remote))
	}
	return w
}

func TestWatchComparesSamples(t *testing.T) {
	for name, tt := range map[string]struct {
		before, after scene
		want          Observed
	}{
		"nothing happens": {
			scene{port.Established: {40000}}, scene{port.Established: {40000}},
			Observed{Open: 1},
		},
		"one more": {
			scene{port.Established: {40000}}, scene{port.Established: {40000, 40002}},
			Observed{Open: 1.5, New: 1},
		},
		"the client closes": {
			scene{port.Established: {40000}}, scene{port.TimeWait: {40000}},
			Observed{Open: 0.5, TimeWait: 0.5, ByClient: 1},
		},
		"the server closes": {
			scene{port.Established: {40000, 40002}}, scene{port.Established: {40000}},
			Observed{Open: 1.5, ByServer: 1},
		},
		"opened and closed between the samples": {
			scene{port.TimeWait: {40002}}, scene{port.TimeWait: {40000, 40002}},
			Observed{TimeWait: 1.5, New: 1, ByClient: 1},
		},
		"TIME_WAIT ends": {
			scene{port.TimeWait: {40000}}, scene{port.TimeWait: {}},
			Observed{TimeWait: 0.5},
		},
		"TIME_WAIT taken over": {
			scene{port.TimeWait: {40000}}, scene{port.Established: {40000}},
			Observed{Open: 0.5, TimeWait: 0.5, New: 1},
		},
		"half closed is open": {
			scene{port.FinWait2: {40000}}, scene{port.CloseWait: {40000}, port.SynSent: {40001}},
			Observed{Open: 1.5, New: 1},
		},
		"outside the range": {
			scene{port.Established: {40000, 1234}}, scene{port.Established: {40000, 1235, 50000}},
			Observed{Open: 1},
		},
	} {
		got := watch(tt.before, tt.after).Observed()
		if len(got) != 1 {
			t.Errorf("%s: %d tuples", name, len(got))
			continue
		}
		if tt.want.New > 0 {
			tt.want.Rate = float64(tt.want.New) / 10
			tt.want.Hold = tt.want.Open / tt.want.Rate
		}
		tt.want.Local, tt.want.Remote, tt.want.Tuple = "10.0.0.2", remote, got[0].Tuple
		if diff := cmp.Diff(tt.want, got[0], cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
			cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestWatchPassesOverAcceptedConnections(t *testing.T) {
	sample := func() *host.Namespace {
		ns := scene{port.Established: {40000}}.namespace(remote)
		ns.Usage.Add(&port.Socket{
			Proto: port.TCP, State: port.Established, Hold: port.BindHeld,
			Local: netip.MustParseAddrPort("10.0.0.2:45000"), Remote: netip.MustParseAddrPort("10.0.0.9:5555"),
		})
		return ns
	}
	w := &Watch{}
	w.Add(time.Unix(0, 0), sample())
	w.Add(time.Unix(1, 0), sample())
	if got := w.Observed(); len(got) != 1 || got[0].Remote != remote {
		t.Errorf("observed %+v, want only the connection that was opened here", got)
	}
}

func TestWatchOrdersByRate(t *testing.T) {
	w := &Watch{}
	both := func(a, b scene) *host.Namespace {
		ns := a.namespace(remote)
		for tuple, uses := range b.namespace("10.0.0.6:443").Usage.Tuples {
			ns.Usage.Tuples[tuple] = uses
		}
		return ns
	}
	w.Add(time.Unix(0, 0), both(scene{port.Established: {40000, 40001}}, scene{}))
	w.Add(time.Unix(2, 0), both(scene{port.Established: {40000, 40001}}, scene{port.Established: {40000}}))
	got := w.Observed()
	if len(got) != 2 || got[0].Remote != "10.0.0.6:443" || got[0].Rate != 0.5 || got[1].Rate != 0 {
		t.Errorf("observed %+v", got)
	}
	if w.Elapsed() != 2*time.Second {
		t.Errorf("elapsed %v", w.Elapsed())
	}
}

// TestWatchRecoversALoad plays a steady load and wants it back: 50 connections a
// second that last 2 s, a third of them closed by the server.
func TestWatchRecoversALoad(t *testing.T) {
	const each, life, step, samples = 0.02, 2.0, 0.5, 81
	w := &Watch{}
	for i := range samples {
		now := 100 + float64(i)*step
		s := scene{}
		for n := int((now - 62) / each); float64(n)*each <= now; n++ {
			p := uint16(40000 + n%10000)
			switch age := now - float64(n)*each; {
			case age < life:
				s[port.Established] = append(s[port.Established], p)
			case age < life+port.TimeWaitLength.Seconds() && n%3 > 0:
				s[port.TimeWait] = append(s[port.TimeWait], p)
			}
		}
		w.Add(time.Unix(0, int64(now*1e9)), s.namespace(remote))
	}
	o := w.Observed()[0]
	l := o.Load(&host.Settings{TWReuseDelay: time.Second, Timestamps: 1})
	for _, figure := range []struct {
		name      string
		got, want float64
	}{{"rate", l.Rate, 50}, {"hold", l.Hold, life}, {"client closes", l.ClientCloses, 2.0 / 3}, {"open", o.Open, 100}, {"time-wait", o.TimeWait, 2000}} {
		if math.Abs(figure.got-figure.want) > 0.02*figure.want {
			t.Errorf("%s %v, want %v", figure.name, figure.got, figure.want)
		}
	}
	if err := l.Check(); err != nil {
		t.Error(err)
	}
}

func TestObservedLoadAssumesTheWorst(t *testing.T) {
	o := Observed{Rate: 5, Tuple: port.Tuple{Local: netip.MustParseAddr("127.0.0.1"), Remote: netip.MustParseAddrPort("127.0.0.1:80")}}
	l := o.Load(&host.Settings{TWReuse: 2, TWReuseDelay: time.Second, Timestamps: 1})
	if l.ClientCloses != 1 || l.Hold <= 0 || !l.Loopback || !l.Reuses() {
		t.Errorf("load %+v", l)
	}
}

// TestTheRuleOfReuseIsTheKernelsOwn has a plan and the count of ports agree on
// the tuples that tcp_tw_reuse speaks of, and on settings without timestamps.
func TestTheRuleOfReuseIsTheKernelsOwn(t *testing.T) {
	for name, tt := range map[string]struct {
		device     uint32
		timestamps int
		lingers    float64
	}{"bound to lo": {1, 1, 1}, "bound to lo, without timestamps": {1, 0, 60}, "bound to eth0": {2, 1, 60}} {
		settings := host.Settings{TWReuse: judge.ReuseLoopback, TWReuseDelay: time.Second, Timestamps: tt.timestamps}
		o := Observed{Tuple: port.Tuple{
			Proto: port.TCP, Local: netip.MustParseAddr("10.0.0.2"), Remote: netip.MustParseAddrPort("10.0.0.5:80"), Device: tt.device,
		}, Rate: 1}
		load := o.Load(&settings)
		if kept := judge.ReuseUnder(&settings).Kept(judge.OnLoopback(o.Tuple)).Seconds(); load.Lingers() != tt.lingers || kept != tt.lingers {
			t.Errorf("%s: a plan has ports linger for %v s, a rate for %v s, want %v", name, load.Lingers(), kept, tt.lingers)
		}
	}
}
