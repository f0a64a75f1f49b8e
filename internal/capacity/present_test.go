package capacity

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/port"
)

func TestPresentTakesTheRateFromWhatWaits(t *testing.T) {
	settings := host.Settings{TWReuse: judge.ReuseLoopback, TWReuseDelay: time.Second, Timestamps: 1}
	ns := &host.Namespace{Settings: settings, Usage: host.NewUsage(settings)}
	pool := judge.Pool{Size: 1000, Used: 700, States: map[string]int{port.TimeWait.String(): 600, port.Established.String(): 100}}
	for name, tt := range map[string]struct {
		measured, want float64
	}{"none measured": {0, 10}, "more was measured": {25, 25}, "less was measured, as some came between looks": {3, 10}} {
		p := PresentOf(ns, &pool, tt.measured)
		if want := (Present{Size: 1000, Open: 100, Waiting: 600, Rate: tt.want, Kept: time.Minute}); p != want {
			t.Errorf("%s: %+v, want %+v", name, p, want)
		}
	}
	pool.States = map[string]int{port.TimeWait.String(): 6, port.Established.String(): 694}
	if p := PresentOf(ns, &pool, 0.1); p.Rate != 0.1 || p.With(Remedy{}).Left != 300 {
		t.Errorf("this side closes few first: %+v, which predicts %+v; want as many ports left as now", p, p.With(Remedy{}))
	}
	pool.States = map[string]int{port.Established.String(): 700}
	if p := PresentOf(ns, &pool, 25); p.Rate != 0 || p.Open != 700 {
		t.Errorf("the other side closes first, yet %+v", p)
	}
}

// TestReuseWithoutTimestampsKeepsPorts has reuse on, which does nothing for
// connections whose other end sends no timestamps.
func TestReuseWithoutTimestampsKeepsPorts(t *testing.T) {
	settings := host.Settings{TWReuse: judge.ReuseOn, TWReuseDelay: time.Second, Timestamps: 1}
	for stamped, want := range map[bool]time.Duration{false: time.Minute, true: time.Second} {
		ns := &host.Namespace{Settings: settings, Usage: host.NewUsage(settings)}
		s := port.Socket{
			Proto: port.TCP, State: port.TimeWait, Mini: true, Hold: port.ConnectHeld, Stamped: stamped,
			Local: netip.MustParseAddrPort("10.0.0.2:40000"), Remote: netip.MustParseAddrPort("10.0.0.5:80"),
		}
		ns.Usage.Add(&s)
		if p := PresentOf(ns, &judge.Pool{Tuple: s.Tuple()}, 0); p.Kept != want {
			t.Errorf("with timestamps %v: kept for %v, want %v", stamped, p.Kept, want)
		}
	}
}

func TestPredictions(t *testing.T) {
	p := Present{Size: 1000, Open: 100, Waiting: 600, Rate: 10, Kept: time.Minute}
	for name, tt := range map[string]struct {
		remedy Remedy
		want   finding.Effect
	}{
		"nothing":              {Remedy{}, finding.Effect{Size: 1000, Left: 300, Share: 0.7, Rate: 10, Ceiling: 1000.0 / 60}},
		"twice the ports":      {Remedy{Size: 2000}, finding.Effect{Size: 2000, Left: 1300, Share: 0.35, Rate: 10, Ceiling: 2000.0 / 60}},
		"reuse after a second": {Remedy{Kept: time.Second}, finding.Effect{Size: 1000, Left: 890, Share: 0.11, Rate: 10, Ceiling: 1000}},
		"a leak ends":          {Remedy{Freed: 90}, finding.Effect{Size: 1000, Left: 390, Share: 0.61, Rate: 10, Ceiling: 1000.0 / 60}},
		"two sources":          {Remedy{Sources: 2}, finding.Effect{Size: 1000, Left: 650, Share: 0.35, Rate: 10, Ceiling: 2000.0 / 60}},
		"kept open":            {Remedy{Pooled: true}, finding.Effect{Size: 1000, Left: 900, Share: 0.1, Rate: 10}},
		"too small":            {Remedy{Size: 500}, finding.Effect{Size: 500, Left: 0, Share: 1, Rate: 10, Ceiling: 500.0 / 60}},
	} {
		if diff := cmp.Diff(tt.want, *p.With(tt.remedy)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	still := Present{Size: 1000, Open: 1000, Kept: time.Minute}
	if got := *still.With(Remedy{Freed: 400}); got != (finding.Effect{Size: 1000, Left: 400, Share: 0.6}) {
		t.Errorf("without TIME_WAIT: %+v", got)
	}
}
