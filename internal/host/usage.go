package host

import (
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
	// Bindings are the connected TCP sockets on bind-held ports of the range, where
	// ip_autobind_reuse lets new ones share such ports: then a tuple is what each must
	// have for itself. It is without sockets that share no port, and without those in
	// TIME_WAIT with timestamps, whose tuple a socket takes over that has its port by
	// then (tcp_twsk_unique, net/ipv4/tcp_ipv4.c).
	Bindings map[port.Tuple]*port.Ports
	// Locals are all ports that bind() and UDP would meet, by local end.
	Locals map[Local]*port.Ports

	// Buckets are those of the sockets outside of VRFs.
	Buckets
	// VRFs are the buckets of each VRF with TCP sockets, by the index of its device.
	VRFs map[uint32]*Buckets
	// Masters are the VRFs that devices belong to, each VRF's own device included;
	// nil where there is none. It is set before the first socket is added.
	Masters map[uint32]uint32
	// VRFUnsure are the TCP ports of sockets of which it is not certain in which
	// VRF's buckets they are: the source does not show it, or the socket is from
	// before its device came to where it is.
	VRFUnsure port.Set
	// Missed is how many more sockets of a protocol there may have been all the
	// time, which the source passed over while others went.
	Missed map[port.Proto]int

	l3mdevAccept bool
	shareable    *port.Range // within which bound ports are shared, nil for nowhere
	reuseDelay   time.Duration
	reuseSlack   time.Duration
	local        Local       // the key of localPorts: most sockets share one
	ports        *port.Ports // Locals[local]
	recent       [recentTuples]recentTuple
}

// TupleUsage is how the sockets of one tuple use ports.
type TupleUsage struct {
	States []StatePorts
	// Reusable are the ports in TIME_WAIT that tcp_tw_reuse may hand out now,
	// where it is switched on for the tuple.
	Reusable port.Ports
	// Aged are those that it may hand out if they saw TCP timestamps, which was
	// not to be seen.
	Aged port.Ports
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
	u := &Usage{
		Tuples:       map[port.Tuple]*TupleUsage{},
		Locals:       map[Local]*port.Ports{},
		l3mdevAccept: settings.L3MdevAccept,
		reuseDelay:   settings.TWReuseDelay,
		reuseSlack:   jiffies,
	}
	if settings.AutobindReuse {
		u.shareable = &settings.Range
	}
	if !settings.HasTWReuseDelay {
		u.reuseSlack += time.Second // tcp_twsk_unique counted whole seconds
	}
	return u
}

// jiffies is what the age of a timer may be off by, on the slowest clock
// (CONFIG_HZ=100), at either end.
const jiffies = 20 * time.Millisecond

// L3Mdev is the VRF in whose buckets a TCP socket bound to a device looks for a
// port, 0 for none (inet_sk_bound_l3mdev, include/net/inet_sock.h).
func (u *Usage) L3Mdev(device uint32) uint32 {
	if u.l3mdevAccept || device == 0 {
		return 0
	}
	return u.Masters[device]
}

// L3MdevAccept is tcp_l3mdev_accept.
func (u *Usage) L3MdevAccept() bool { return u.l3mdevAccept }

// Of are the buckets of a VRF, 0 for those outside.
func (u *Usage) Of(l3mdev uint32) *Buckets {
	if l3mdev == 0 {
		return &u.Buckets
	}
	if b, known := u.VRFs[l3mdev]; known {
		return b
	}
	return &Buckets{}
}

// Blind reports whether the bucket of a connected TCP socket was not to be seen.
func (u *Usage) Blind() bool {
	if u.blind() {
		return true
	}
	for _, b := range u.VRFs {
		if b.blind() {
			return true
		}
	}
	return false
}

// Add counts one socket.
func (u *Usage) Add(s *port.Socket) {
	p := s.Local.Port()
	var l3mdev uint32
	if s.Proto == port.TCP {
		if s.Hold == port.NotHeld {
			return
		}
		l3mdev = u.bucketOf(s)
		b := u.make(l3mdev)
		b.addSocket(s, p)
		if s.Connected() && s.State != port.BoundInactive {
			u.addConnected(b, s, p)
		}
	}
	u.localPorts(s, l3mdev).Add(p)
}

// Miss notes that sockets may be missing.
func (u *Usage) Miss(m Missed) {
	if u.Missed == nil {
		u.Missed = map[port.Proto]int{}
	}
	u.Missed[m.Proto] += m.Sockets
}

// bucketOf is the VRF in whose buckets the socket is.
func (u *Usage) bucketOf(s *port.Socket) uint32 {
	if s.L3Mdev == 0 && len(u.Masters) == 0 {
		return 0
	}
	expected := u.L3Mdev(s.Device)
	if s.Blind && s.Device != 0 || !s.Blind && s.L3Mdev != expected {
		u.VRFUnsure.Add(s.Local.Port())
	}
	if s.Blind {
		return expected
	}
	return s.L3Mdev
}

// make is [Usage.Of] for a socket that is about to be added.
func (u *Usage) make(l3mdev uint32) *Buckets {
	if l3mdev == 0 {
		return &u.Buckets
	}
	b, known := u.VRFs[l3mdev]
	if !known {
		if u.VRFs == nil {
			u.VRFs = map[uint32]*Buckets{}
		}
		b = &Buckets{}
		u.VRFs[l3mdev] = b
	}
	return b
}

func (u *Usage) addConnected(b *Buckets, s *port.Socket, p uint16) {
	switch {
	case s.Hold == port.BindHeld:
		b.addBound(s.Tuple(), p)
		if u.shareable != nil && u.shareable.Contains(p) && s.Reuse && !(s.Mini && s.Stamped) {
			u.addBinding(s.Tuple(), p)
		}
	case !b.BindHeld.Contains(p): // else no pool has the port, whoever is on it
		u.tuple(s.Tuple()).add(s, p, u)
	}
}

func (u *Usage) addBinding(tuple port.Tuple, p uint16) {
	if u.Bindings == nil {
		u.Bindings = map[port.Tuple]*port.Ports{}
	}
	if u.Bindings[tuple] == nil {
		u.Bindings[tuple] = &port.Ports{}
	}
	u.Bindings[tuple].Add(p)
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

func (u *Usage) localPorts(s *port.Socket, l3mdev uint32) *port.Ports {
	key := localOf(s, l3mdev)
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

func (u *TupleUsage) add(s *port.Socket, p uint16, in *Usage) {
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
	case !s.Stamped && !s.Blind && s.Hold == port.ConnectHeld:
		u.Unstamped.Add(p)
	case s.Stamped && s.Quiet > in.reuseDelay:
		u.Reusable.Add(p)
	case s.Blind && s.Quiet+in.reuseSlack > in.reuseDelay:
		u.Aged.Add(p)
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
