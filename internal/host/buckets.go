package host

import "portrange/internal/port"

// Buckets are the TCP ports of one part of the kernel's bind table: that of the
// sockets outside of VRFs, or that of one VRF (inet_bind_bucket_match,
// net/ipv4/inet_hashtables.c).
type Buckets struct {
	// BindHeld are the ports whose bucket is bind-held.
	BindHeld port.Set
	// Listening are the ports with a listener, Chosen those of them that the
	// kernel chose for it, as far as the source shows.
	Listening, Chosen port.Set
	// Bound are the bind-held ports of connected sockets: of accepted ones, and
	// of those that called bind() before connect().
	Bound port.Set
	// Served are those of them with several connections: accepted ones, as one
	// that called bind() has its port for itself.
	Served port.Set
	// Unseen are the ports of connections whose bucket was not to be seen. Some
	// may be in BindHeld as well, which another socket told.
	Unseen port.Set

	bound map[uint16]port.Tuple // of the first socket on a port of Bound
}

// addSocket notes what a socket tells of its bucket.
func (b *Buckets) addSocket(s *port.Socket, p uint16) {
	if s.State == port.Listen {
		b.Listening.Add(p)
		if s.Chosen {
			b.Chosen.Add(p)
		}
	}
	switch {
	case s.Hold == port.HoldUnknown && s.Connected():
		b.Unseen.Add(p)
	case s.Hold == port.BindHeld:
		b.BindHeld.Add(p)
	}
}

func (b *Buckets) addBound(tuple port.Tuple, p uint16) {
	if b.Served.Contains(p) {
		return
	}
	if b.Bound.Add(p) {
		if b.bound == nil {
			b.bound = map[uint16]port.Tuple{}
		}
		b.bound[p] = tuple
	} else if b.bound[p] != tuple {
		b.Served.Add(p)
	}
}

// OfBound is the tuple of the connection on a port of Bound that is its only one.
func (b *Buckets) OfBound(p uint16) (tuple port.Tuple, found bool) {
	if b.Served.Contains(p) {
		return port.Tuple{}, false
	}
	tuple, found = b.bound[p]
	return tuple, found
}

// blind reports whether there is a port of which nothing is known but that a
// connection has it.
func (b *Buckets) blind() bool { return b.Unseen.CountIn(&b.BindHeld) < b.Unseen.Len() }
