package capacity

import (
	"cmp"
	"fmt"
	"time"

	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/port"
)

// Load is a number of connections a second, and what becomes of each.
type Load struct {
	// Rate is new connections per second, to all destinations together.
	Rate float64 `json:"rate" doc:"new connections per second, all tuples together"`
	// Hold is for how many seconds a connection is open, on average.
	Hold float64 `json:"hold_seconds" doc:"how long a connection is open"`
	// ClientCloses is the share of connections, from 0 to 1, that the client
	// closes first. It then has the TIME_WAIT.
	ClientCloses float64 `json:"client_closes" doc:"share of the connections that the client closes first, 0 to 1"`
	// Destinations are address:port pairs that share the load evenly.
	Destinations int `json:"destinations" doc:"address:port pairs that share the load"`
	// Sources are local addresses that share the load evenly.
	Sources int `json:"sources" doc:"local addresses that share the load"`
	// TWReuse is tcp_tw_reuse: 0 off, 1 on, 2 loopback only.
	TWReuse int `json:"tcp_tw_reuse" doc:"0 off, 1 on, 2 loopback only"`
	// TWReuseDelayMS is tcp_tw_reuse_delay.
	TWReuseDelayMS int64 `json:"tcp_tw_reuse_delay_ms" doc:"after so many ms without a packet a TIME_WAIT port may be taken over"`
	// NoTimestamps says that tcp_timestamps is 0, without which TWReuse does
	// nothing.
	NoTimestamps bool `json:"no_timestamps" doc:"whether tcp_timestamps is 0, without which tcp_tw_reuse does nothing"`
	// Loopback says that the destinations are on the host itself.
	Loopback bool `json:"loopback" doc:"whether the destinations are on the host itself"`
}

// Limits beyond which an input is a mistake rather than a load.
const (
	maxRate  = 1e8
	maxHold  = 366 * 24 * 3600
	maxCount = 1e6
)

// Check explains what is wrong with the load, the first of it.
func (l *Load) Check() error {
	err := cmp.Or(
		checkNumber("rate", l.Rate, maxRate, "connections per second"),
		checkNumber("hold", l.Hold, maxHold, "seconds, a year at most"),
		checkCount("destinations", l.Destinations),
		checkCount("sources", l.Sources),
	)
	longest := port.TimeWaitLength.Milliseconds()
	switch {
	case err != nil:
		return err
	case !(l.ClientCloses >= 0 && l.ClientCloses <= 1): // NaN too
		return fmt.Errorf("share of connections that the client closes first %v: want 0 to 1", l.ClientCloses)
	case l.TWReuse < judge.ReuseOff || l.TWReuse > judge.ReuseLoopback:
		return fmt.Errorf("tcp_tw_reuse %d: want %d (off), %d (on) or %d (loopback only)",
			l.TWReuse, judge.ReuseOff, judge.ReuseOn, judge.ReuseLoopback)
	case l.TWReuseDelayMS < 1 || l.TWReuseDelayMS > longest:
		return fmt.Errorf("tcp_tw_reuse_delay %d: want milliseconds from 1 to %d", l.TWReuseDelayMS, longest)
	}
	return nil
}

func checkNumber(name string, value, most float64, unit string) error {
	if value > 0 && value <= most { // not so for NaN
		return nil
	}
	return fmt.Errorf("%s %v: want a number above 0 and up to %.0f (%s)", name, value, most, unit)
}

func checkCount(name string, n int) error {
	if n >= 1 && n <= maxCount {
		return nil
	}
	return fmt.Errorf("%s %d: want a whole number from 1 to %.0f", name, n, maxCount)
}

// Tuples is the number of pools the load draws on.
func (l *Load) Tuples() int { return l.Destinations * l.Sources }

// TupleRate is new connections per second and tuple. Where each connection picks
// its tuple at random the arrivals of a tuple are Poisson again.
func (l *Load) TupleRate() float64 { return l.Rate / float64(l.Tuples()) }

// reuse are the rules of TIME_WAIT for the load.
func (l *Load) reuse() judge.Reuse {
	return judge.Reuse{Mode: l.TWReuse, Delay: time.Duration(l.TWReuseDelayMS) * time.Millisecond, Timestamps: !l.NoTimestamps}
}

// Reuses reports whether connect() may take over a port that a connection of the
// load left in TIME_WAIT.
func (l *Load) Reuses() bool { return l.reuse().Lasts(l.Loopback) }

// Under are the host's settings that matter to the load.
func (l *Load) Under(settings *host.Settings) {
	reuse := judge.ReuseUnder(settings)
	l.TWReuse, l.TWReuseDelayMS, l.NoTimestamps = reuse.Mode, reuse.Delay.Milliseconds(), !reuse.Timestamps
}

// Lingers is for how many seconds a port stays withheld after the client has
// closed first. A reusable port is not released, but it is not in the way
// either: connect() takes it over as it takes a free one.
func (l *Load) Lingers() float64 { return l.reuse().Kept(l.Loopback).Seconds() }

// Blocks is for how many seconds a connection withholds its port from the
// others of its tuple, on average.
func (l *Load) Blocks() float64 { return l.Hold + l.ClientCloses*l.Lingers() }

// Mean is the average number of ports that a tuple's connections withhold.
func (l *Load) Mean() float64 { return l.TupleRate() * l.Blocks() }
