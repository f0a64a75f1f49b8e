package capacity

import (
	"cmp"
	"fmt"

	"portrange/internal/judge"
	"portrange/internal/port"
)

// Verdict says how a load and a pool go together.
type Verdict string

// The verdicts.
const (
	// Fits: the ports needed are of the parity that connect() tries first.
	Fits Verdict = "fits"
	// Slow: there are enough ports, but connect() searches half of the range
	// and more before it finds one.
	Slow Verdict = "slow"
	// Short: the ports needed are more than there are.
	Short Verdict = "short"
)

// Plan is a load held against the ports there are.
type Plan struct {
	Load Load        `json:"load"`
	Pool judge.Count `json:"pool"`
	// Confidence is the probability, at any one moment, that no more than
	// Needed ports are withheld.
	Confidence float64 `json:"confidence" doc:"probability at any one moment that needed ports are enough"`
	// Tuples is the number of pools that share the load evenly.
	Tuples int `json:"tuples" doc:"pools that share the load: destinations x sources"`
	// TupleRate is new connections per second for each of them.
	TupleRate float64 `json:"tuple_rate" doc:"new connections per second for each"`
	// Blocks is for how many seconds one connection withholds its port.
	Blocks float64 `json:"blocked_seconds" doc:"for how long a connection withholds its port, on average"`
	Need
	Verdict Verdict `json:"verdict" doc:"fits (needed <= half), slow (needed <= usable) or short"`
	// SlowRate and WallRate are the largest rates, all tuples together, that
	// stay below the half and below the wall at the same confidence.
	SlowRate float64 `json:"slow_rate" doc:"largest rate, all tuples together, with needed <= half"`
	WallRate float64 `json:"wall_rate" doc:"largest rate with needed <= usable"`
	// Also is what the same load takes of other things, on average.
	Also Also `json:"also"`
	// Levers are the least changes that would do, the easiest first; none where
	// the load fits.
	Levers []Lever `json:"levers" doc:"what would do, each alone and all else as planned; none where the load fits"`

	Ports judge.Ports `json:"-"`
}

// Need is the ports of one tuple that are withheld from further connections.
type Need struct {
	// Mean is their average, Needed their percentile.
	Mean   float64 `json:"mean" doc:"ports of each tuple withheld, on average"`
	Needed int     `json:"needed" doc:"the same with the stated confidence"`
	// Share is Needed of the usable ports.
	Share float64 `json:"share" doc:"needed / usable"`
	// Lost is the share of connect() calls that would fail for want of a port.
	Lost float64 `json:"lost" doc:"share of the connect() calls that find no port"`
}

// Also is what runs out beside ports.
type Also struct {
	// OpenSockets are file descriptors of the client.
	OpenSockets int `json:"open_sockets" doc:"sockets the client has open, on average"`
	// TimeWait are sockets in TIME_WAIT; tcp_max_tw_buckets bounds them.
	TimeWait int `json:"time_wait" doc:"sockets in TIME_WAIT, unless tcp_tw_reuse takes them over before"`
}

// Confidence limits: below one half a percentile is no safety, and close to
// certainty the model, not the percentile, is what fails.
const (
	minConfidence = 0.5
	maxConfidence = 0.999999999
)

// Make holds the load against the ports. The error explains what is wrong with
// the input.
func Make(load Load, ports judge.Ports, confidence float64) (*Plan, error) {
	if err := cmp.Or(load.Check(), ports.Check()); err != nil {
		return nil, err
	}
	if !(confidence >= minConfidence && confidence <= maxConfidence) { // NaN too
		return nil, fmt.Errorf("confidence %v%%: want a percentage from 50%% up to 99.9999999%%; "+
			"no number of ports is enough for 100%%", confidence*100)
	}
	timeWait := load.Rate * load.ClientCloses * port.TimeWaitLength.Seconds() // while nothing takes them over
	plan := &Plan{
		Load: load, Pool: ports.Count(), Ports: ports, Confidence: confidence,
		Tuples: load.Tuples(), TupleRate: load.TupleRate(), Blocks: load.Blocks(),
		Also: Also{OpenSockets: ceil(load.Rate * load.Hold), TimeWait: ceil(timeWait)},
	}
	plan.Need = plan.need(load.Mean(), plan.Pool.Usable)
	plan.Verdict = verdictOf(plan.Pool, plan.Needed)
	perMean := load.Rate / load.Mean()
	plan.SlowRate = perMean * maxMean(plan.Pool.Half, confidence)
	plan.WallRate = perMean * maxMean(plan.Pool.Usable, confidence)
	plan.Levers = plan.levers()
	return plan, nil
}

func (p *Plan) need(mean float64, usable int) Need {
	needed := Needed(mean, p.Confidence)
	return Need{Mean: mean, Needed: needed, Share: share(needed, usable), Lost: Lost(mean, usable)}
}

// NeedAt is the need of the same load at another rate, all tuples together.
func (p *Plan) NeedAt(rate float64) Need {
	return p.need(p.Mean*rate/p.Load.Rate, p.Pool.Usable)
}

func verdictOf(pool judge.Count, needed int) Verdict {
	switch {
	case needed <= pool.Half:
		return Fits
	case needed <= pool.Usable:
		return Slow
	}
	return Short
}

func share(part, whole int) float64 {
	if whole == 0 {
		return 1
	}
	return float64(part) / float64(whole)
}
