package figure

import (
	"errors"
	"fmt"
	"math"

	"portrange/internal/chart"
	"portrange/internal/simulate"
)

// ConnectCost draws the latency of connect() against the share of the pool in
// use, the median and the 90th percentile for each way of filling it. The axis
// is logarithmic: what is to be seen is a factor.
func ConnectCost(costs []*simulate.ConnectCosts) (*chart.Chart, error) {
	if len(costs) == 0 {
		return nil, errors.New("draw the cost of connect(): nothing was measured")
	}
	c := &chart.Chart{
		Title: fmt.Sprintf("connect() while a pool of %d ports fills", costs[0].Ports),
		X:     chart.Axis{Label: "share of the pool in use", Max: 1, Format: percent},
		Y:     chart.Axis{Label: "latency", Log: true, Format: latencyText},
		Marks: []chart.Mark{{Vertical: true, At: 0.5, Label: "half: one parity is used up", Colour: chart.Amber}},
	}
	for i, cost := range costs {
		name, colour := "established", []chart.Colour{chart.Blue, chart.Red}[i%2]
		if cost.Fill == simulate.TimeWait {
			name = "in TIME_WAIT"
		}
		median := costCurve(cost, func(l simulate.Latency) float64 { return l.P50 })
		tail := costCurve(cost, func(l simulate.Latency) float64 { return l.P90 })
		c.Series = append(c.Series,
			chart.Series{Name: name + ", median", Points: median, Colour: colour},
			chart.Series{Name: name + ", 90th percentile", Points: tail, Colour: colour, Dashed: true})
	}
	c.Y.Min, c.Y.Max = latencies(c.Series)
	return c, nil
}

// costCurve has a point in the middle of each step; calls that took no
// measurable time would have no logarithm.
func costCurve(c *simulate.ConnectCosts, figure func(simulate.Latency) float64) []chart.Point {
	curve := make([]chart.Point, len(c.Steps))
	for i, step := range c.Steps {
		curve[i] = chart.Point{X: (step.From + step.To) / 2, Y: math.Max(figure(step.Latency), 0.1)}
	}
	return curve
}

// latencies is the range of the curves, with some room at both ends.
func latencies(series []chart.Series) (low, high float64) {
	low, high = math.Inf(1), 0
	for _, s := range series {
		for _, p := range s.Points {
			low, high = math.Min(low, p.Y), math.Max(high, p.Y)
		}
	}
	return low / 2, high * 2
}

func latencyText(us float64) string {
	switch {
	case us >= 1e6:
		return fmt.Sprintf("%g s", us/1e6)
	case us >= 1e3:
		return fmt.Sprintf("%g ms", us/1e3)
	}
	return fmt.Sprintf("%g µs", us)
}

func percent(share float64) string { return fmt.Sprintf("%.6g%%", 100*share) }
