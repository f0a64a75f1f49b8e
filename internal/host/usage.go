package host

import (
	"net/netip"
	"time"

	"portrange/internal/port"
)

// Usage is what a walk over the sockets of one namespace leaves behind: which
// ports are used by tuple and by local address, no verdicts. Its size follows
// the number of tuples, not of sockets. A socket seen twice counts once.
type Usage struct {
	// Tuples are the connected TCP sockets on ports that are not bind-held. One
	// that is bind-held is in no pool, and on a server it may have half a million
	// clients: Bound has it.
	Tuples map[port.Tuple]*TupleUsage
	// Locals are all ports that bind() and UDP would meet, by local address.
	Locals map[Local]*port.Ports

	// BindHeld are the TCP ports whose bucket is bind-held, VRFs aside.
	BindHeld port.Set
	// Listening are the TCP ports with a listener, Chosen those of them that the
	// kernel chose for it, as far as the source shows.
	Listening, Chosen port.Set
	// Bound are the bind-held TCP ports of connected sockets: of accepted
	// ones, and of those that called bind() before connect().
	Bound port.Set
	// Served are those of them with several connections: accepted ones, as one
	// that called bind() has its port for itself.
	Served port.Set
	// InVRF are the TCP ports of sockets within a VRF, which are left out.
	InVRF port.Set
	// Blind is set when the bucket of a connected TCP socket was not to be seen.
	Blind bool

	reuseDelay time.Duration
	local      Local                 // the key of localPorts: most sockets share one
	ports      *port.Ports           // Locals[local]
	bound      map[uint16]port.Tuple // of the first socket on a port of Bound
	recent     [recentTuples]recentTuple
}

// Local is the key under which bind() and UDP find their conflicts: a local
// address, the unspecified ones included. V6Only matters for IPv6 sockets alone;
// with V6Unknown it may as well be true.
type Local struct {
	Proto     port.Proto
	Addr      netip.Addr
	Family6   bool
	V6Only    bool
	V6Unknown bool
}

// TupleUsage is how the sockets of one tuple use ports.
type TupleUsage struct {
	States []StatePorts
	// Reusable are the ports in TIME_WAIT that tcp_tw_reuse may hand out now,
	// where it is switched on for the tuple.
	Reusable port.Ports
	// Unstamped are the ports in TIME_WAIT whose connection had no TCP timestamps,
	// which tcp_tw_reuse never hands out. A source that shows no buckets cannot tell.
	Unstamped port.Ports
}

// StatePorts are the ports of one tuple in one state.
type StatePorts struct {
	State port.State
	Ports port.Ports
}

// NewUsage returns an empty usage. A TIME_WAIT port is reusable when its last
// packet is longer ago than settings.TWReuseDelay.
func NewUsage(settings Settings) *Usage {
	return &Usage{
		Tuples:     map[port.Tuple]*TupleUsage{},
		Locals:     map[Local]*port.Ports{},
		bound:      map[uint16]port.Tuple{},
		reuseDelay: settings.TWReuseDelay,
	}
}

// Add counts one socket. TCP sockets within a VRF draw on buckets of their own
// and are no part of any other pool.
func (u *Usage) Add(s *port.Socket) {
	p := s.Local.Port()
	if s.Proto == port.TCP {
		if s.L3Mdev != 0 {
			u.InVRF.Add(p)
			return
		}
		if s.Hold == port.NotHeld {
			return
		}
		u.addBucket(s, p)
		if s.Connected() && s.State != port.BoundInactive {
			u.addConnected(s, p)
		}
	}
	u.localPorts(s).Add(p)
}

func (u *Usage) addConnected(s *port.Socket, p uint16) {
	switch {
	case s.Hold == port.BindHeld:
		u.addBound(s.Tuple(), p)
	case !u.BindHeld.Contains(p): // else no pool has the port, whoever is on it
		u.tuple(s.Tuple()).add(s, p, u.reuseDelay)
	}
}

