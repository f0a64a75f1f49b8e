package simulate

import (
	"math"
	"math/rand/v2"
	"testing"

	"portrange/internal/capacity"
	"portrange/internal/judge"
	"portrange/internal/port"
)

func plan(t *testing.T, l capacity.Load, r port.Range) *capacity.Plan {
	t.Helper()
	if l.TWReuseDelayMS == 0 {
		l.TWReuseDelayMS = 1000
	}
	p, err := capacity.Make(l, judge.PlainPorts(r), 0.999)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestScaleKeepsProportions holds runs of random loads against their plans: the
// bounds are kept, and so is the relation of load, range and life.
func TestScaleKeepsProportions(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for range 500 {
		l := randomLoad(random)
		l.Rate *= math.Pow(10, 4*random.Float64()-2)
		p := plan(t, l, port.Range{Low: 1024, High: uint16(2001 + random.IntN(60000))})
		r, err := Scale(p, DefaultBounds, random.IntN(2) == 0)
		if err != nil {
			t.Fatal(err)
		}
		if ports := r.mean() * float64(r.Tuples); ports > float64(DefaultBounds.Ports) {
			t.Errorf("%+v runs with %v ports in use on average", l, ports)
		}
		if rate := r.TupleRate * float64(r.Tuples); rate > DefaultBounds.Rate*1.0001 {
			t.Errorf("%+v runs with %v connections a second", l, rate)
		}
		planned, scaled := p.Mean/float64(p.Pool.Usable), r.mean()/float64(r.Usable)
		if math.Abs(scaled-planned) > (0.02+2/float64(r.Usable))*planned {
			t.Errorf("%+v fills %v of the pool, its run %+v %v", l, planned, r, scaled)
		}
		if planned, scaled := l.Hold/p.Blocks, r.Hold/(r.Hold+r.Lingers); math.Abs(scaled-planned) > 0.02 {
			t.Errorf("%+v: connections are open for %v of the time they block, in its run %v", l, planned, scaled)
		}
		if r.Usable > p.Pool.Usable || int(r.High)-int(r.Low)+1 < r.Usable || r.Tuples > p.Tuples {
			t.Errorf("%+v runs as %+v, larger than planned", l, r)
		}
	}
}

func TestScaleChoosesWhatStandsForTimeWait(t *testing.T) {
	for name, tt := range map[string]struct {
		load     capacity.Load
		hasDelay bool
		want     StandIn
	}{
		"the server closes":               {capacity.Load{}, true, NotNeeded},
		"the client closes":               {capacity.Load{ClientCloses: 1}, true, Emulated},
		"reuse":                           {capacity.Load{ClientCloses: 1, TWReuse: 1}, true, Kernel},
		"reuse on an older kernel":        {capacity.Load{ClientCloses: 1, TWReuse: 1}, false, Emulated},
		"reuse on loopback, over network": {capacity.Load{ClientCloses: 1, TWReuse: 2}, true, Emulated},
		"reuse on loopback":               {capacity.Load{ClientCloses: 1, TWReuse: 2, Loopback: true}, true, Kernel},
	} {
		tt.load.Rate, tt.load.Hold, tt.load.Destinations, tt.load.Sources = 100, 5, 1, 1
		r, err := Scale(plan(t, tt.load, port.DefaultRange), DefaultBounds, tt.hasDelay)
		if err != nil || r.Stands != tt.want {
			t.Errorf("%s: %+v and %v, want %s", name, r, err, tt.want)
		}
	}
}

func TestScaleKeepsASmallPlanAsItIs(t *testing.T) {
	ports := judge.PlainPorts(port.Range{Low: 40000, High: 40999})
	ports.Reserved.AddRange(40100, 40109)
	ports.BindHeld.Add(40200)
	l := capacity.Load{Rate: 500, Hold: 1, Destinations: 2, Sources: 1, TWReuseDelayMS: 1000}
	p, err := capacity.Make(l, ports, 0.99)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Scale(p, DefaultBounds, true)
	if err != nil {
		t.Fatal(err)
	}
	if r.PortScale != 1 || r.Low != 40000 || r.High != 40999 || r.Usable != 989 || r.Tuples != 2 {
		t.Errorf("run %+v", r)
	}
	if got := r.withheld.String(); got != "40100-40109,40200" {
		t.Errorf("withheld from connect(): %s", got)
	}
	if got := r.listenerPort(); got != 39999 {
		t.Errorf("the listener is on port %d", got)
	}
}

func TestScaleRefuses(t *testing.T) {
	mixed := capacity.Load{Rate: 1, Hold: 1, ClientCloses: 0.5, Destinations: 1, Sources: 1}
	if r, err := Scale(plan(t, mixed, port.DefaultRange), DefaultBounds, true); err == nil {
		t.Errorf("a load that both ends close runs as %+v", r)
	}
	everything := capacity.Load{Rate: 1, Hold: 1, Destinations: 1, Sources: 1}
	if r, err := Scale(plan(t, everything, port.Range{Low: 1, High: 65535}), DefaultBounds, true); err == nil {
		t.Errorf("a range without room for a listener runs as %+v", r)
	}
}

// randomLoad is a load of one or two tuples.
func randomLoad(random *rand.Rand) capacity.Load {
	return capacity.Load{
		Rate:           50 + 2000*random.Float64(),
		Hold:           0.05 + 20*random.Float64(),
		ClientCloses:   float64(random.IntN(2)),
		Destinations:   1 + random.IntN(2),
		Sources:        1,
		TWReuse:        random.IntN(2),
		TWReuseDelayMS: 1000,
	}
}
