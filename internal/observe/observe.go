// Package observe measures the load of a live host: how many connections a
// second begin to each destination, how long they last, and who closes them.
//
// It takes samples one after the other and has package capacity compare them;
// what samples can tell and what not is written there, at [capacity.Watch]. The
// kernel's own count of connections opened stands beside the result, so that
// what went unseen between two samples is a number, not a guess.
package observe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"portrange/internal/capacity"
	"portrange/internal/host"
	"portrange/internal/kernel/sockstat"
	"portrange/internal/sample"
)

// Live is what was measured of one network namespace.
type Live struct {
	NetNS   uint64  `json:"netns"`
	Name    string  `json:"name"`
	Ref     string  `json:"-"`               // what --netns takes for it
	Elapsed float64 `json:"elapsed_seconds"` // between the first sample and the last
	Samples int     `json:"samples"`
	// Opened is how many connections the kernel counts as opened meanwhile, Seen
	// how many of them the samples show among Tuples.
	Opened int `json:"opened"`
	Seen   int `json:"seen"`
	// Tuples are those that used ports of the range, the busiest first.
	Tuples []capacity.Observed `json:"tuples"`

	Ports    capacity.Ports `json:"-"`
	Settings host.Settings  `json:"-"`
	Gaps     []host.Gap     `json:"-"`
}

// Sampler gives snapshots; [sample.Sampler] is one.
type Sampler interface {
	Snapshot(ctx context.Context, targets []sample.Namespace) (*host.State, error)
}

// The lengths of a measurement.
const (
	MinLength = time.Second
	MaxLength = time.Hour
)

// steps is how many times a measurement is sampled, as long as that is neither
// more often than every shortStep nor less than every longStep.
const (
	steps     = 30
	shortStep = 200 * time.Millisecond
	longStep  = 2 * time.Second
)

// Run measures the target for a length of time.
func Run(ctx context.Context, sampler Sampler, target sample.Namespace, length time.Duration) (*Live, error) {
	if length < MinLength || length > MaxLength {
		return nil, fmt.Errorf("measure the load for %v: want a time from %v to %v", length, MinLength, MaxLength)
	}
	r := &run{sampler: sampler, target: target, live: &Live{NetNS: target.ID, Name: target.Name}}
	if err := r.measure(ctx, length, min(max(length/steps, shortStep), longStep)); err != nil {
		return nil, err
	}
	return r.result(), nil
}

// run is a measurement on its way.
type run struct {
	sampler Sampler
	target  sample.Namespace
	watch   capacity.Watch
	live    *Live
}

func (r *run) measure(ctx context.Context, length, step time.Duration) error {
	ticks := time.NewTicker(step)
	defer ticks.Stop()
	before, err := r.opened()
	if err != nil {
		return err
	}
	for end := time.Now().Add(length); ; {
		if err := r.sample(ctx); err != nil {
			return err
		}
		if !time.Now().Before(end) && r.live.Samples > 1 {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticks.C:
		}
	}
	after, err := r.opened()
	r.live.Opened = after - before
	return err
}

// opened is the kernel's count of connections opened in the target.
func (r *run) opened() (int, error) {
	var stats sockstat.Stats
	err := r.target.Do(func() (err error) {
		stats, err = sockstat.Read()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("count connections opened: %w", err)
	}
	return stats.Opened, nil
}

func (r *run) sample(ctx context.Context) error {
	snapshot, err := r.sampler.Snapshot(ctx, []sample.Namespace{r.target})
	if err != nil {
		return err
	}
	if len(snapshot.Namespaces) == 0 {
		return errors.New("measure the load: the network namespace is gone")
	}
	ns := &snapshot.Namespaces[0]
	r.watch.Add(snapshot.TakenAt, ns)
	r.live.Samples++
	r.live.Ref, r.live.Settings, r.live.Ports = ns.Ref, ns.Settings, capacity.PortsOf(ns)
	for _, gap := range snapshot.Gaps {
		if !slices.Contains(r.live.Gaps, gap) {
			r.live.Gaps = append(r.live.Gaps, gap)
		}
	}
	return nil
}

func (r *run) result() *Live {
	r.live.Elapsed = r.watch.Elapsed().Seconds()
	r.live.Tuples = r.watch.Observed()
	for i := range r.live.Tuples {
		r.live.Seen += r.live.Tuples[i].New
	}
	return r.live
}

// Plan holds the load of each tuple, which goes on as measured, against ports.
// Tuples without new connections need no plan.
func (l *Live) Plan(ports capacity.Ports, confidence float64) error {
	for i := range l.Tuples {
		o := &l.Tuples[i]
		if o.New == 0 {
			continue
		}
		plan, err := capacity.Make(o.Load(&l.Settings), ports, confidence)
		if err != nil {
			return fmt.Errorf("plan for %s: %w", o.Remote, err)
		}
		o.Plan = plan
	}
	return nil
}
