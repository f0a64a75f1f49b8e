package route

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/jsimonetti/rtnetlink/v2"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"portrange/internal/kernel/sysctl"
	"portrange/internal/port"
)

// fibMatch is RTM_F_FIB_MATCH (include/uapi/linux/rtnetlink.h): answer with the
// route as it was entered, all its next hops included, not with the way that one
// packet takes.
const fibMatch = 0x2000

// asker puts one question over one connection.
type asker struct {
	conn *netlink.Conn
	Question
	device uint32 // index of Device, 0 for none
	// spreads reports whether connections to an address of a family may each get
	// another next hop.
	spreads func(v6 bool) bool
}

// spreads reads fib_multipath_hash_policy. The policies 0 and 2 hash addresses
// alone, and the source is not there yet when connect() asks: every connection gets
// the same next hop, and the one that the kernel names to us. 1 hashes ports, and
// since Linux 6.16 a random number where there is no local port yet; 3 hashes what
// is set, which RTM_GETROUTE does differently from connect() (fib_multipath_hash,
// net/ipv4/route.c; rt6_multipath_hash, net/ipv6/route.c).
func spreads(v6 bool) bool {
	key := "net.ipv4.fib_multipath_hash_policy"
	if v6 {
		key = "net.ipv6.fib_multipath_hash_policy"
	}
	policy, err := sysctl.Get(key)
	return err == nil && policy != "0" && policy != "2"
}

func (a *asker) sources() ([]netip.Addr, error) {
	route, err := a.ask(a.Remote, a.device, 0)
	if a.Remote.Is6() && !a.Source.IsValid() && errors.Is(err, ErrNoSource) {
		return a.anySource(err)
	}
	if err != nil {
		return nil, err
	}
	if err := a.refused(&route); err != nil {
		return nil, err
	}
	if a.Source.IsValid() {
		return []netip.Addr{a.Source}, a.through()
	}
	source, err := sourceOf(&route, a.Remote)
	if err != nil {
		return nil, err
	}
	if a.device != 0 || !a.spreads(a.Remote.Is6()) {
		return []netip.Addr{source}, a.leads(source)
	}
	return a.ofHops(source)
}

// through asks whether a socket that is bound to a device, and to an address, gets
// out. For a question with a source the kernel takes the device for a preference, for
// such a socket of IPv6 it insists on it, and so for a question without a source
// (ip6_route_output_flags_noref, net/ipv6/route.c).
func (a *asker) through() error {
	if a.device == 0 || !a.Remote.Is6() {
		return nil
	}
	_, err := a.from(netip.Addr{}).ask(a.Remote, a.device, 0)
	return err
}

// leads asks again with the source that was found, as connect() of IPv4 does
// (ip_route_connect, include/net/route.h): a rule may look at it and lead elsewhere.
// That of IPv6 keeps the way that gave it the source (ip6_dst_lookup_tail,
// net/ipv6/ip6_output.c).
func (a *asker) leads(source netip.Addr) error {
	if source.Is6() {
		return nil
	}
	_, err := a.from(source).ask(a.Remote, a.device, 0)
	return err
}

// refused says why connect() takes no such destination: tcp_v4_connect
// (net/ipv4/tcp_ipv4.c), ip4_datagram_connect (net/ipv4/datagram.c).
func (a *asker) refused(route *rtnetlink.RouteMessage) error {
	switch {
	case route.Type == unix.RTN_BROADCAST && a.Proto == port.UDP:
		return fmt.Errorf("connect to %v: %w: it is a broadcast address, for which UDP takes SO_BROADCAST", a.Remote, ErrRefused)
	case route.Type == unix.RTN_BROADCAST:
		return fmt.Errorf("connect to %v: %w: it is a broadcast address", a.Remote, ErrRefused)
	case (route.Type == unix.RTN_MULTICAST || a.Remote.IsMulticast()) && a.Proto == port.TCP:
		return fmt.Errorf("connect to %v: %w: it is a multicast address", a.Remote, ErrRefused)
	}
	return nil
}

