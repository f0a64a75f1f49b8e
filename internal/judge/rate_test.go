package judge

import (
	"math"
	"slices"
	"testing"
	"time"

	"portrange/internal/host"
	"portrange/internal/port"
)

func TestRates(t *testing.T) {
	waiting := func(s *port.Socket) { s.State, s.Mini, s.Stamped = port.TimeWait, true, true }
	earlier := box(crowd(10, "10.0.0.5:80", waiting)...)
	now := box(slices.Concat(crowd(40, "10.0.0.5:80", waiting), crowd(1, "10.0.0.6:80"))...)
	rates := Rates(earlier, now, 10*time.Second)
	at := slices.IndexFunc(rates, func(r Rate) bool { return r.Pool.Remote == "10.0.0.5:80" })
	if len(rates) != 2 || at < 0 {
		t.Fatalf("rates %+v, want two", rates)
	}
	r := rates[at]
	if r.PerSecond != 3 || r.Growth != 3 || r.Kept != time.Minute || r.Ceiling != 1.5 || r.Closeness() != 2 {
		t.Errorf("rate %+v, want 3 a second of 1.5", r)
	}
	if want := 50.0 / 3; math.Abs(r.ToWall.Seconds()-want) > 0.001 { // 50 of 90 left
		t.Errorf("wall in %v, want %.1f s", r.ToWall, want)
	}
	if other := rates[1-at]; other.Ceiling != 0 || other.Closeness() != 0 {
		t.Errorf("no TIME_WAIT, yet a ceiling: %+v", other)
	}
}

// TestTimeWaitThatGrowsAfterAStartIsNoWall has 10 new connections a minute to a
// pool of 90, which never hold more than 10 ports.
func TestTimeWaitThatGrowsAfterAStartIsNoWall(t *testing.T) {
	waiting := func(s *port.Socket) { s.State, s.Mini, s.Stamped = port.TimeWait, true, true }
	leaked := crowd(7, "10.0.0.5:80")[2:]
	for _, tt := range []struct {
		name         string
		before, now  []*port.Socket
		want, settle float64 // seconds, ports
	}{
		{"it levels off", crowd(1, "10.0.0.5:80", waiting), crowd(2, "10.0.0.5:80", waiting), 0, 10},
		{"beside a leak of 5 in 6 s", crowd(1, "10.0.0.5:80", waiting),
			slices.Concat(crowd(2, "10.0.0.5:80", waiting), leaked), (83 - 8) * 6 / 5.0, 10},
		{"beside a leak, and no more are closed here", crowd(1, "10.0.0.5:80", waiting),
			slices.Concat(crowd(1, "10.0.0.5:80", waiting), leaked), 84 * 6 / 5.0, 0},
		{"a leak without TIME_WAIT", crowd(1, "10.0.0.5:80"), crowd(7, "10.0.0.5:80"), 83, 0},
	} {
		rates := Rates(box(tt.before...), box(tt.now...), 6*time.Second)
		if len(rates) != 1 || math.Abs(rates[0].Settled-tt.settle) > 0.001 || math.Abs(rates[0].ToWall.Seconds()-tt.want) > 0.001 {
			t.Errorf("%s: rates %+v, want the wall in %v s and TIME_WAIT of %v", tt.name, rates, tt.want, tt.settle)
		}
	}
}

func TestRateCeilingWithReuse(t *testing.T) {
	for _, tt := range []struct {
		name       string
		edit       func(*host.Settings)
		wantLength time.Duration
	}{
		{"off", func(*host.Settings) {}, time.Minute},
		{"on", func(s *host.Settings) { s.TWReuse, s.Timestamps = 1, 1 }, time.Second},
		{"on, without timestamps", func(s *host.Settings) { s.TWReuse = 1 }, time.Minute},
		{"on, no delay", func(s *host.Settings) { s.TWReuse, s.Timestamps, s.TWReuseDelay = 1, 1, 0 }, time.Millisecond},
	} {
		now := box(crowd(9, "10.0.0.5:80", reusable)...)
		tt.edit(&now.Settings)
		rates := Rates(box(), now, time.Second)
		if len(rates) != 1 || rates[0].Kept != tt.wantLength {
			t.Errorf("%s: rates %+v, want ports kept for %v", tt.name, rates, tt.wantLength)
		}
	}
}

