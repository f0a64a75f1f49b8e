package judge

import (
	"net/netip"

	"portrange/internal/host"
	"portrange/internal/port"
)

// Asker is a socket at the moment when the kernel is to choose a port for it. It
// is what decides how many ports are left, besides the sockets that are there.
type Asker struct {
	Proto port.Proto
	// Local is the address that the socket is bound to by then; the unspecified
	// one for a socket that is not. connect() of TCP chooses the address before
	// the port, that of UDP after it (inet_autobind, net/ipv4/af_inet.c).
	Local netip.Addr
	// Family6 tells an AF_INET6 socket, with an IPv4 address one that is bound to
	// its mapped form. One that is not bound yet sits on ::, also where it is going
	// to speak IPv4.
	Family6 bool
	V6Only  bool // IPV6_V6ONLY; it matters on :: alone
	// Device is SO_BINDTODEVICE, or the zone of a link-local address that TCP
	// connects to or that the socket is bound to.
	Device uint32

	Reuse     bool // SO_REUSEADDR
	ReusePort bool // SO_REUSEPORT
	UID       uint32
	// SocketRange is IP_LOCAL_PORT_RANGE: nil for none, an end that is 0 is not
	// narrowed.
	SocketRange *port.Range
	// Barred are local ports from which no way leads to the destination, though the
	// socket may get them; nil for none.
	Barred *port.Set
}

// NewAsker is a plain socket on an address: AF_INET for IPv4, else AF_INET6 with
// IPV6_V6ONLY as new sockets have it in the namespace.
func NewAsker(ns *host.Namespace, proto port.Proto, local netip.Addr) Asker {
	local = local.WithZone("")
	return Asker{Proto: proto, Local: local, Family6: local.Is6(), V6Only: local.Is6() && ns.Settings.BindV6Only}
}

// tuple is the pool that connect() to remote draws on.
func (a *Asker) tuple(remote netip.AddrPort) port.Tuple {
	return port.Tuple{Proto: a.Proto, Local: a.Local, Remote: remote, Device: a.Device}
}

// within is the range that the socket chooses from
// (inet_sk_get_local_port_range, net/ipv4/inet_connection_sock.c): each end of
// its own range counts where it lies in the namespace's.
func (a *Asker) within(all port.Range) port.Range {
	if a.SocketRange == nil {
		return all
	}
	if low := a.SocketRange.Low; all.Low <= low && low <= all.High {
		all.Low = low
	}
	if high := a.SocketRange.High; all.Low <= high && high <= all.High {
		all.High = high
	}
	return all
}
