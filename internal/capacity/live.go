package capacity

import (
	"cmp"
	"slices"
	"time"

	"portrange/internal/host"
	"portrange/internal/port"
)

// Watch estimates the load of each tuple of a namespace from samples of its
// sockets. What two samples can tell, and what they cannot:
//
//   - A port that is in use in the second and was not in the first is a new
//     connection. One that began and ended in between goes unseen, unless it
//     left its port in TIME_WAIT: so where the client closes first none is
//     missed in less than 60 s, where the server does those shorter than the time
//     between samples are.
//   - A connection that was open and is in TIME_WAIT was closed by the client
//     first, one that is gone by the server, or reset.
//   - How long connections last no sample tells. It follows from Little's law,
//     open on average = rate × duration, as long as the load is steady.
//   - A port whose connection ended and which a new one took in between looks
//     like one connection that lasts.
//
// So samples close to each other tell more. The zero Watch is ready to use.
type Watch struct {
	first, last time.Time
	samples     int
	tuples      map[port.Tuple]*track
}

// track is one tuple over time.
type track struct {
	open, waiting *port.Set // in the latest sample
	opened        int       // connections first seen after the first sample
	byClient      int
	byServer      int
	sumOpen       int
	sumWaiting    int
}

// Add takes in one sample, later than those before.
func (w *Watch) Add(at time.Time, ns *host.Namespace) {
	if w.samples == 0 {
		w.first, w.tuples = at, map[port.Tuple]*track{}
	}
	ports := PortsOf(ns)
	usable := ports.usable()
	for tuple, uses := range ns.Usage.Tuples {
		if _, known := w.tuples[tuple]; !known && uses.CountIn(usable) > 0 {
			w.tuples[tuple] = &track{open: &port.Set{}, waiting: &port.Set{}}
		}
	}
	for tuple, t := range w.tuples {
		t.add(ns.Usage.Tuples[tuple], usable, w.samples == 0)
	}
	w.last = at
	w.samples++
}

// add compares one tuple's ports with those of the sample before. uses is nil
// where the tuple has none any more.
func (t *track) add(uses *host.TupleUsage, usable *port.Set, first bool) {
	open, waiting := split(uses, usable)
	if !first {
		fresh := open.Clone()
		fresh.Subtract(t.open)
		passed := waiting.Clone() // opened and closed since
		passed.Subtract(t.open)
		passed.Subtract(t.waiting)
		gone := t.open.Clone()
		gone.Subtract(open)
		gone.Subtract(waiting)
		t.opened += fresh.Len() + passed.Len()
		t.byClient += passed.Len() + t.open.CountIn(waiting)
		t.byServer += gone.Len()
	}
	t.open, t.waiting = open, waiting
	t.sumOpen += open.Len()
	t.sumWaiting += waiting.Len()
}

// split tells ports of connections from ports in TIME_WAIT.
func split(uses *host.TupleUsage, usable *port.Set) (open, waiting *port.Set) {
	open, waiting = &port.Set{}, &port.Set{}
	if uses == nil {
		return open, waiting
	}
	for i := range uses.States {
		into := open
		if uses.States[i].State == port.TimeWait {
			into = waiting
		}
		uses.States[i].Ports.AddTo(into)
	}
	open.Intersect(usable)
	waiting.Intersect(usable)
	return open, waiting
}

// Observed is the load of one tuple as samples show it.
type Observed struct {
	Tuple  port.Tuple `json:"-"`
	Local  string     `json:"local"`
	Remote string     `json:"remote"`
	// New is how many connections began, Rate how many a second.
	New  int     `json:"new_connections"`
	Rate float64 `json:"rate"`
	// Open and TimeWait are averages over the samples.
	Open     float64 `json:"open"`
	TimeWait float64 `json:"time_wait"`
	// Hold follows from Open and Rate; 0 where no connection began.
	Hold float64 `json:"hold_seconds"`
	// ByClient and ByServer are how many connections each side closed first.
	ByClient int `json:"closed_by_client"`
	ByServer int `json:"closed_by_server"`
	// Plan is what this load needs; nil where no connection began.
	Plan *Plan `json:"plan"`
}

// Elapsed is the time between the first sample and the last.
func (w *Watch) Elapsed() time.Duration { return w.last.Sub(w.first) }

// Observed are the tuples that used ports of the range, the busiest first.
func (w *Watch) Observed() []Observed {
	list := make([]Observed, 0, len(w.tuples))
	for tuple, t := range w.tuples {
		list = append(list, w.observed(tuple, t))
	}
	slices.SortFunc(list, func(a, b Observed) int {
		return cmp.Or(cmp.Compare(b.Rate, a.Rate), cmp.Compare(b.Open+b.TimeWait, a.Open+a.TimeWait),
			cmp.Compare(a.Remote, b.Remote), cmp.Compare(a.Local, b.Local))
	})
	return list
}

func (w *Watch) observed(tuple port.Tuple, t *track) Observed {
	o := Observed{
		Tuple: tuple, Local: tuple.Local.String(), Remote: tuple.Remote.String(), New: t.opened,
		Open: float64(t.sumOpen) / float64(w.samples), TimeWait: float64(t.sumWaiting) / float64(w.samples),
		ByClient: t.byClient, ByServer: t.byServer,
	}
	if seconds := w.Elapsed().Seconds(); seconds > 0 && t.opened > 0 {
		o.Rate = float64(t.opened) / seconds
		o.Hold = o.Open / o.Rate
	}
	return o
}

// shortestHold is what an observed connection lasts at least, in seconds: in
// no sample may one of them be open.
const shortestHold = 0.001

// Load is the observed load under the given settings. Without a close seen, the
// client counts as the side that closes first, which needs more ports.
func (o *Observed) Load(settings *host.Settings) Load {
	share := 1.0
	if closed := o.ByClient + o.ByServer; closed > 0 {
		share = float64(o.ByClient) / float64(closed)
	}
	load := Load{
		Rate: o.Rate, Hold: max(o.Hold, shortestHold), ClientCloses: share, Destinations: 1, Sources: 1,
		Loopback: o.Tuple.Local.IsLoopback() || o.Tuple.Remote.Addr().IsLoopback(),
	}
	load.Under(settings)
	return load
}
