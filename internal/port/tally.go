package port

import (
	"net/netip"
	"time"
)

// Tally is what a walk over the sockets of one namespace leaves behind: facts
// by tuple and by local address, no verdicts. Its size follows the number of
// tuples, not of sockets. A socket seen twice counts once.
type Tally struct {
	// Tuples are the connected TCP sockets on ports that are not bind-held. One
	// that is bind-held is in no pool, and on a server it may have half a million
	// clients: Bound has it.
	Tuples map[Tuple]*Uses
	// Locals are all ports that bind() and UDP would meet, by local address.
	Locals map[Local]*Ports

	// BindHeld are the TCP ports whose bucket is bind-held, VRFs aside.
	BindHeld Set
	// Listening are the TCP ports with a listener, Chosen those of them that the
	// kernel chose for it, as far as the source shows.
	Listening, Chosen Set
	// Bound are the bind-held TCP ports of connected sockets: of accepted
	// ones, and of those that called bind() before connect().
	Bound Set
	// Served are those of them with several connections: accepted ones, as one
	// that called bind() has its port for itself.
	Served Set
	// InVRF are the TCP ports of sockets within a VRF, which are left out.
	InVRF Set
	// Blind is set when the bucket of a connected TCP socket was not to be seen.
	Blind bool

	ripeAfter time.Duration
	local     Local            // the key of localPorts: most sockets share one
	ports     *Ports           // Locals[local]
	bound     map[uint16]Tuple // of the first socket on a port of Bound
	recent    [recentUses]recentUse
}

// Local is the key under which bind() and UDP find their conflicts: a local
// address, the unspecified ones included. V6Only matters for IPv6 sockets alone;
// with V6Unknown it may as well be true.
type Local struct {
	Proto     Proto
	Addr      netip.Addr
	Family6   bool
	V6Only    bool
	V6Unknown bool
}

// Uses is how the sockets of one tuple use ports.
type Uses struct {
	States []StatePorts
	// Ripe are the ports in TIME_WAIT that tcp_tw_reuse may hand out now,
	// where it is switched on for the tuple.
	Ripe Ports
}

// StatePorts are the ports of one tuple in one state.
type StatePorts struct {
	State State
	Ports Ports
}

// NewTally returns an empty tally. A TIME_WAIT port is ripe for reuse when its
// last packet is longer ago than settings.TWReuseDelay.
func NewTally(settings Settings) *Tally {
	return &Tally{
		Tuples:    map[Tuple]*Uses{},
		Locals:    map[Local]*Ports{},
		bound:     map[uint16]Tuple{},
		ripeAfter: settings.TWReuseDelay,
	}
}

// Add counts one socket. TCP sockets within a VRF draw on buckets of their own
// and are no part of any other pool.
func (t *Tally) Add(s *Socket) {
	p := s.Local.Port()
	if s.Proto == TCP {
		if s.L3Mdev != 0 {
			t.InVRF.Add(p)
			return
		}
		if s.Hold == NotHeld {
			return
		}
		t.addBucket(s, p)
		if s.Connected() && s.State != BoundInactive {
			t.addConnected(s, p)
		}
	}
	t.localPorts(s).Add(p)
}

func (t *Tally) addConnected(s *Socket, p uint16) {
	switch {
	case s.Hold == BindHeld:
		t.addBound(s.Tuple(), p)
	case !t.BindHeld.Contains(p): // else no pool has the port, whoever is on it
		t.uses(s.Tuple()).add(s, p, t.ripeAfter)
	}
}

func (t *Tally) addBucket(s *Socket, p uint16) {
	if s.State == Listen {
		t.Listening.Add(p)
		if s.Chosen {
			t.Chosen.Add(p)
		}
	}
	switch {
	case s.Hold == HoldUnknown && s.Connected():
		t.Blind = true
	case s.Hold == BindHeld:
		t.BindHeld.Add(p)
	}
}

func (t *Tally) addBound(tuple Tuple, p uint16) {
	if t.Served.Contains(p) {
		return
	}
	if t.Bound.Add(p) {
		t.bound[p] = tuple
	} else if t.bound[p] != tuple {
		t.Served.Add(p)
	}
}

func (t *Tally) uses(tuple Tuple) *Uses {
	recent := t.recentUse(&tuple)
	if recent.uses != nil && recent.tuple == tuple {
		return recent.uses
	}
	uses, known := t.Tuples[tuple]
	if !known {
		uses = &Uses{}
		t.Tuples[tuple] = uses
	}
	*recent = recentUse{tuple, uses}
	return uses
}

// recentUse is an entry of Tuples that was asked for lately. A walk from port to
// port comes by the same few tuples again and again, and hashing one takes longer
// than all the rest.
type recentUse struct {
	tuple Tuple
	uses  *Uses
}

const recentUses = 128 // a power of two

// recentUse is the only place where the tuple's entry can be.
func (t *Tally) recentUse(tuple *Tuple) *recentUse {
	remote := tuple.Remote.Addr().As16()
	return &t.recent[(uint16(remote[14])<<4^uint16(remote[15])^tuple.Remote.Port())%recentUses]
}

func (t *Tally) localPorts(s *Socket) *Ports {
	key := Local{
		Proto: s.Proto, Addr: s.Local.Addr(),
		Family6: s.Family6, V6Only: s.Family6 && s.V6Only, V6Unknown: s.Family6 && s.V6Unknown,
	}
	if t.ports != nil && key == t.local {
		return t.ports
	}
	ports, known := t.Locals[key]
	if !known {
		ports = &Ports{}
		t.Locals[key] = ports
	}
	t.local, t.ports = key, ports
	return ports
}

func (u *Uses) add(s *Socket, p uint16, ripeAfter time.Duration) {
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
	if s.Mini && s.State == TimeWait && s.Stamped && s.Quiet > ripeAfter {
		u.Ripe.Add(p)
	}
}

// CountIn is the number of ports that are also in set.
func (u *Uses) CountIn(set *Set) int {
	n := 0
	for i := range u.States {
		n += u.States[i].Ports.CountIn(set)
	}
	return n
}

// AddTo puts all ports into set.
func (u *Uses) AddTo(set *Set) {
	for i := range u.States {
		u.States[i].Ports.AddTo(set)
	}
}

// Contains reports whether one of the tuple's sockets has port p.
func (u *Uses) Contains(p uint16) bool {
	for i := range u.States {
		if u.States[i].Ports.Contains(p) {
			return true
		}
	}
	return false
}
