package figure

import (
	"math"
	"strings"
	"testing"

	"portrange/internal/capacity"
	"portrange/internal/chart"
	"portrange/internal/judge"
	"portrange/internal/port"
	"portrange/internal/simulate"
)

func plan(t *testing.T, rate float64) *capacity.Plan {
	t.Helper()
	load := capacity.Load{Rate: rate, Hold: 5, ClientCloses: 1, Destinations: 4, Sources: 1, TWReuseDelayMS: 1000}
	p, err := capacity.Make(load, judge.PlainPorts(port.DefaultRange), 0.999)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func costs() []*simulate.ConnectCosts {
	list := []*simulate.ConnectCosts{{Ports: 10000, Fill: simulate.Established}, {Ports: 10000, Fill: simulate.TimeWait}}
	for i := range 40 {
		latency := simulate.Latency{P50: 20, P90: 30}
		if i >= 20 {
			latency = simulate.Latency{P50: 400, P90: 900}
		}
		for _, c := range list {
			c.Steps = append(c.Steps, simulate.Cost{From: float64(i) / 40, To: float64(i+1) / 40, Latency: latency})
		}
	}
	return list
}

// lacks fails for words that are not in the drawing.
func lacks(t *testing.T, c *chart.Chart, words ...string) {
	t.Helper()
	file := string(c.SVG())
	for _, want := range words {
		if !strings.Contains(file, want) {
			t.Errorf("the chart lacks %q; it is\n%s", want, file)
		}
	}
}

func TestPlanMarksHalfAndWall(t *testing.T) {
	for _, rate := range []float64{1, 900, 5000} {
		lacks(t, Plan(plan(t, rate)), "half, reached at", "wall, reached at", "planned:", "99.9%", "28232 ports for each of 4 tuples", "100%")
	}
}

func TestPlanCurvesRise(t *testing.T) {
	p := plan(t, 900)
	end := Plan(p).X.Max
	needed, mean := planCurves(p, end)
	if end <= p.WallRate || len(needed) < planPoints/2 {
		t.Fatalf("%d points up to %v/s, the wall is at %v/s", len(needed), end, p.WallRate)
	}
	for i := range needed {
		if i > 0 && needed[i].Y < needed[i-1].Y || needed[i].Y < mean[i].Y || needed[i].Y > planMost {
			t.Errorf("at %v/s a share of %v is needed, %v on average", needed[i].X, needed[i].Y, mean[i].Y)
		}
	}
	if last := needed[len(needed)-1].Y; last < 1 {
		t.Errorf("the curve ends at %v, below the wall", last)
	}
}

// TestAPlanBeyondTheChartLeavesRoom holds the axis to the rates of the wall.
func TestAPlanBeyondTheChartLeavesRoom(t *testing.T) {
	c := Plan(plan(t, 1e8))
	lacks(t, c, "planned: 1e+08/s, beyond the chart")
	if c.X.Max > 1e4 {
		t.Errorf("the axis ends at %v/s", c.X.Max)
	}
}

func TestTheChartShowsPlanAndWall(t *testing.T) {
	wall := 4 * float64(port.DefaultRange.Size()) / 65
	for rate, want := range map[float64]float64{1: 1.3 * wall, 1800: 1.3 * wall, 3500: 3675, 1e6: 1.3 * wall} {
		if got := Plan(plan(t, rate)).X.Max; math.Abs(got-want) > 1e-6*want {
			t.Errorf("the chart of %v/s ends at %v/s, want %v/s", rate, got, want)
		}
	}
}

func TestConnectCostNamesItsCurves(t *testing.T) {
	c, err := ConnectCost(costs())
	if err != nil {
		t.Fatal(err)
	}
	lacks(t, c, "10000 ports", "established, median", "in TIME_WAIT, 90th percentile", "100 µs", "50%", "half")
	if c.Y.Min > 20 || c.Y.Max < 900 || !c.Y.Log {
		t.Errorf("latencies from 20 to 900 µs on the axis %+v", c.Y)
	}
	if _, err := ConnectCost(nil); err == nil {
		t.Error("a chart of nothing was drawn")
	}
}

// TestNoTimeAtAll: a latency of 0 has no logarithm, and is drawn nevertheless.
func TestNoTimeAtAll(t *testing.T) {
	c, err := ConnectCost([]*simulate.ConnectCosts{{Ports: 2, Steps: []simulate.Cost{{To: 1}}}})
	if err != nil {
		t.Fatal(err)
	}
	if p := c.Series[0].Points[0]; p.X != 0.5 || p.Y <= 0 {
		t.Errorf("no time in the whole pool is drawn at %+v", p)
	}
}

// TestChartsAreReproducible: the same numbers give the same file.
func TestChartsAreReproducible(t *testing.T) {
	one, two := Plan(plan(t, 900)).SVG(), Plan(plan(t, 900)).SVG()
	if string(one) != string(two) {
		t.Error("the second drawing differs")
	}
}

func TestLatencyText(t *testing.T) {
	for us, want := range map[float64]string{1: "1 µs", 500: "500 µs", 2000: "2 ms", 5e6: "5 s"} {
		if got := latencyText(us); got != want {
			t.Errorf("latencyText(%v) = %q, want %q", us, got, want)
		}
	}
}

func TestPercent(t *testing.T) {
	for share, want := range map[float64]string{0: "0%", 0.3: "30%", 1: "100%", 0.125: "12.5%"} {
		if got := percent(share); got != want {
			t.Errorf("percent(%v) = %q, want %q", share, got, want)
		}
	}
}
