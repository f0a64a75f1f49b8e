package capacity

import (
	"cmp"
	"slices"
	"time"

	"portrange/internal/host"
	"portrange/internal/judge"
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
	latest     *host.TupleUsage // in the latest sample, nil where it had no port
	turnover   judge.Turnover   // since the first sample
	sumOpen    int
	sumWaiting int
}

// Add takes in one sample, later than those before.
func (w *Watch) Add(at time.Time, ns *host.Namespace) {
	if w.samples == 0 {
		w.first, w.tuples = at, map[port.Tuple]*track{}
	}
	ports := judge.PortsOf(ns)
	usable := ports.Usable()
	for tuple, usage := range ns.Usage.Tuples {
		if _, known := w.tuples[tuple]; !known && usage.CountIn(usable) > 0 {
			w.tuples[tuple] = &track{}
		}
	}
	for tuple, t := range w.tuples {
		usage := ns.Usage.Tuples[tuple] // nil where the tuple has no port any more
		if w.samples > 0 {
			since := judge.Compare(t.latest, usage, usable)
			t.turnover.Opened += since.Opened
			t.turnover.ClosedHere += since.ClosedHere
			t.turnover.ClosedAway += since.ClosedAway
		}
		open, waiting := judge.Split(usage, usable)
		t.latest = usage
		t.sumOpen += open.Len()
		t.sumWaiting += waiting.Len()
	}
	w.last = at
	w.samples++
}

// Observed is the load of one tuple as samples show it.
type Observed struct {
	Tuple  port.Tuple `json:"-"`
	Local  string     `json:"local" doc:"local address"`
	Remote string     `json:"remote" doc:"remote address:port"`
	// New is how many connections began, Rate how many a second.
	New  int     `json:"new_connections" doc:"connections that began between the first sample and the last"`
	Rate float64 `json:"rate" doc:"the same per second"`
	// Open and TimeWait are averages over the samples.
	Open     float64 `json:"open" doc:"connections open, on average"`
	TimeWait float64 `json:"time_wait" doc:"ports in TIME_WAIT, on average"`
	// Hold follows from Open and Rate; 0 where no connection began.
	Hold float64 `json:"hold_seconds" doc:"how long a connection lasts on average: open / rate (Little's law); 0 where none began"`
	// ByClient and ByServer are how many connections each side closed first.
	ByClient int `json:"closed_by_client" doc:"connections that the client closed first"`
	ByServer int `json:"closed_by_server" doc:"connections that the server closed first, or that were reset"`
	// Plan is what this load needs; nil where no connection began.
	Plan *Plan `json:"plan" doc:"what this load needs, with the fields of plan --json but schema_version, simulation and gaps; null where no connection began" see:"plan"`
}

// Elapsed is the time between the first sample and the last.
func (w *Watch) Elapsed() time.Duration { return w.last.Sub(w.first) }

// Observed are the tuples that used ports of the range, the busiest first.
func (w *Watch) Observed() []Observed {
	list := make([]Observed, 0, len(w.tuples))
	for tuple, t := range w.tuples {
		o := Observed{
			Tuple: tuple, Local: tuple.Local.String(), Remote: tuple.Remote.String(), New: t.turnover.Opened,
			Open: float64(t.sumOpen) / float64(w.samples), TimeWait: float64(t.sumWaiting) / float64(w.samples),
			ByClient: t.turnover.ClosedHere, ByServer: t.turnover.ClosedAway,
		}
		if seconds := w.Elapsed().Seconds(); seconds > 0 && o.New > 0 {
			o.Rate = float64(o.New) / seconds
			o.Hold = o.Open / o.Rate
		}
		list = append(list, o)
	}
	slices.SortFunc(list, func(a, b Observed) int {
		return cmp.Or(cmp.Compare(b.Rate, a.Rate), cmp.Compare(b.Open+b.TimeWait, a.Open+a.TimeWait),
			cmp.Compare(a.Remote, b.Remote), cmp.Compare(a.Local, b.Local))
	})
	return list
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
		Loopback: judge.OnLoopback(o.Tuple),
	}
	load.Under(settings)
	return load
}