func (u *Usage) addBucket(s *port.Socket, p uint16) {
	if s.State == port.Listen {
		u.Listening.Add(p)
		if s.Chosen {
			u.Chosen.Add(p)
		}
	}
	switch {
	case s.Hold == port.HoldUnknown && s.Connected():
		u.Blind = true
	case s.Hold == port.BindHeld:
		u.BindHeld.Add(p)
	}
}

func (u *Usage) addBound(tuple port.Tuple, p uint16) {
	if u.Served.Contains(p) {
		return
	}
	if u.Bound.Add(p) {
		u.bound[p] = tuple
	} else if u.bound[p] != tuple {
		u.Served.Add(p)
	}
}

func (u *Usage) tuple(tuple port.Tuple) *TupleUsage {
	recent := u.recentTuple(&tuple)
	if recent.usage != nil && recent.tuple == tuple {
		return recent.usage
	}
	usage, known := u.Tuples[tuple]
	if !known {
		usage = &TupleUsage{}
		u.Tuples[tuple] = usage
	}
	*recent = recentTuple{tuple, usage}
	return usage
}

// recentTuple is an entry of Tuples that was asked for lately. A walk from port
// to port comes by the same few tuples again and again, and hashing one takes
// longer than all the rest.
type recentTuple struct {
	tuple port.Tuple
	usage *TupleUsage
}

const recentTuples = 128 // a power of two

// recentTuple is the only place where the tuple's entry can be.
func (u *Usage) recentTuple(tuple *port.Tuple) *recentTuple {
	remote := tuple.Remote.Addr().As16()
	return &u.recent[(uint16(remote[14])<<4^uint16(remote[15])^tuple.Remote.Port())%recentTuples]
}

func (u *Usage) localPorts(s *port.Socket) *port.Ports {
	key := Local{
		Proto: s.Proto, Addr: s.Local.Addr(),
		Family6: s.Family6, V6Only: s.Family6 && s.V6Only, V6Unknown: s.Family6 && s.V6Unknown,
	}
	if u.ports != nil && key == u.local {
		return u.ports
	}
	ports, known := u.Locals[key]
	if !known {
		ports = &port.Ports{}
		u.Locals[key] = ports
	}
	u.local, u.ports = key, ports
	return ports
}

// UDP are the ports with a UDP socket.
func (u *Usage) UDP() *port.Set {
	set := &port.Set{}
	for local, ports := range u.Locals {
		if local.Proto == port.UDP {
			ports.AddTo(set)
		}
	}
	return set
}

func (u *TupleUsage) add(s *port.Socket, p uint16, reuseDelay time.Duration) {
	state := -1
	for i := range u.States {
		if u.States[i].Ports.Contains(p) {
			return
		}
		if u.States[i].State == s.State {
			state = i
		}
	}
	if state < 0 {
		state = len(u.States)
		u.States = append(u.States, StatePorts{State: s.State})
	}
	u.States[state].Ports.Add(p)
	switch {
	case !s.Mini || s.State != port.TimeWait:
	case !s.Stamped && s.Hold == port.ConnectHeld:
		u.Unstamped.Add(p)
	case s.Stamped && s.Quiet > reuseDelay:
		u.Reusable.Add(p)
	}
}

// CountIn is the number of ports that are also in set.
func (u *TupleUsage) CountIn(set *port.Set) int {
	n := 0
	for i := range u.States {
		n += u.States[i].Ports.CountIn(set)
	}
	return n
}

// AddTo puts all ports into set.
func (u *TupleUsage) AddTo(set *port.Set) {
	for i := range u.States {
		u.States[i].Ports.AddTo(set)
	}
}

// Contains reports whether one of the tuple's sockets has port p.
func (u *TupleUsage) Contains(p uint16) bool {
	for i := range u.States {
		if u.States[i].Ports.Contains(p) {
			return true
		}
	}
	return false
}
