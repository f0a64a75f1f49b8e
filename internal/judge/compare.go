package judge

import (
	"portrange/internal/host"
	"portrange/internal/port"
)

// Turnover is what became of the connections of one tuple between two looks.
//
// A port that is in use at the second look and was not at the first is a new
// connection, and so is one that left TIME_WAIT for a state that only a new
// connection has. A connection that was open and is in TIME_WAIT was closed by
// this side first; one that is gone was closed by the other side, or reset. What
// began and ended in between, TIME_WAIT included, goes unseen.
type Turnover struct {
	Opened     int
	ClosedHere int
	ClosedAway int
}

// Compare tells the turnover of one tuple on the given ports. before and now
// are nil where the tuple had no socket.
func Compare(before, now *host.TupleUsage, on *port.Set) Turnover {
	wasOpen, wasWaiting := Split(before, on)
	isOpen, isWaiting := Split(now, on)
	began := isOpen.Clone()
	began.Subtract(wasOpen)
	passed := isWaiting.Clone() // opened and closed since
	passed.Subtract(wasOpen)
	passed.Subtract(wasWaiting)
	gone := wasOpen.Clone()
	gone.Subtract(isOpen)
	gone.Subtract(isWaiting)
	return Turnover{
		Opened:     began.Len() + passed.Len(),
		ClosedHere: passed.Len() + wasOpen.CountIn(isWaiting),
		ClosedAway: gone.Len(),
	}
}

// Split tells the ports of connections from those in TIME_WAIT.
func Split(usage *host.TupleUsage, on *port.Set) (open, waiting *port.Set) {
	open, waiting = &port.Set{}, &port.Set{}
	if usage == nil {
		return open, waiting
	}
	for i := range usage.States {
		into := open
		if usage.States[i].State == port.TimeWait {
			into = waiting
		}
		usage.States[i].Ports.AddTo(into)
	}
	open.Intersect(on)
	waiting.Intersect(on)
	return open, waiting
}
