package cli

import (
	"context"
	"time"

	"portrange/internal/host"
	"portrange/internal/simulate"
)

// probePorts bounds the measurement of connect() to about a second.
const probePorts = 4000

// measureCost measures what connect() takes on this kernel.
func measureCost(ctx context.Context) (*host.ConnectCost, error) {
	measured, err := simulate.ConnectCost(ctx, probePorts, simulate.Established)
	if err != nil {
		return nil, err
	}
	cost := &host.ConnectCost{Ports: measured.Ports, Failing: microseconds(measured.Failing.P50)}
	// Worth a number are shares well below one half and just below it, just past
	// it, and near the wall.
	for _, share := range []float64{0.1, 0.45, 0.55, 0.85} {
		for _, step := range measured.Steps {
			if step.From <= share && share < step.To {
				cost.Steps = append(cost.Steps, host.CostStep{Share: share, Took: microseconds(step.P50)})
			}
		}
	}
	return cost, nil
}

func microseconds(n float64) time.Duration { return time.Duration(n * float64(time.Microsecond)) }
