package judge

import (
	"net/netip"

	"portrange/internal/host"
	"portrange/internal/port"
)

// This file is the list of who meets whom: which sockets are in the way of a new
// one that asks the kernel for a port. Each rule names the kernel's function.

// loopback4IPv6 is LOOPBACK4_IPV6 (include/net/ipv6.h): the IPv4 address that the
// kernel writes into a socket on an IPv6 address.
func loopback4IPv6() netip.Addr { return netip.AddrFrom4([4]byte{127, 0, 0, 6}) }

// meeting is an asker together with what its namespace makes of it.
type meeting struct {
	*Asker
	l3mdev uint32
	// relaxed is ip_autobind_reuse, which TCP comes to when no port is left
	// otherwise (inet_csk_find_open_port).
	relaxed bool
}

func newMeeting(a *Asker, ns *host.Namespace) meeting {
	return meeting{a, ns.Usage.L3Mdev(a.Device), ns.Settings.AutobindReuse}
}

// meets reports whether a socket at the local end is in the way of bind() to port
// 0 or of UDP: inet_csk_find_open_port (net/ipv4/inet_connection_sock.c) and
// udp_lib_get_port (net/ipv4/udp.c).
func (m *meeting) meets(l *host.Local) bool {
	return l.Proto == m.Proto && m.sameBuckets(l) && m.sameDevice(l) && m.overlaps(l) && !m.shares(l)
}

// sameBuckets: TCP looks at the buckets of its own VRF alone
// (inet_bind_bucket_match). UDP has no VRFs here.
func (m *meeting) sameBuckets(l *host.Local) bool { return m.Proto == port.UDP || l.L3Mdev == m.l3mdev }

// sameDevice: sockets bound to two devices pass each other (inet_bind_conflict,
// udp_lib_lport_inuse). Unlike connect(), a VRF and its devices are two.
func (m *meeting) sameDevice(l *host.Local) bool {
	return m.Device == 0 || l.Device == 0 || m.Device == l.Device
}

// shares reports whether both sockets allow each other on one port.
func (m *meeting) shares(l *host.Local) bool {
	if m.Proto == port.UDP {
		return m.sharesUDP(&l.Sharing)
	}
	return m.sharesTCP(&l.Sharing)
}

// sharesUDP is udp_lib_lport_inuse.
func (m *meeting) sharesUDP(s *host.Sharing) bool {
	return m.Reuse && s.Reuse || m.ReusePort && s.ReusePort && m.UID == s.UID
}

// sharesTCP is inet_bind_conflict as inet_csk_find_open_port calls it: without
// SO_REUSEPORT, and relaxed in the end.
func (m *meeting) sharesTCP(s *host.Sharing) bool {
	if !m.relaxed || !m.Reuse || !s.Reuse || s.Listen {
		return false
	}
	return !(m.ReusePort && s.ReusePort && (s.Waiting || m.UID == s.UID))
}

// mayShare reports whether the options of other sockets matter at all.
func (m *meeting) mayShare() bool {
	if m.Proto == port.UDP {
		return m.Reuse || m.ReusePort
	}
	return m.relaxed && m.Reuse
}

// sharesWithItself reports whether sockets like the asker share ports with each
// other, so that their number has no end.
func (m *meeting) sharesWithItself() bool {
	return m.shares(&host.Local{Sharing: host.Sharing{Reuse: m.Reuse, ReusePort: m.ReusePort, UID: m.UID}})
}

// overlaps is inet_rcv_saddr_equal (net/ipv4/inet_connection_sock.c). TCP on one
// address asks its second table instead (inet_use_bhash2_on_bind), where an IPv6
// address has no IPv4 form.
func (m *meeting) overlaps(l *host.Local) bool {
	if m.Family6 {
		return overlaps6(m.Local, m.V6Only, l)
	}
	held := rcvSaddr(l.Addr)
	if m.Proto == port.TCP && !m.Local.IsUnspecified() && l.Addr.Is6() && !l.Addr.IsUnspecified() {
		return false
	}
	return overlaps4(m.Local, held, l.V6Only)
}

// rcvSaddr is sk_rcv_saddr of a socket on an address: __inet6_bind
// (net/ipv6/af_inet6.c), __ip6_datagram_connect (net/ipv6/datagram.c),
// tcp_v6_connect (net/ipv6/tcp_ipv6.c).
func rcvSaddr(addr netip.Addr) netip.Addr {
	switch {
	case addr.Is4():
		return addr
	case addr.IsUnspecified():
		return netip.IPv4Unspecified()
	}
	return loopback4IPv6()
}

// overlaps4 is ipv4_rcv_saddr_equal. It looks at IPV6_V6ONLY of the socket that
// is there, and where that is off takes an IPv6 address for the IPv4 one behind
// it: so 0.0.0.0 meets IPv6 sockets too.
func overlaps4(asked, held netip.Addr, heldV6Only bool) bool {
	return !heldV6Only && (asked == held || asked.IsUnspecified() || held.IsUnspecified())
}

// overlaps6 is ipv6_rcv_saddr_equal. An AF_INET socket counts as one on a mapped
// address; 0.0.0.0 is such an address and no wildcard for IPv6.
func overlaps6(asked netip.Addr, askedV6Only bool, l *host.Local) bool {
	any6 := netip.IPv6Unspecified()
	switch {
	case asked.Is4() && l.Addr.Is4():
		return overlaps4(asked, l.Addr, l.V6Only)
	case asked == any6 && l.Addr == any6:
		return true
	case l.Addr == any6:
		return !(l.V6Only && asked.Is4())
	case asked == any6:
		return !(askedV6Only && l.Addr.Is4())
	}
	return asked == l.Addr
}

// met are the sockets that connect() of TCP meets when it looks for a port for
// tuple.
func (r *rules) met(tuple port.Tuple) met {
	var m met
	for _, tuple := range r.sameTuples(tuple) {
		if usage, known := r.ns.Usage.Tuples[tuple]; known {
			m = append(m, group{TupleUsage: usage, tuple: tuple, reuses: r.reuse.Applies(OnLoopback(tuple))})
		}
	}
	return m
}

// sameTuples are those of which connect() of TCP finds a port taken for tuple
// (__inet_check_established, net/ipv4/inet_hashtables.c), by device:
// inet_bound_dev_eq (include/net/inet_sock.h). Those bound to its own device and
// to its VRF, and those bound to none, from within a VRF only with
// tcp_l3mdev_accept.
func (r *rules) sameTuples(tuple port.Tuple) []port.Tuple {
	usage := r.ns.Usage
	device, master := tuple.Device, usage.Masters[tuple.Device]
	same := []port.Tuple{tuple}
	if device == 0 {
		return same
	}
	if master != 0 && master != device {
		tuple.Device = master
		same = append(same, tuple)
	}
	if master == 0 || usage.L3MdevAccept() {
		tuple.Device = 0
		same = append(same, tuple)
	}
	return same
}
