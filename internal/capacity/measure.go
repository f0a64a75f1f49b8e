package capacity

import (
	"errors"
	"fmt"
	"time"

	"portrange/internal/host"
	"portrange/internal/judge"
)

// Live is what looks at a live host say of its load: how many connections a
// second begin to each destination, how long they last, and who closes them. The
// kernel's own count of connections opened stands beside that, so that what went
// unseen between two looks is a number, not a guess.
type Live struct {
	NetNS   uint64  `json:"netns" doc:"inode number of the network namespace"`
	Name    string  `json:"name" doc:"its name"`
	Ref     string  `json:"-"` // what --netns takes for it
	Elapsed float64 `json:"elapsed_seconds" doc:"time between the first sample and the last"`
	Samples int     `json:"samples" doc:"how many samples were taken"`
	// Opened is the kernel's count, Seen how many of them are among Tuples.
	Opened int        `json:"opened" doc:"connections opened meanwhile, by the kernel's count (Tcp: ActiveOpens)"`
	Seen   int        `json:"seen" doc:"those of them that samples show; the others began and ended between two samples, or used ports outside the range"`
	Tuples []Observed `json:"tuples" doc:"destinations that used ports of the range, the busiest first"`

	Ports    judge.Ports   `json:"-"`
	Settings host.Settings `json:"-"`
	Gaps     []host.Gap    `json:"-"`
}

// LiveWant is what a measurement has to look at.
const LiveWant = host.WantSockets | host.WantOpened

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

// Step is the time between two looks of a measurement of some length.
func Step(length time.Duration) (time.Duration, error) {
	if length < MinLength || length > MaxLength {
		return 0, fmt.Errorf("measure the load for %v: want a time from %v to %v", length, MinLength, MaxLength)
	}
	return min(max(length/steps, shortStep), longStep), nil
}

// Measure takes looks at one network namespace, by its inode number, a [Step]
// apart, until they cover the length.
func Measure(looks *host.Stream[*host.State], netns uint64, length time.Duration) (*Live, error) {
	step, err := Step(length)
	if err != nil {
		return nil, err
	}
	var watch Watch
	live, openedBefore := &Live{NetNS: netns}, 0
	for state := range looks.All() {
		ns := state.Find(netns)
		if ns == nil {
			return nil, errors.New("measure the load: the network namespace is gone")
		}
		if ns.Opened == nil {
			return nil, errors.New("measure the load: the kernel does not tell how many connections were opened")
		}
		if live.Samples == 0 {
			openedBefore = *ns.Opened
		}
		watch.Add(state.TakenAt, ns)
		live.Samples++
		live.Opened = *ns.Opened - openedBefore
		live.Name, live.Ref, live.Settings, live.Ports = ns.Name, ns.Ref, ns.Settings, judge.PortsOf(ns)
		live.Gaps = append(live.Gaps, state.Gaps...)
		if live.Samples > 1 && watch.Elapsed() > length-step/2 { // a look may come a moment early
			live.Elapsed, live.Tuples, live.Gaps = watch.Elapsed().Seconds(), watch.Observed(), host.Distinct(live.Gaps)
			for i := range live.Tuples {
				live.Seen += live.Tuples[i].New
			}
			return live, nil
		}
	}
	return nil, looks.Err()
}

// Plan holds the load of each tuple, which goes on as measured, against ports.
// Tuples without new connections need no plan.
func (l *Live) Plan(ports judge.Ports, confidence float64) error {
	for i := range l.Tuples {
		o := &l.Tuples[i]
		if o.New == 0 {
			continue
		}
		plan, err := Make(o.Load(&l.Settings), ports, confidence)
		if err != nil {
			return fmt.Errorf("plan for %s: %w", o.Remote, err)
		}
		o.Plan = plan
	}
	return nil
}
