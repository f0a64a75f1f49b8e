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

// farthest is how many times the wall's rate a chart reaches: beyond that there
// would be little left of the part below the wall. A plan farther off is only
// named.
const farthest = 2.2

// Plan draws the share of its range that a load takes against its rate: the
// percentile that is planned with and the mean, the half, the wall, and where
// the planned rate is.
func Plan(plan *capacity.Plan) *chart.Chart {
	rate, usable := plan.Load.Rate, float64(plan.Pool.Usable)
	wall := rate / plan.Mean * usable
	end := planMost * wall
	if beyondPlan := 1.05 * rate; beyondPlan <= farthest*wall {
		end = math.Max(end, beyondPlan)
	}
	needed, mean := planCurves(plan, end)
	planned := chart.Series{Name: fmt.Sprintf("planned: %.4g/s", rate), Colour: chart.Grey, Dashed: true}
	if rate > end {
		planned.Name += ", beyond the chart"
	} else {
		planned.Points = []chart.Point{{X: rate, Y: 0}, {X: rate, Y: math.Min(plan.Share, planMost)}}
	}
	tuples := "1 tuple"
	if plan.Tuples != 1 {
		tuples = fmt.Sprintf("%d tuples", plan.Tuples)
	}
	return &chart.Chart{
		Title: fmt.Sprintf("%d ports for each of %s, each connection blocks its port for %.3g s",
			plan.Pool.Usable, tuples, plan.Blocks),
		X: chart.Axis{Label: "new connections per second, all tuples together", Max: end},
		Y: chart.Axis{Label: "share of the usable ports in use", Max: planMost, Format: percent},
		Series: []chart.Series{
			{Name: fmt.Sprintf("needed, %.6g%% of the time enough", 100*plan.Confidence), Points: needed},
			{Name: "on average", Points: mean, Dashed: true},
			planned,
		},
		Marks: []chart.Mark{
			{At: float64(plan.Pool.Half) / usable, Colour: chart.Amber,
				Label: fmt.Sprintf("half, reached at %.4g/s: connect() gets slow", plan.SlowRate)},
			{At: 1, Label: fmt.Sprintf("wall, reached at %.4g/s: connect() fails", plan.WallRate), Colour: chart.Red},
		},
	}
}

// planCurves has the points up to the rate where the axis ends.
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
