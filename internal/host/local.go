package host

import (
	"net/netip"

	"portrange/internal/port"
)

// Local is the key under which bind() and UDP find their conflicts: all that
// they look at in a socket, its port aside.
type Local struct {
	Proto port.Proto
	Addr  netip.Addr // the unspecified ones included
	// Family6 tells an IPv4 address of an AF_INET6 socket, its mapped form, from
	// one of an AF_INET socket.
	Family6 bool
	// V6Only matters for IPv6 sockets alone; with V6Unknown it may as well be true.
	V6Only    bool
	V6Unknown bool
	Device    uint32
	L3Mdev    uint32 // of TCP, see [port.Socket]
	Sharing   Sharing
}

// Sharing is what a socket says of others on its port: it decides whether they
// conflict (inet_bind_conflict, net/ipv4/inet_connection_sock.c;
// udp_lib_lport_inuse, net/ipv4/udp.c).
type Sharing struct {
	Reuse, ReusePort bool
	UID              uint32 // with ReusePort
	Listen           bool   // of TCP, with Reuse
	Waiting          bool   // in TIME_WAIT, with Reuse and ReusePort
	// Unknown is set where the socket's options were not to be seen.
	Unknown bool
}

func localOf(s *port.Socket, l3mdev uint32) Local {
	key := Local{
		Proto: s.Proto, Addr: s.Local.Addr(), Family6: s.Family6, Device: s.Device, L3Mdev: l3mdev,
		V6Only: s.Family6 && s.V6Only, V6Unknown: s.Family6 && s.V6Unknown,
	}
	if s.Reuse || s.ReusePort || s.Blind {
		key.Sharing = sharingOf(s)
	}
	return key
}

// sharingOf leaves out what nobody looks at, so that few keys differ.
func sharingOf(s *port.Socket) Sharing {
	sharing := Sharing{Reuse: s.Reuse, ReusePort: s.ReusePort, Unknown: s.Blind}
	if s.ReusePort {
		sharing.UID = s.UID
	}
	if s.Proto == port.TCP && s.Reuse {
		sharing.Listen = s.State == port.Listen
		sharing.Waiting = s.ReusePort && s.State == port.TimeWait
	}
	return sharing
}
