package judge

import (
	"net/netip"

	"portrange/internal/host"
	"portrange/internal/port"
)

// BoundPorts are the open ports that connections took through bind(). With a
// listener on the same port, or several connections, they are accepted ones.
func BoundPorts(ns *host.Namespace) *port.Set {
	r := newRules(ns)
	bound := r.unserved(&ns.Usage.Bound)
	bound.Intersect(r.open)
	return bound
}

// DrawnOn reports whether something was seen to draw on a pool that all
// destinations share. Of UDP something always does; of TCP only bind(addr, 0),
// where a port of the range was taken so, listeners aside. Nothing shows a TCP
// socket that was bound to all addresses: connect() gives it one. So the pool of
// all of them, which several source addresses fill together, counts as idle.
func DrawnOn(ns *host.Namespace, pool *LocalPool) bool {
	r := newRules(ns)
	return r.drawsOn(pool)
}

func (r *rules) drawsOn(pool *LocalPool) bool {
	return pool.Proto == port.UDP.String() || !pool.forAll() && r.drawnOn()
}

func (r *rules) drawnOn() bool { return r.unserved(r.field(0).bindHeld).Len() > 0 }

// unserved are the ports without a listener and without several connections,
// which are a listener's.
func (r *rules) unserved(ports *port.Set) *port.Set {
	rest := ports.Clone()
	rest.Subtract(&r.ns.Usage.Listening)
	rest.Subtract(&r.ns.Usage.Served)
	return rest
}

// Owners are the processes that have connections of a tuple open, the one with most
// of them first; none where owners were not asked for.
func Owners(ns *host.Namespace, tuple port.Tuple) []Owner {
	r := newRules(ns)
	return r.owners(tuple)
}

// PortsFrom are the open ports that sockets on a local address have.
func PortsFrom(ns *host.Namespace, addr netip.Addr) *port.Set {
	ports := &port.Set{}
	for local, held := range ns.Usage.Locals {
		if local.Addr == addr {
			held.AddTo(ports)
		}
	}
	ports.Intersect(newRules(ns).open)
	return ports
}

// OwnersFrom are the processes with connections from a local address, the one with
// most of them first; none where owners were not asked for.
func OwnersFrom(ns *host.Namespace, addr netip.Addr) []Owner {
	used, r := map[host.Process]int{}, newRules(ns)
	for tuple := range ns.Usage.Tuples {
		if tuple.Local == addr {
			for _, owner := range r.owners(tuple) {
				used[owner.Process] += owner.Used
			}
		}
	}
	return ownersOf(used)
}

// HoldersOf are the processes that hold the open ports of a protocol which sockets took
// through bind() or, of UDP, have at all: what is in the way of a pool that all
// destinations share. A port that several hold counts for the first. There are none
// where holds were not asked for.
func HoldersOf(ns *host.Namespace, proto port.Proto) []Owner {
	used, open := map[host.Process]int{}, newRules(ns).open
	for i := range ns.Holds {
		if hold := &ns.Holds[i]; hold.Proto == proto && len(hold.Processes) > 0 && open.Contains(hold.Port) {
			used[hold.Processes[0]]++
		}
	}
	return ownersOf(used)
}

func ownersOf(used map[host.Process]int) []Owner {
	owners := make([]Owner, 0, len(used))
	for process, n := range used {
		owners = append(owners, Owner{Process: process, Used: n})
	}
	sortOwners(owners)
	return owners
}

// Binders are the processes behind bound ports, the one with most of them first;
// none where owners were not asked for.
func Binders(ns *host.Namespace, bound *port.Set) []Owner {
	owners := []Owner{}
	if ns.Holdings == nil {
		return owners
	}
	for pid, ports := range ns.Holdings.Bound {
		if n := ports.CountIn(bound); n > 0 {
			owners = append(owners, Owner{Process: ns.Holdings.Process(pid), Used: n})
		}
	}
	sortOwners(owners)
	return owners
}