func TestNoRateWithoutTime(t *testing.T) {
	if rates := Rates(box(), box(crowd(9, "10.0.0.5:80")...), 0); rates != nil {
		t.Errorf("rates over no time: %+v", rates)
	}
	same := box(crowd(9, "10.0.0.5:80")...)
	if rates := Rates(same, same, time.Second); len(rates) != 0 {
		t.Errorf("rates of connections that stay: %+v", rates)
	}
}

// TestRateOfMixedClosers has 80 connections come in 80 s to a pool of 90, which
// TIME_WAIT bounds to 1.5 a second that this side closes.
func TestRateOfMixedClosers(t *testing.T) {
	waiting := func(s *port.Socket) { s.State, s.Mini, s.Stamped = port.TimeWait, true, true }
	old := crowd(80, "10.0.0.5:80")
	closed := func(n int) []*port.Socket { return crowd(n, "10.0.0.5:80", waiting) }
	for name, tt := range map[string]struct {
		before, now                 []*port.Socket
		opened, here, ceiling, near float64 // a second, the last a share
	}{
		"all closed here":           {nil, closed(80), 1, 1, 1.5, 1 / 1.5},
		"one closed here":           {nil, slices.Concat(closed(1), old[1:]), 1, 1 / 80.0, 1.5, 1 / 80.0 / 1.5},
		"none closed here":          {nil, old, 1, 0, 0, 0},
		"none since":                {closed(1), slices.Concat(closed(1), old[1:]), 79 / 80.0, 0, 1.5, 0},
		"old ones closed, none new": {old, closed(80), 0, 0, 1.5, 0},
		"old ones closed, one new":  {old[:79], slices.Concat(closed(79), old[79:]), 1 / 80.0, 1 / 80.0, 1.5, 1 / 80.0 / 1.5},
	} {
		now := newRules(box(tt.now...))
		r := now.turnover(now.pool(tuple("10.0.0.2", "10.0.0.5:80")), newRules(box(tt.before...)), 80)
		r.sustain(now.ns)
		if r.PerSecond != tt.opened || r.ClosedHere != tt.here || r.Ceiling != tt.ceiling || math.Abs(r.Closeness()-tt.near) > 1e-6 {
			t.Errorf("%s: %v opened, %v closed here, at %v of %v; want %+v", name, r.PerSecond, r.ClosedHere, r.Closeness(), r.Ceiling, tt)
		}
		if want := tt.here * 60; math.Abs(r.Settled-want) > 1e-9 {
			t.Errorf("%s: TIME_WAIT settles at %v ports, want %v", name, r.Settled, want)
		}
	}
}

// TestConnectionsThatTakePortsOver has two looks at ports that are in TIME_WAIT at
// both, some of which were closed within the second that reuse waits.
func TestConnectionsThatTakePortsOver(t *testing.T) {
	young := func(s *port.Socket) { s.State, s.Mini, s.Stamped = port.TimeWait, true, true }
	opened := func(n int) *int { return &n }
	waiting := slices.Concat(crowd(60, "10.0.0.5:80", reusable), crowd(90, "10.0.0.5:80", young)[60:])
	for name, tt := range map[string]struct {
		mode, delay   int // tcp_tw_reuse and its delay in ms
		before, after *int
		want          float64
	}{
		"nobody asked the kernel":      {1, 1000, nil, nil, 30},
		"the kernel opened as many":    {1, 1000, opened(100), opened(400), 30},
		"it opened more, elsewhere":    {1, 1000, opened(100), opened(900), 30},
		"it opened fewer":              {1, 1000, opened(100), opened(200), 10},
		"it opened none":               {1, 1000, opened(100), opened(100), 0},
		"they may be taken later":      {1, 2000, nil, nil, 15},
		"nothing is taken over":        {0, 1000, nil, nil, 0},
		"a delay that shows no rate":   {1, 99, nil, nil, 0},
		"the shortest that shows some": {1, 100, nil, nil, 300},
	} {
		before, now := box(waiting...), box(waiting...)
		for _, ns := range []*host.Namespace{before, now} {
			ns.Settings.TWReuse, ns.Settings.Timestamps, ns.Settings.TWReuseDelay = tt.mode, 1, time.Duration(tt.delay)*time.Millisecond
		}
		before.Opened, now.Opened = tt.before, tt.after
		rates := Rates(before, now, 10*time.Second)
		if tt.want == 0 && len(rates) == 0 {
			continue
		}
		if len(rates) != 1 || rates[0].PerSecond != tt.want || rates[0].ClosedHere != tt.want {
			t.Errorf("%s: rates %+v, want one of %v a second", name, rates, tt.want)
		}
	}
}