// ofHops asks for the source of each next hop of the route, the one known
// included. Through a device alone the kernel takes its first next hop there; for
// another one on the same device the way to its gateway tells.
func (a *asker) ofHops(known netip.Addr) ([]netip.Addr, error) {
	hops, err := a.hops()
	if err != nil {
		return nil, err
	}
	var sources []netip.Addr
	asked := map[uint32]bool{}
	for _, hop := range hops {
		to := a.Remote
		if asked[hop.device] && hop.gateway.BitLen() == to.BitLen() {
			to = hop.gateway
		}
		asked[hop.device] = true
		through, err := a.ask(to, hop.device, 0)
		if err != nil {
			continue // its device is down: it gets no connection
		}
		if source, err := sourceOf(&through, a.Remote); err == nil && !slices.Contains(sources, source) {
			sources = append(sources, source)
		}
	}
	if !slices.Contains(sources, known) {
		sources = append(sources, known)
	}
	return sources, nil
}

func (a *asker) ask(remote netip.Addr, device, flags uint32) (route rtnetlink.RouteMessage, err error) {
	replies, err := a.replies(remote, device, flags)
	if err != nil {
		return route, err
	}
	if route, err = answer(replies); err != nil {
		return route, fmt.Errorf("ask for the route to %v: %w", remote, err)
	}
	return route, nil
}

func (a *asker) replies(remote netip.Addr, device, flags uint32) ([]netlink.Message, error) {
	request, err := a.request(remote, device, flags)
	if err != nil {
		return nil, fmt.Errorf("ask for the route to %v: %w", remote, err)
	}
	replies, err := a.conn.Execute(request)
	if err != nil {
		return nil, explain(remote, a.Source, err)
	}
	return replies, nil
}

func (a *asker) request(remote netip.Addr, device, flags uint32) (netlink.Message, error) {
	body := rtnetlink.RouteMessage{
		Family:     a.family(),
		DstLength:  uint8(remote.BitLen()),
		SrcLength:  uint8(a.Source.BitLen()),
		Tos:        a.TOS,
		Flags:      flags,
		Attributes: rtnetlink.RouteAttributes{Dst: remote.AsSlice(), OutIface: device, Mark: a.Mark},
	}
	data, err := body.MarshalBinary()
	if err != nil {
		return netlink.Message{}, err
	}
	socket, err := a.socket().Encode()
	return netlink.Message{
		Header: netlink.Header{Type: unix.RTM_GETROUTE, Flags: netlink.Request},
		Data:   append(data, socket...),
	}, err
}

func (a *asker) family() uint8 {
	if a.Remote.Is6() {
		return unix.AF_INET6
	}
	return unix.AF_INET
}

// socket are the attributes that rules look at (fib_rule_match, net/core/fib_rules.c).
func (a *asker) socket() *netlink.AttributeEncoder {
	encoder := netlink.NewAttributeEncoder()
	if a.Proto != 0 {
		encoder.Uint8(unix.RTA_IP_PROTO, uint8(a.Proto))
	}
	if a.Proto != 0 && a.Port != 0 {
		encoder.Bytes(unix.RTA_DPORT, binary.BigEndian.AppendUint16(nil, a.Port))
	}
	if a.Proto != 0 && a.SourcePort != 0 {
		encoder.Bytes(unix.RTA_SPORT, binary.BigEndian.AppendUint16(nil, a.SourcePort))
	}
	if a.UID != nil {
		encoder.Uint32(unix.RTA_UID, *a.UID)
	}
	if a.Source.IsValid() {
		encoder.Bytes(unix.RTA_SRC, a.Source.AsSlice())
	}
	return encoder
}

func answer(replies []netlink.Message) (rtnetlink.RouteMessage, error) {
	var route rtnetlink.RouteMessage
	if len(replies) != 1 || replies[0].Header.Type != unix.RTM_NEWROUTE {
		return route, fmt.Errorf("%d replies, want one route", len(replies))
	}
	if err := route.UnmarshalBinary(replies[0].Data); err != nil {
		return route, fmt.Errorf("read the reply: %w", err)
	}
	return route, nil
}

func sourceOf(route *rtnetlink.RouteMessage, remote netip.Addr) (netip.Addr, error) {
	source, ok := netip.AddrFromSlice(route.Attributes.Src)
	if !ok {
		return netip.Addr{}, fmt.Errorf("ask for the route to %v: %w; the device it leads through has none", remote, ErrNoSource)
	}
	if source.BitLen() != remote.BitLen() {
		return netip.Addr{}, fmt.Errorf("ask for the route to %v: read the reply: the source %v is of another family", remote, source)
	}
	return source, nil
}
