package judge

import (
	"net/netip"
	"slices"

	"portrange/internal/host"
	"portrange/internal/port"
)

// Way is where a socket connects to after it was bound.
type Way struct {
	Remote netip.AddrPort
	// Sources are the addresses that it may connect from: its own one, or where it is
	// bound to all those that routing gives it.
	Sources []netip.Addr
}

// LeftBound judges bind() to port 0 with connect() after it, or connect() of UDP,
// which binds by itself. It is [LeftLocal] but for sockets with SO_REUSEADDR where
// ip_autobind_reuse is on: when no port is left otherwise, bind() gives them one of
// another such socket, as if there was no end of them, and connect() fails where the
// port is connected to that destination already (__inet_check_established,
// net/ipv4/inet_hashtables.c).
func LeftBound(ns *host.Namespace, asker *Asker, way Way) LocalPool {
	r, m := newRulesWithin(ns, asker.within(ns.Settings.Range)), newMeeting(asker, ns)
	pool := r.localPool(asker)
	if asker.Proto == port.TCP && m.relaxed && asker.Reuse {
		r.share(&pool, &m, way)
		return pool
	}
	taken, _ := r.taken(&m)
	free := r.open.Clone()
	free.Subtract(taken)
	pool.bar(steps(free, asker.Barred, r.bindPass(asker)))
	return pool
}

// share counts what sockets that share ports may connect to.
func (r *rules) share(pool *LocalPool, m *meeting, way Way) {
	blocked := &port.Set{}
	for _, source := range way.Sources {
		tuple := port.Tuple{Proto: port.TCP, Local: source, Remote: way.Remote, Device: m.Device}
		for _, same := range r.sameTuples(tuple) {
			if ports := r.ns.Usage.Bindings[same]; ports != nil {
				ports.AddTo(blocked)
			}
		}
		r.met(tuple).addLasting(blocked)
	}
	found := r.autobind(m, blocked)
	if m.sharesWithItself() {
		found.findOwn()
	}
	pool.Endless, pool.PerhapsEndless = false, false
	pool.ErrorBound = max(pool.ErrorBound, r.parityBound(m.Asker, found.free.Contains))
	pool.Shared = reached(slices.Concat(found.alone, found.shared)) - reached(found.alone)
	pool.Left = found.free.Len() + pool.Shared
	pool.Used = pool.Size - pool.Left
	pool.Remote = way.Remote.String()
	pool.bar(found.alone)
	if pool.Shared > 0 {
		pool.fewer(pool.Shared, DoubtShared)
	}
}

// autobind is the search of bind() with ip_autobind_reuse. It takes a port that is
// free first. Then it takes one of those that may be shared, in the first pass in
// which there is any, wherever it comes by first: at random.
type autobind struct {
	free *port.Set
	// alone are the passes over free ports, shared those over ports that others have.
	// One on which the tuple is taken is stuck.
	alone, shared []step
}

func (r *rules) autobind(m *meeting, blocked *port.Set) autobind {
	strict := *m
	strict.relaxed = false
	shareable, _ := r.taken(&strict)
	free := r.open.Clone()
	free.Subtract(shareable)
	taken, _ := r.taken(m)
	shareable.Subtract(taken)
	if m.Barred != nil {
		blocked.Union(m.Barred)
	}
	in := r.bindPass(m.Asker)
	return autobind{free, steps(free, m.Barred, in), steps(shareable, blocked, in)}
}

// findOwn has the search find the ports again that it took before.
func (a *autobind) findOwn() {
	for i := range a.shared {
		if a.alone[i].good+a.shared[i].good > 0 {
			a.shared[i].stuck++
		}
	}
}

// addLasting adds the ports whose tuple nobody takes over that has its port by then:
// all but those in TIME_WAIT with timestamps (tcp_twsk_unique, net/ipv4/tcp_ipv4.c).
func (m met) addLasting(set *port.Set) {
	for _, g := range m {
		for i := range g.States {
			ports := &g.States[i].Ports
			if g.States[i].State == port.TimeWait {
				ports = &g.Unstamped
			}
			ports.AddTo(set)
		}
	}
}
