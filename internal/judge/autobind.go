package judge

import (
	"cmp"
	"maps"
	"slices"

	"portrange/internal/host"
	"portrange/internal/port"
)

// Autobind is what ip_autobind_reuse would do for the connections that called bind()
// before connect().
type Autobind struct {
	// Tuple is the one that most of these connections have, one for each port.
	Tuple port.Tuple
	// Gain is how many more connections to it would get a port when no port is free,
	// Tried the ports that bind() would choose them from at random.
	Gain, Tried int
}

// Helps reports whether bind() would choose a port that can be connected as often as
// not.
func (a *Autobind) Helps() bool { return a.Gain > 0 && 2*a.Gain >= a.Tried }

// AutobindIn judges the namespace as if ip_autobind_reuse were switched on, for
// sockets with SO_REUSEADDR. There is nothing to gain where it is on already, where
// the kernel does not know it, and from sockets that do not have SO_REUSEADDR, or of
// which that does not show.
func AutobindIn(ns *host.Namespace) Autobind {
	if !ns.Settings.HasAutobindReuse || ns.Settings.AutobindReuse {
		return Autobind{}
	}
	ports := map[port.Tuple]*port.Set{}
	for p := range BoundPorts(ns).All() {
		tuple, found := ns.Usage.OfBound(p)
		if !found {
			continue
		}
		if ports[tuple] == nil {
			ports[tuple] = &port.Set{}
		}
		ports[tuple].Add(p)
	}
	if len(ports) == 0 {
		return Autobind{}
	}
	most := slices.MaxFunc(slices.Collect(maps.Keys(ports)), func(a, b port.Tuple) int {
		return cmp.Or(cmp.Compare(ports[a].Len(), ports[b].Len()), compareTuples(b, a))
	})
	asker := NewAsker(ns, port.TCP, most.Local)
	asker.Device, asker.Reuse = most.Device, true
	return newRules(ns).gain(&asker, most, ports[most])
}

// gain counts what is left to a tuple, of which ports are bound, when none is free.
func (r *rules) gain(asker *Asker, tuple port.Tuple, ports *port.Set) Autobind {
	m := newMeeting(asker, r.ns)
	m.relaxed = true
	blocked := ports.Clone()
	r.met(tuple).addLasting(blocked)
	search := r.autobind(&m, blocked)
	for i, shared := range search.shared {
		if tried := search.alone[i].good + shared.good + shared.stuck; tried > 0 {
			return Autobind{Tuple: tuple, Gain: shared.good, Tried: tried}
		}
	}
	return Autobind{}
}
