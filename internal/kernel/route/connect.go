package route

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// anySource is for a destination of IPv6 to which no way leads without a source
// address. connect() chooses one then among all addresses of the host and asks for
// the way again (ip6_dst_lookup_tail, net/ipv6/ip6_output.c), so it succeeds where
// rules or routes look at the source alone. RTM_GETROUTE does not do that, so
// connect() itself is asked: that of a raw socket, which sends nothing and takes no
// port. Who may not open one, without CAP_NET_RAW, gets the routing's refusal.
func (a *asker) anySource(refusal error) ([]netip.Addr, error) {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC, a.protocol())
	if err != nil {
		return nil, refusal
	}
	defer unix.Close(fd)
	if err := a.dress(fd); err != nil {
		return nil, fmt.Errorf("ask for the source to %v: %w", a.Remote, err)
	}
	to := unix.SockaddrInet6{Port: int(a.Port), Addr: a.Remote.As16(), ZoneId: a.device}
	if err := unix.Connect(fd, &to); err != nil {
		return nil, refusal
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return nil, fmt.Errorf("ask for the source to %v: %w", a.Remote, err)
	}
	local, ok := name.(*unix.SockaddrInet6)
	if !ok {
		return nil, errors.New("ask for the source to " + a.Remote.String() + ": it is of another family")
	}
	source := netip.AddrFrom16(local.Addr)
	_, err = a.from(source).ask(a.Remote, a.device, 0) // the local port is the raw socket's own
	return []netip.Addr{source}, err
}

// protocol is the one that rules shall see.
func (a *asker) protocol() int {
	if a.Proto == 0 {
		return unix.IPPROTO_TCP
	}
	return int(a.Proto)
}

// dress gives the socket what rules look at.
func (a *asker) dress(fd int) error {
	if err := bindTo(fd, a.device); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_TCLASS, int(a.TOS)); err != nil {
		return fmt.Errorf("set IPV6_TCLASS: %w", err)
	}
	if a.Mark != 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(a.Mark)); err != nil {
			return fmt.Errorf("set SO_MARK: %w", err)
		}
	}
	if a.UID == nil || int(*a.UID) == unix.Getuid() {
		return nil
	}
	return unix.Fchown(fd, int(*a.UID), -1)
}
