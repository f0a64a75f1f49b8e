package simulate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"time"

	"portrange/internal/capacity"
	"portrange/internal/kernel/sysctl"
	"portrange/internal/port"
)

// Result is a simulated load beside its prediction.
type Result struct {
	Run       Run        `json:"run"`
	Predicted Prediction `json:"predicted"`
	Measured  Measured   `json:"measured"`
}

// Prediction is what the arithmetic says of the run.
type Prediction struct {
	// Peak is how many ports the fullest tuple withholds at most while it is
	// watched: the median, and between which numbers it is 99 times of 100.
	Peak     int `json:"peak" doc:"most ports of a tuple withheld at once, median"`
	PeakLow  int `json:"peak_low" doc:"0.5th percentile of it"`
	PeakHigh int `json:"peak_high" doc:"99.5th percentile"`
	// Lost is the share of connect() calls that find no port.
	Lost float64 `json:"lost" doc:"share of the connect() calls that find no port"`
}

// Measured is what the kernel did while it was watched, after the pools had
// filled.
type Measured struct {
	// Peak is the most ports that the kernel's sockets of one tuple withheld
	// from connect(), among Looks.
	Peak  int `json:"peak" doc:"most ports of a tuple withheld, by the kernel's list of sockets"`
	Looks int `json:"looks" doc:"how often that list was read"`
	// Calls of connect(), Failed of them with EADDRNOTAVAIL.
	Calls  int     `json:"calls" doc:"connect() calls"`
	Failed int     `json:"failed" doc:"those that found no port (EADDRNOTAVAIL)"`
	Lost   float64 `json:"lost" doc:"failed / calls"`
	// Connect is the latency of the calls that got a port, Failing of the others.
	Connect Latency `json:"connect"`
	Failing Latency `json:"failing"`
	// Pace is planned time / time taken: below 1, the machine was too busy to
	// keep up, and the run was slowed down, not thinned out.
	Pace float64 `json:"pace" doc:"planned / taken time; below 1 the machine was too busy, and latencies are higher for it"`
}

// maxTaken bounds a run on a machine that cannot keep up.
const maxTaken = 2 * time.Minute

var errBusy = fmt.Errorf("not done in %v: the machine is too busy, try again later", maxTaken)

// Simulate runs the plan's load within bounds, in a private network namespace
// with the planned settings, which takes root or CAP_SYS_ADMIN. The same seed
// gives the same arrivals.
func Simulate(ctx context.Context, plan *capacity.Plan, bounds Bounds, seed uint64) (*Result, error) {
	files, err := openFiles()
	if err != nil {
		return nil, fmt.Errorf("simulate a load: %w", err)
	}
	bounds.Ports = min(bounds.Ports, files/2)
	_, err = sysctl.Get(port.KeyTWReuseDelay)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("simulate a load: %w", err)
	}
	run, err := Scale(plan, bounds, err == nil)
	if err != nil {
		return nil, err
	}
	p := &play{Run: run, random: rand.New(rand.NewPCG(seed, seed))}
	bounded, cancel := context.WithTimeoutCause(ctx, maxTaken, errBusy)
	defer cancel()
	if err := privately(func() error { return p.perform(bounded) }); err != nil {
		return nil, fmt.Errorf("simulate a load: %w", err)
	}
	peak := func(p float64) int { return min(run.Usable, capacity.Peak(run.mean(), run.Tuples, p)) }
	predicted := Prediction{
		Peak: peak(0.5), PeakLow: peak(0.005), PeakHigh: peak(0.995),
		Lost: capacity.Lost(run.mean(), run.Usable),
	}
	measured := Measured{
		Peak: p.peak, Looks: p.looks, Calls: len(p.connects) + len(p.failures), Failed: len(p.failures),
		Connect: latencyOf(p.connects), Failing: latencyOf(p.failures), Pace: p.clock.pace(),
	}
	if measured.Calls > 0 {
		measured.Lost = float64(measured.Failed) / float64(measured.Calls)
	}
	return &Result{Run: *run, Predicted: predicted, Measured: measured}, nil
}
