package route

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"portrange/internal/port"
)

// ErrNotLocal says that no socket may be bound to an address here.
var ErrNotLocal = errors.New("not an address of this network namespace")

// Bindable returns nil where a program may bind a socket to addr in the calling
// thread's network namespace, else an error that wraps [ErrNotLocal]. It asks
// bind() itself, which knows ip_nonlocal_bind and local routes, and with
// IP_BIND_ADDRESS_NO_PORT (ip(7)) takes no port. device is the interface that a
// link-local address belongs to, or that the socket is bound to; 0 for none. Sockets of
// IPv6 differ by protocol: those of TCP take no groups.
func Bindable(proto port.Proto, addr netip.Addr, device uint32) error {
	family := unix.AF_INET
	if addr.Is6() {
		family = unix.AF_INET6
	}
	kind := unix.SOCK_STREAM
	if proto == port.UDP {
		kind = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open socket to try %v: %w", addr, err)
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
		return fmt.Errorf("set IP_BIND_ADDRESS_NO_PORT: %w", err)
	}
	if err := bindTo(fd, device); err != nil {
		return fmt.Errorf("bind to device %d to try %v: %w", device, addr, err)
	}
	err = unix.Bind(fd, sockaddr(addr, device))
	if errors.Is(err, unix.EADDRNOTAVAIL) {
		return fmt.Errorf("bind to %v: %w", addr, ErrNotLocal)
	}
	if err != nil {
		return fmt.Errorf("bind to %v: %w", addr, err)
	}
	return nil
}

// bindTo is SO_BINDTOIFINDEX where a device is given: a VRF's addresses are known
// within it alone. Without it where the kernel does not allow it (before Linux 5.7 it
// takes CAP_NET_RAW).
func bindTo(fd int, device uint32) error {
	if device == 0 {
		return nil
	}
	err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, int(device))
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOPROTOOPT) {
		return nil
	}
	return err
}

func sockaddr(addr netip.Addr, device uint32) unix.Sockaddr {
	if addr.Is4() {
		return &unix.SockaddrInet4{Addr: addr.As4()}
	}
	return &unix.SockaddrInet6{Addr: addr.As16(), ZoneId: device}
}
