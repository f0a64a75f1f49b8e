package figure

import (
	"fmt"
	"math"

	"portrange/internal/capacity"
	"portrange/internal/chart"
)

// planPoints is how many rates a curve is computed for.
const planPoints = 160

// planMost is the highest share of the range that a plan's chart shows.
const planMost = 1.3

// Plan draws the share of its range that a load takes against its rate: the
// percentile that is planned with and the mean, the half, the wall, and where
// the planned rate is.
func Plan(plan *capacity.Plan) *chart.Chart {
	end := ratesEnd(plan)
	needed, mean := planCurves(plan, end)
	half := share(plan.Pool.Half, plan.Pool.Usable)
	return &chart.Chart{
		Title: fmt.Sprintf("%d ports for each of %s, each connection blocks its port for %.3g s",
			plan.Pool.Usable, counted(plan.Tuples, "tuple"), plan.Blocks),
		X: chart.Axis{Label: "new connections per second, all tuples together", Max: end},
		Y: chart.Axis{Label: "share of the usable ports in use", Max: planMost, Format: percent},
		Series: []chart.Series{
			{Name: fmt.Sprintf("needed, %.6g%% of the time enough", 100*plan.Confidence), Points: needed},
			{Name: "on average", Points: mean, Dashed: true},
			planned(plan, end),
		},
		Marks: []chart.Mark{
			{At: half, Label: fmt.Sprintf("half, reached at %.4g/s: connect() gets slow", plan.SlowRate), Colour: chart.Amber},
			{At: 1, Label: fmt.Sprintf("wall, reached at %.4g/s: connect() fails", plan.WallRate), Colour: chart.Red},
		},
	}
}

// planned marks the planned rate. One far beyond the wall is only named: it would
// leave no room for the rest.
func planned(plan *capacity.Plan, end float64) chart.Series {
	rate, name := plan.Load.Rate, fmt.Sprintf("planned: %.4g/s", plan.Load.Rate)
	if rate > end {
		return chart.Series{Name: name + ", beyond the chart"}
	}
	line := []chart.Point{{X: rate, Y: 0}, {X: rate, Y: math.Min(plan.Share, planMost)}}
	return chart.Series{Name: name, Points: line, Colour: chart.Grey, Dashed: true}
}

// farthest is how many times the wall's rate a chart reaches: beyond that there
// would be little left of the part below the wall.
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

func planCurves(plan *capacity.Plan, end float64) (needed, mean []chart.Point) {
	for i := range planPoints {
		rate := end * float64(i+1) / planPoints
		need := plan.NeedAt(rate)
		if need.Share <= planMost {
			needed = append(needed, chart.Point{X: rate, Y: need.Share})
		}
		if y := need.Mean / float64(plan.Pool.Usable); y <= planMost {
			mean = append(mean, chart.Point{X: rate, Y: y})
		}
	}
	return needed, mean
}

func share(part, whole int) float64 { return float64(part) / float64(whole) }

func counted(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
