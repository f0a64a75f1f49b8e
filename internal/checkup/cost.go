package checkup

import (
	"context"
	"time"

	"portrange/internal/doctor"
	"portrange/internal/simulate"
)

// probePorts bounds the measurement of connect() to about a second.
const probePorts = 4000

// probeShares are the shares of the pool in use that are worth a number: well
// below one half and just below it, just past it, and near the wall.
func probeShares() []float64 { return []float64{0.1, 0.45, 0.55, 0.85} }

// cost measures what connect() takes, once for all namespaces.
func (r *run) cost(ctx context.Context) error {
	if !r.options.Probe {
		return nil
	}
	measured, err := simulate.ConnectCost(ctx, probePorts, simulate.Established)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		r.gap("what connect() takes", 0, err)
		return nil
	}
	cost := &doctor.Cost{Ports: measured.Ports, Failing: microseconds(measured.Failing.P50)}
	for _, share := range probeShares() {
		for _, step := range measured.Steps {
			if step.From <= share && share < step.To {
				cost.Steps = append(cost.Steps, doctor.Step{Share: share, Took: microseconds(step.P50)})
			}
		}
	}
	for i := range r.facts.Namespaces {
		r.facts.Namespaces[i].Cost = cost
	}
	return nil
}

func microseconds(n float64) time.Duration { return time.Duration(n * float64(time.Microsecond)) }
