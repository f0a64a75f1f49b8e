// Package route asks the kernel's routing which address a connection would
// leave from.
//
// connect() on an unbound socket takes the source address that the route to the
// destination prefers, and only then looks for a port; so the address decides
// which ports are left. The kernel answers the same question to anybody
// (RTM_GETROUTE, rtnetlink(7)) without a packet or a socket of the transport.
//
// The package knows that one question, for the network namespace of the calling
// thread. It refuses to know what a route is.
package route

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"github.com/jsimonetti/rtnetlink/v2"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// ErrNoSource says that the routing has no way to a destination, or no address
// to go there from.
var ErrNoSource = errors.New("no source address")

// Source is the local address that the routing of the calling thread's network
// namespace gives to a connection to remote, through a device where one is named
// (SO_BINDTODEVICE, or the zone of a link-local remote). Rules that look at
// ports or marks of packets are asked without either. The error wraps
// [ErrNoSource] where a connect() would fail too.
func Source(ctx context.Context, remote netip.Addr, device string) (netip.Addr, error) {
	remote = destination(remote)
	index, err := deviceIndex(remote, device)
	if err != nil {
		return netip.Addr{}, err
	}
	conn, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("open netlink socket for routes: %w", err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	source, err := ask(conn, remote, index)
	if ctx.Err() != nil {
		return netip.Addr{}, ctx.Err()
	}
	return source, err
}

// destination is the address that connect() goes to: it takes the unspecified
// address for the host itself.
func destination(remote netip.Addr) netip.Addr {
	remote = remote.Unmap()
	switch remote.WithZone("") {
	case netip.IPv4Unspecified():
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	case netip.IPv6Unspecified():
		return netip.IPv6Loopback()
	}
	return remote
}

func deviceIndex(remote netip.Addr, device string) (uint32, error) {
	if device == "" {
		device = remote.Zone()
	}
	if device == "" {
		return 0, nil
	}
	if index, err := strconv.ParseUint(device, 10, 32); err == nil {
		return uint32(index), nil // fe80::1%2 names a device by its index
	}
	found, err := net.InterfaceByName(device)
	if err != nil {
		return 0, fmt.Errorf("find device %s: %w", device, err)
	}
	return uint32(found.Index), nil
}

func ask(conn *netlink.Conn, remote netip.Addr, device uint32) (netip.Addr, error) {
	request, err := question(remote, device)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("ask for the route to %v: %w", remote, err)
	}
	replies, err := conn.Execute(request)
	if err != nil {
		return netip.Addr{}, explain(remote, err)
	}
	source, err := answer(replies, remote)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("ask for the route to %v: %w", remote, err)
	}
	return source, nil
}

func question(remote netip.Addr, device uint32) (netlink.Message, error) {
	family := uint8(unix.AF_INET)
	if remote.Is6() {
		family = unix.AF_INET6
	}
	body := rtnetlink.RouteMessage{
		Family:     family,
		DstLength:  uint8(remote.BitLen()),
		Attributes: rtnetlink.RouteAttributes{Dst: remote.AsSlice(), OutIface: device},
	}
	data, err := body.MarshalBinary()
	return netlink.Message{
		Header: netlink.Header{Type: unix.RTM_GETROUTE, Flags: netlink.Request},
		Data:   data,
	}, err
}

func answer(replies []netlink.Message, remote netip.Addr) (netip.Addr, error) {
	if len(replies) != 1 || replies[0].Header.Type != unix.RTM_NEWROUTE {
		return netip.Addr{}, fmt.Errorf("%d replies, want one route", len(replies))
	}
	var route rtnetlink.RouteMessage
	if err := route.UnmarshalBinary(replies[0].Data); err != nil {
		return netip.Addr{}, fmt.Errorf("read the reply: %w", err)
	}
	source, ok := netip.AddrFromSlice(route.Attributes.Src)
	if !ok {
		return netip.Addr{}, fmt.Errorf("%w; the device it leads through has none", ErrNoSource)
	}
	if source.BitLen() != remote.BitLen() {
		return netip.Addr{}, fmt.Errorf("read the reply: the source %v is of another family", source)
	}
	return source, nil
}

// explain tells the routing's refusals (fib_props, net/ipv4/fib_semantics.c)
// from failures of the question.
func explain(remote netip.Addr, err error) error {
	hint := ""
	switch {
	case errors.Is(err, unix.ENETUNREACH):
		hint = "there is no route"
	case errors.Is(err, unix.EHOSTUNREACH):
		hint = "the route is of type unreachable"
	case errors.Is(err, unix.EACCES):
		hint = "the route is of type prohibit"
	case errors.Is(err, unix.EINVAL):
		hint = "the route is of type blackhole"
	default:
		return fmt.Errorf("ask for the route to %v: %w", remote, err)
	}
	return fmt.Errorf("%w to %v: %s (see ip route get %v)", ErrNoSource, remote, hint, remote)
}
