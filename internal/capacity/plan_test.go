package capacity

import (
	"math"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"portrange/internal/judge"
	"portrange/internal/port"
)

const sure = 0.999

func load(edit ...func(*Load)) Load {
	l := Load{Rate: 100, Hold: 5, ClientCloses: 1, Destinations: 1, Sources: 1, TWReuseDelayMS: 1000}
	for _, e := range edit {
		e(&l)
	}
	return l
}

func rate(r float64) func(*Load) { return func(l *Load) { l.Rate = r } }
func server(l *Load)             { l.ClientCloses = 0 }
func reuse(l *Load)              { l.TWReuse = 1 }
func unstamped(l *Load)          { l.NoTimestamps = true }

func mustMake(t *testing.T, l Load, ports judge.Ports) *Plan {
	t.Helper()
	plan, err := Make(l, ports, sure)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func TestBlocks(t *testing.T) {
	for name, tt := range map[string]struct {
		load Load
		want float64
	}{
		"the client closes":          {load(), 65},
		"the server closes":          {load(server), 5},
		"reuse":                      {load(reuse), 6},
		"reuse, the server closes":   {load(reuse, server), 5},
		"each side closes half":      {load(func(l *Load) { l.ClientCloses = 0.5 }), 35},
		"reuse after 100 ms":         {load(reuse, func(l *Load) { l.TWReuseDelayMS = 100 }), 5.1},
		"reuse without timestamps":   {load(reuse, unstamped), 65},
		"reuse on loopback, far":     {load(func(l *Load) { l.TWReuse = 2 }), 65},
		"reuse on loopback, on host": {load(func(l *Load) { l.TWReuse, l.Loopback = 2, true }), 6},
	} {
		if got := tt.load.Blocks(); math.Abs(got-tt.want) > 1e-9 {
			t.Errorf("%s: a connection blocks its port for %v s, want %v", name, got, tt.want)
		}
	}
}

// TestVerdicts walks a load without keep-alive over the default range: 28,232
// ports, so 470 connections a second on average, less for the percentile.
func TestVerdicts(t *testing.T) {
	for _, tt := range []struct {
		rate float64
		want Verdict
	}{{100, Fits}, {228, Fits}, {230, Slow}, {461, Slow}, {463, Short}, {2000, Short}} {
		plan := mustMake(t, load(rate(tt.rate), func(l *Load) { l.Hold = 0.001 }), judge.PlainPorts(port.DefaultRange))
		if plan.Verdict != tt.want {
			t.Errorf("%v/s: %s with %d of %d needed, want %s", tt.rate, plan.Verdict, plan.Needed, plan.Pool.Usable, tt.want)
		}
		if (plan.Verdict == Fits) != (len(plan.Levers) == 0) {
			t.Errorf("%v/s: %s with %d levers", tt.rate, plan.Verdict, len(plan.Levers))
		}
		if fits := tt.rate <= plan.SlowRate; fits != (plan.Verdict == Fits) {
			t.Errorf("%v/s: %s, although the slow rate is %v", tt.rate, plan.Verdict, plan.SlowRate)
		}
		if carries := tt.rate <= plan.WallRate; carries != (plan.Verdict != Short) {
			t.Errorf("%v/s: %s, although the wall is at %v", tt.rate, plan.Verdict, plan.WallRate)
		}
	}
}

func TestTuplesShareTheLoad(t *testing.T) {
	one := mustMake(t, load(rate(100)), judge.PlainPorts(port.DefaultRange))
	twelve := mustMake(t, load(rate(1200), func(l *Load) { l.Destinations, l.Sources = 4, 3 }), judge.PlainPorts(port.DefaultRange))
	if one.Need != twelve.Need || twelve.Tuples != 12 || twelve.TupleRate != 100 {
		t.Errorf("one tuple needs %+v, each of %d needs %+v", one.Need, twelve.Tuples, twelve.Need)
	}
	if math.Abs(twelve.WallRate-12*one.WallRate) > 1e-6*twelve.WallRate {
		t.Errorf("wall at %v and %v for twelve", one.WallRate, twelve.WallRate)
	}
}

// TestLeversDo puts the value of every lever into the load and the ports, and
// wants the verdict that the lever promised, and not so for a smaller step.
func TestLeversDo(t *testing.T) {
	for name, l := range map[string]Load{
		"slow":             load(rate(300)),
		"short":            load(rate(900)),
		"far too much":     load(rate(9000)),
		"long-lived":       load(rate(100), func(l *Load) { l.Hold = 600 }),
		"the server does":  load(rate(100), server, func(l *Load) { l.Hold = 400 }),
		"reuse not enough": load(rate(6000), reuse),
	} {
		plan := mustMake(t, l, judge.PlainPorts(port.DefaultRange))
		if len(plan.Levers) != 6 {
			t.Fatalf("%s: %d levers, want all six", name, len(plan.Levers))
		}
		for _, lever := range plan.Levers {
			if (lever.Fit == nil) != (plan.Verdict == Slow) {
				t.Errorf("%s: %s: %+v to fit a load that is %s", name, lever.Name, lever.Fit, plan.Verdict)
			}
			if lever.Fit != nil {
				checkLever(t, name+", to fit", plan, lever.Name, lever.Fit, Slow)
			}
			checkLever(t, name+", to stay fast", plan, lever.Name, lever.Fast, Fits)
		}
	}
}

func checkLever(t *testing.T, name string, plan *Plan, lever LeverName, change *Change, want Verdict) {
	t.Helper()
	if change.Value == "" {
		if change.Possible {
			t.Errorf("%s: %s is possible, but by no value", name, lever)
		}
		return
	}
	got := pull(t, plan, lever, change.Value, 0)
	if reached := got == Fits || got == want; reached != change.Possible {
		t.Errorf("%s: %s %s makes it %s, and possible is %v", name, lever, change.Value, got, change.Possible)
	}
	if less := pull(t, plan, lever, change.Value, -1); change.Possible && (less == Fits || less == want) {
		t.Errorf("%s: %s: less than %s makes it %s as well", name, lever, change.Value, less)
	}
}

// pull sets one lever to value plus step and judges again.
func pull(t *testing.T, plan *Plan, lever LeverName, value string, step int) Verdict {
	t.Helper()
	l, ports := plan.Load, plan.Ports
	number, _ := strconv.Atoi(value)
	switch lever {
	case LeverRange:
		r, err := port.ParseRange(value)
		if err != nil {
			t.Fatal(err)
		}
		if r == ports.Range {
			return plan.Verdict
		}
		if r.Low < ports.Range.Low {
			r.Low -= uint16(2 * step)
		} else {
			r.High += uint16(2 * step)
		}
		ports.Range = r
	case LeverSources:
		l.Sources = number + step
	case LeverDestinations:
		l.Destinations = number + step
	case LeverTWReuse:
		l.TWReuse = 1 + step
	case LeverCloses:
		if step == 0 {
			l.ClientCloses = 0
		}
	case LeverKeepAlive:
		l.Rate /= float64(number + step)
		l.Hold *= float64(number + step)
	}
	changed, err := Make(l, ports, plan.Confidence)
	if err != nil {
		t.Fatalf("%s %s: %v", lever, value, err)
	}
	return changed.Verdict
}

func TestLeverValues(t *testing.T) {
	plan := mustMake(t, load(rate(600)), judge.PlainPorts(port.DefaultRange))
	got := map[LeverName][2]string{}
	for _, lever := range plan.Levers {
		got[lever.Name] = [2]string{lever.Fit.Value, lever.Fast.Value}
	}
	want := map[LeverName][2]string{ // needed are 39,000 ports on average, 39,612 in all but one of 1,000 moments
		LeverRange:        {"25924 65535", "1024 65535"},
		LeverTWReuse:      {"1", "1"},
		LeverKeepAlive:    {"2", "4"},
		LeverSources:      {"2", "3"},
		LeverDestinations: {"2", "3"},
		LeverCloses:       {"server", "server"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("levers (-want +got):\n%s", diff)
	}
	lever, change, found := plan.Least()
	if !found || lever.Name != LeverTWReuse || change.Value != "1" {
		t.Errorf("the least change is %s %s, %v", lever.Name, change.Value, found)
	}
}

// TestLeastChange prefers what leaves most room and is in nobody's way.
func TestLeastChange(t *testing.T) {
	for name, tt := range map[string]struct {
		load  Load
		ports port.Range
		want  LeverName
		value string
	}{
		"a range above the default":          {load(rate(470)), port.Range{Low: 40000, High: 60999}, LeverTWReuse, "1"},
		"a range that nobody needs":          {load(rate(20)), port.Range{Low: 40000, High: 40999}, LeverRange, "40000 42825"},
		"a range over NodePorts":             {load(rate(300)), port.DefaultRange, LeverTWReuse, "1"},
		"more than settings can do":          {load(rate(20000), reuse), port.DefaultRange, LeverSources, "9"},
		"the server closes, so they are few": {load(rate(300), server, func(l *Load) { l.Hold = 60 }), port.DefaultRange, LeverRange, "28704 65535"},
	} {
		plan := mustMake(t, tt.load, judge.PlainPorts(tt.ports))
		lever, change, found := plan.Least()
		if !found || lever.Name != tt.want || change.Value != tt.value {
			t.Errorf("%s: %s %s, %v; want %s %s", name, lever.Name, change.Value, found, tt.want, tt.value)
		}
	}
}

func TestReuseTakesTimestamps(t *testing.T) {
	plan := mustMake(t, load(rate(600), reuse, unstamped), judge.PlainPorts(port.DefaultRange))
	at := slices.IndexFunc(plan.Levers, func(l Lever) bool { return l.Name == LeverTWReuse })
	if at < 0 {
		t.Fatalf("levers %+v without tcp_tw_reuse", plan.Levers)
	}
	lever := plan.Levers[at]
	if lever.Now != "1" || !lever.Fit.Possible || lever.Fit.Value != "1, tcp_timestamps 1" || lever.Fit.Needed != Needed(3600, 0.999) {
		t.Errorf("lever %+v, to fit %+v, want timestamps switched on", lever, lever.Fit)
	}
}

func TestRangeLeverAvoidsWhatIsTaken(t *testing.T) {
	ports := judge.PlainPorts(port.Range{Low: 40000, High: 49999})
	ports.Reserved.AddRange(50000, 65000)
	ports.BindHeld.AddRange(40000, 40099) // connections bound to their ports: they will go
	ports.BindHeld.Add(39999)
	ports.Listening.Add(39999)
	plan := mustMake(t, load(rate(200)), ports)
	if plan.Pool.Usable != 9900 || plan.Pool.BindHeld != 100 || plan.Pool.ReservedInRange != 0 {
		t.Fatalf("pool %+v", plan.Pool)
	}
	fit := plan.Levers[0].Fit // 10,000 there, 535 above 65000, and 2,819 below beside the listener
	if plan.Needed != 13354 || fit.Value != "37180 65535" || fit.Reserve != "39999" || !fit.Possible {
		t.Errorf("%d needed: range %+v", plan.Needed, fit)
	}
}

func TestRangeLeverStaysAboveUnprivilegedStart(t *testing.T) {
	ports := judge.PlainPorts(port.Range{Low: 40000, High: 60000})
	ports.UnprivilegedStart = 30001
	plan := mustMake(t, load(rate(5000)), ports)
	if fit := plan.Levers[0].Fit; fit.Possible || fit.Value != "30002 65535" {
		t.Errorf("range %+v, want 30002 65535, and that it does not do", fit)
	}
}

func TestMakeExplainsBadInput(t *testing.T) {
	all := judge.PlainPorts(port.DefaultRange)
	full := judge.PlainPorts(port.Range{Low: 5000, High: 5001})
	full.Reserved.AddRange(5000, 5001)
	for want, tt := range map[string]struct {
		load       Load
		ports      judge.Ports
		confidence float64
	}{
		"rate -5: want a number above 0 and up to 100000000 (connections per second)":                          {load(rate(-5)), all, sure},
		"rate NaN: want a number above 0 and up to 100000000 (connections per second)":                         {load(rate(math.NaN())), all, sure},
		"rate +Inf: want a number above 0 and up to 100000000 (connections per second)":                        {load(rate(math.Inf(1))), all, sure},
		"hold -1: want a number above 0 and up to 31622400 (seconds, a year at most)":                          {load(func(l *Load) { l.Hold = -1 }), all, sure},
		"destinations 0: want a whole number from 1 to 1000000":                                                {load(func(l *Load) { l.Destinations = 0 }), all, sure},
		"sources -2: want a whole number from 1 to 1000000":                                                    {load(func(l *Load) { l.Sources = -2 }), all, sure},
		"share of connections that the client closes first 2: want 0 to 1":                                     {load(func(l *Load) { l.ClientCloses = 2 }), all, sure},
		"tcp_tw_reuse 3: want 0 (off), 1 (on) or 2 (loopback only)":                                            {load(func(l *Load) { l.TWReuse = 3 }), all, sure},
		"tcp_tw_reuse_delay 0: want milliseconds from 1 to 60000":                                              {load(func(l *Load) { l.TWReuseDelayMS = 0 }), all, sure},
		"port range 5000 5001: no port is left in it, all are reserved or held by bind()":                      {load(), full, sure},
		"port range starts at port 0: want 1 or more":                                                          {load(), judge.PlainPorts(port.Range{High: 9}), sure},
		"confidence 100%: want a percentage from 50% up to 99.9999999%; no number of ports is enough for 100%": {load(), all, 1},
		"confidence NaN%: want a percentage from 50% up to 99.9999999%; no number of ports is enough for 100%": {load(), all, math.NaN()},
	} {
		plan, err := Make(tt.load, tt.ports, tt.confidence)
		if err == nil || err.Error() != want {
			t.Errorf("got %v and %v, want the error %s", plan, err, want)
		}
	}
}

func TestNeedAtFollowsTheRate(t *testing.T) {
	plan := mustMake(t, load(rate(300)), judge.PlainPorts(port.DefaultRange))
	if got := plan.NeedAt(300); got != plan.Need {
		t.Errorf("at the planned rate %+v, in the plan %+v", got, plan.Need)
	}
	if got, want := plan.NeedAt(600), mustMake(t, load(rate(600)), plan.Ports).Need; got != want {
		t.Errorf("at twice the rate %+v, planned so %+v", got, want)
	}
}
