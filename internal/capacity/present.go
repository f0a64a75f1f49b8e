package capacity

import (
	"math"
	"time"

	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/port"
)

// Present is one pool as it is drawn on now: what predictions about it start
// from.
type Present struct {
	Size int // ports of the pool
	Open int // of them in connections that are not in TIME_WAIT
	// Waiting are in TIME_WAIT, whether or not connect() may take them over.
	Waiting int
	// Rate is how many connections a second this side closes first, each of which
	// leaves a port in TIME_WAIT: the measured rate or, where less was measured, what
	// the ports in TIME_WAIT show, as each stays there for 60 s or may not be taken over
	// so soon. A pool that is full hides the demand that it refuses.
	Rate float64
	// Kept is how long such a port is withheld.
	Kept time.Duration
}

// PresentOf is a pool of a namespace. closedHere is the measured number of
// connections a second that this side closed first, 0 where none was measured.
func PresentOf(ns *host.Namespace, pool *judge.Pool, closedHere float64) Present {
	p := Present{
		Size: pool.Size, Waiting: pool.In(port.TimeWait),
		Kept: judge.Kept(ns, pool.Tuple),
	}
	p.Open = pool.Used - p.Waiting
	if p.Waiting > 0 {
		p.Rate = max(closedHere, float64(p.Waiting)/port.TimeWaitLength.Seconds(), judge.Closing(ns, pool))
	}
	return p
}

// HalfRate is the highest rate at which a pool of another size stays below its half,
// in connections a second that this side closes first.
func (p Present) HalfRate(size int) float64 {
	return max(0, judge.SlowRatio*float64(size)-float64(p.Open)) / p.Kept.Seconds()
}

// ToHalf is how long it takes at the present rate until half of a pool of another
// size is in use; 0 where it stays below.
func (p Present) ToHalf(size int) time.Duration {
	if p.Rate <= p.HalfRate(size) {
		return 0
	}
	seconds := (judge.SlowRatio*float64(size) - float64(p.Open+p.Waiting)) / p.Rate
	return max(time.Second, time.Duration(seconds*float64(time.Second)))
}

// Remedy is what an action does to a pool. The zero value of each field leaves
// that as it is.
type Remedy struct {
	Size    int           // ports of the pool
	Kept    time.Duration // how long a port stays withheld after this side closed
	Freed   int           // connections that end
	Sources int           // source addresses that share the connections
	Pooled  bool          // connections are kept open and used again, not closed
}

// With predicts the pool after a remedy, at the present rate.
func (p Present) With(c Remedy) *finding.Effect {
	size, kept := p.Size, p.Kept
	if c.Size > 0 {
		size = c.Size
	}
	if c.Kept > 0 {
		kept = c.Kept
	}
	used := float64(p.Open-c.Freed) + p.Rate*kept.Seconds()
	if c.Pooled {
		used = float64(max(p.Open-c.Freed, 1))
	}
	used = min(used/float64(max(c.Sources, 1)), float64(size))
	effect := &finding.Effect{Size: size, Left: size - ceil(used), Share: math.Round(1e4*share(ceil(used), size)) / 1e4}
	if p.Rate > 0 {
		effect.Rate = p.Rate
		if !c.Pooled {
			effect.Ceiling = float64(size*max(c.Sources, 1)) / kept.Seconds()
		}
	}
	return effect
}
