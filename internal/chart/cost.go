package chart

import (
	"errors"
	"fmt"
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"

	"portrange/internal/simulate"
)

// ConnectCost draws the latency of connect() against the share of the pool in
// use, the median and the 90th percentile for each way of filling it. The axis
// is logarithmic: what is to be seen is a factor.
func ConnectCost(costs []*simulate.ConnectCosts, format Format) ([]byte, error) {
	if len(costs) == 0 {
		return nil, errors.New("draw the cost of connect(): nothing was measured")
	}
	p := newPlot(fmt.Sprintf("connect() while a pool of %d ports fills", costs[0].Ports), "share of the pool in use", "latency")
	p.X.Min, p.X.Max, p.X.Tick.Marker = 0, 1, percent(1)
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, latencyTicks()
	low, high := math.Inf(1), 0.0
	for i, c := range costs {
		in := []color.Color{blue, red}[i%2]
		median, tail := costCurve(c, func(l simulate.Latency) float64 { return l.P50 }), costCurve(c, func(l simulate.Latency) float64 { return l.P90 })
		name := fillName(c.Fill)
		if err := errors.Join(line(p, name+", median", median, in, nil), line(p, name+", 90th percentile", tail, in, dashes)); err != nil {
			return nil, err
		}
		for j := range median {
			low, high = math.Min(low, median[j].Y), math.Max(high, tail[j].Y)
		}
	}
	p.Y.Min, p.Y.Max = low/2, high*3 // room for the legend
	err := errors.Join(
		line(p, "", plotter.XYs{{X: 0.5, Y: p.Y.Min}, {X: 0.5, Y: p.Y.Max}}, amber, nil),
		note(p, 0.5, p.Y.Min*1.1, "half: one parity is used up", amber),
	)
	if err != nil {
		return nil, err
	}
	return render(p, format)
}

// costCurve has a point in the middle of each step; calls that took no
// measurable time would have no logarithm.
func costCurve(c *simulate.ConnectCosts, figure func(simulate.Latency) float64) plotter.XYs {
	curve := make(plotter.XYs, len(c.Steps))
	for i, step := range c.Steps {
		curve[i] = plotter.XY{X: (step.From + step.To) / 2, Y: math.Max(figure(step.Latency), 0.1)}
	}
	return curve
}

func fillName(fill simulate.Fill) string {
	if fill == simulate.TimeWait {
		return "in TIME_WAIT"
	}
	return "established"
}

// latencyTicks are from 1 µs to 10 s, in steps of 1, 2 and 5.
func latencyTicks() plot.ConstantTicks {
	var ticks plot.ConstantTicks
	for power := range 7 {
		for _, digit := range []float64{1, 2, 5} {
			us := digit * math.Pow10(power)
			ticks = append(ticks, plot.Tick{Value: us, Label: latencyText(us)})
		}
	}
	return ticks
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
