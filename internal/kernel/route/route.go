// Package route asks the kernel's routing which address a connection would
// leave from.
//
// connect() on an unbound socket takes the source address that the route to the
// destination prefers, and only then looks for a port; so the address decides
// which ports are left. The kernel answers the same question to anybody
// (RTM_GETROUTE, rtnetlink(7)) without a packet or a socket of the transport.
//
// Rules may look at the protocol, the remote port and the user of a socket, and
// routes with several next hops at a hash over some of that: so all of it is part
// of the question. So may they at what a question leaves open, the local port among
// it: [Rules] tells what hangs on that.
//
// The package knows these questions, for the network namespace of the calling
// thread. It refuses to know what a route is.
package route

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"strconv"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"portrange/internal/kernel/sysctl"
	"portrange/internal/port"
)

// ErrNoSource says that the routing has no way to a destination, or no address
// to go there from.
var ErrNoSource = errors.New("no source address")

// ErrRefused says that connect() takes no such destination, although there is a
// way to it.
var ErrRefused = errors.New("connect() refuses it")

// Question is what the routing is asked, from the socket's point of view.
type Question struct {
	Remote netip.Addr
	// Port is the remote port, 0 where it is not known; Proto is 0 then too.
	Port  uint16
	Proto port.Proto
	// Device is the name or index of the interface that the socket is bound to
	// (SO_BINDTODEVICE); empty for none, or the zone of a link-local Remote.
	Device string
	// Source is the address that the socket is bound to; the zero Addr for none.
	Source netip.Addr
	// SourcePort is the port that the socket is bound to; 0 for none.
	SourcePort uint16
	// UID is the user of the socket, nil for the caller.
	UID  *uint32
	Mark uint32 // SO_MARK
	TOS  uint8  // IP_TOS, IPV6_TCLASS
}

// Sources are the local addresses that the routing of the calling thread's network
// namespace gives to connections. There is one, except where a route has several
// next hops and each connection gets another of them, as with
// net.ipv4.fib_multipath_hash_policy=1 (since Linux 6.16 of TCP too): then there
// are all that there can be, in the order of the next hops.
//
// A socket that is bound has its own source, if there is a way from there.
//
// The error wraps [ErrNoSource] or [ErrRefused] where a connect() would fail too.
func Sources(ctx context.Context, q Question) (sources []netip.Addr, err error) {
	err = asking(ctx, q, func(a *asker) (err error) {
		sources, err = a.sources()
		return err
	})
	return sources, err
}

// asking has fn ask over a connection that ends with ctx.
func asking(ctx context.Context, q Question, fn func(*asker) error) error {
	q.Remote = destination(q.Remote)
	device, err := deviceIndex(q.Remote, q.Device)
	if err != nil {
		return err
	}
	conn, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		return fmt.Errorf("open netlink socket for routes: %w", err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	err = fn(&asker{conn: conn, Question: q, device: device, spreads: spreads})
	return cmp.Or(ctx.Err(), err)
}

// Source is the first of [Sources] for a socket of which nothing else is known.
func Source(ctx context.Context, remote netip.Addr, device string) (netip.Addr, error) {
	sources, err := Sources(ctx, Question{Remote: remote, Device: device})
	if err != nil {
		return netip.Addr{}, err
	}
	return sources[0], nil
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

// withoutIPv6 says that there is no route as IPv6 is off in the calling thread's
// network namespace, empty where it is not, or the destination is of IPv4.
func withoutIPv6(remote netip.Addr) string {
	if !remote.Is6() || remote.Is4In6() {
		return ""
	}
	keys := []string{"net.ipv6.conf.all.disable_ipv6"}
	if remote.IsLoopback() {
		keys = append(keys, "net.ipv6.conf.lo.disable_ipv6")
	}
	for _, key := range keys {
		switch value, err := sysctl.Get(key); {
		case errors.Is(err, fs.ErrNotExist):
			return ", as the kernel has no IPv6 or has it off"
		case err == nil && value != "0":
			return ", as IPv6 is off: " + key + " is " + value
		}
	}
	return ""
}

// explain tells the routing's refusals (fib_props, net/ipv4/fib_semantics.c)
// from failures of the question.
func explain(remote, source netip.Addr, err error) error {
	hint := ""
	switch {
	case errors.Is(err, unix.ENETUNREACH):
		hint = "there is no route" + withoutIPv6(remote)
	case errors.Is(err, unix.EHOSTUNREACH):
		hint = "the route is of type unreachable"
	case errors.Is(err, unix.EACCES):
		hint = "the route is of type prohibit"
	case errors.Is(err, unix.EINVAL) && source.IsValid():
		hint = "the route is of type blackhole, or does not take the local address " + source.String()
	case errors.Is(err, unix.EINVAL):
		hint = "the route is of type blackhole"
	default:
		return fmt.Errorf("ask for the route to %v: %w", remote, err)
	}
	return fmt.Errorf("%w to %v: %s (see ip route get %v)", ErrNoSource, remote, hint, remote)
}
