package chart

import (
	"fmt"
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"

	"portrange/internal/capacity"
)

// planPoints is how many rates a curve is computed for.
const planPoints = 160

// planMost is the highest share of the range that a plan's chart shows.
const planMost = 1.3

// Plan draws the share of its range that a load takes against its rate: the
// percentile that is planned with and the mean, the half, the wall, and where
// the planned rate is.
func Plan(plan *capacity.Plan, format Format) ([]byte, error) {
	p := newPlot(
		fmt.Sprintf("%d ports for each of %s, each connection blocks its port for %.3g s",
			plan.Pool.Usable, counted(plan.Tuples, "tuple"), plan.Blocks),
		"new connections per second, all tuples together", "share of the usable ports in use")
	end := ratesEnd(plan)
	needed, mean := planCurves(plan, end)
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = 0, end, 0, planMost
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.TickerFunc(shortTicks), percent(planMost)
	half := share(plan.Pool.Half, plan.Pool.Usable)
	for _, err := range []error{
		line(p, fmt.Sprintf("needed, %.6g%% of the time enough", 100*plan.Confidence), needed, blue, nil),
		line(p, "on average", mean, blue, dashes),
		line(p, "", plotter.XYs{{X: 0, Y: half}, {X: end, Y: half}}, amber, nil),
		note(p, 0.5*end, half, fmt.Sprintf("half, reached at %.4g/s: connect() gets slow", plan.SlowRate), amber),
		line(p, "", plotter.XYs{{X: 0, Y: 1}, {X: end, Y: 1}}, red, nil),
		note(p, 0.01*end, 1, fmt.Sprintf("wall, reached at %.4g/s: connect() fails", plan.WallRate), red),
		planned(p, plan, end),
	} {
		if err != nil {
			return nil, err
		}
	}
	return render(p, format)
}

// planned marks the planned rate. One far beyond the wall is only named: it would
// leave no room for the rest.
func planned(p *plot.Plot, plan *capacity.Plan, end float64) error {
	rate, name := plan.Load.Rate, fmt.Sprintf("planned: %.4g/s", plan.Load.Rate)
	if rate > end {
		p.Legend.Add(name + ", beyond the chart")
		return nil
	}
	return line(p, name, plotter.XYs{{X: rate, Y: 0}, {X: rate, Y: math.Min(plan.Share, planMost)}}, grey, dashes)
}

// farthest is how many times the wall's rate a chart reaches: beyond that the
// curves would run through the legend.
const farthest = 2.2

// ratesEnd is the highest rate shown: beyond the wall, and beyond the plan
// unless that is far off.
func ratesEnd(plan *capacity.Plan) float64 {
	wall := plan.Load.Rate / plan.Mean * float64(plan.Pool.Usable)
	if end := 1.05 * plan.Load.Rate; end <= farthest*wall {
		return math.Max(planMost*wall, end)
	}
	return planMost * wall
}

func planCurves(plan *capacity.Plan, end float64) (needed, mean plotter.XYs) {
	for i := range planPoints {
		rate := end * float64(i+1) / planPoints
		need := plan.NeedAt(rate)
		if need.Share <= planMost {
			needed = append(needed, plotter.XY{X: rate, Y: need.Share})
		}
		if y := need.Mean / float64(plan.Pool.Usable); y <= planMost {
			mean = append(mean, plotter.XY{X: rate, Y: y})
		}
	}
	return needed, mean
}

// shortTicks are the usual ones, their numbers without needless zeros.
func shortTicks(low, high float64) []plot.Tick {
	ticks := plot.DefaultTicks{}.Ticks(low, high)
	for i := range ticks {
		if !ticks[i].IsMinor() {
			ticks[i].Label = strconv.FormatFloat(ticks[i].Value, 'f', -1, 64)
		}
	}
	return ticks
}

func share(part, whole int) float64 { return float64(part) / float64(whole) }

func counted(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
