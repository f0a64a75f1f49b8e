package nettest

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Kind is what socket(2) is asked for.
type Kind string

// The kinds of sockets.
const (
	TCP4   Kind = "tcp4"
	TCP6   Kind = "tcp6"
	UDP4   Kind = "udp4"
	UDP6   Kind = "udp6"
	MPTCP4 Kind = "mptcp4"
	MPTCP6 Kind = "mptcp6"
	RAW4   Kind = "raw4"
	RAW6   Kind = "raw6"
)

// is6 reports whether the socket speaks AF_INET6, and so takes IPv4 addresses
// in their mapped form.
func (k Kind) is6() bool { return k[len(k)-1] == '6' }

func (k Kind) open() (int, error) {
	family, kind, proto := unix.AF_INET, unix.SOCK_STREAM, 0
	if k.is6() {
		family = unix.AF_INET6
	}
	switch k[:len(k)-1] {
	case "udp":
		kind = unix.SOCK_DGRAM
	case "mptcp":
		proto = unix.IPPROTO_MPTCP
	case "raw":
		kind, proto = unix.SOCK_RAW, unix.IPPROTO_UDP
	}
	return unix.Socket(family, kind|unix.SOCK_CLOEXEC, proto)
}

// Option sets up a socket before it is bound or connected.
type Option func(fd int) error

func intOption(level, name, value int) Option {
	return func(fd int) error {
		return named("setsockopt", unix.SetsockoptInt(fd, level, name, value))
	}
}

// ReuseAddr is SO_REUSEADDR.
func ReuseAddr() Option { return intOption(unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) }

// ReusePort is SO_REUSEPORT.
func ReusePort() Option { return intOption(unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) }

// BindNoPort is IP_BIND_ADDRESS_NO_PORT: bind() to port 0 leaves the choice of
// the port to connect().
func BindNoPort() Option { return intOption(unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1) }

// V6Only is IPV6_V6ONLY.
func V6Only(on bool) Option {
	value := 0
	if on {
		value = 1
	}
	return intOption(unix.SOL_IPV6, unix.IPV6_V6ONLY, value)
}

// LocalRange is IP_LOCAL_PORT_RANGE (Linux 6.3, ip(7)): a range of the socket's
// own within the namespace's.
func LocalRange(low, high uint16) Option {
	return intOption(unix.SOL_IP, unix.IP_LOCAL_PORT_RANGE, int(high)<<16|int(low))
}

// FreeBind is IP_FREEBIND: bind() takes addresses that the host does not have.
func FreeBind() Option { return intOption(unix.SOL_IP, unix.IP_FREEBIND, 1) }

// Transparent is IP_TRANSPARENT of a socket of the kind: it may be bound to any
// address, and connects from it.
func Transparent(kind Kind) Option {
	if kind == TCP6 || kind == UDP6 {
		return intOption(unix.SOL_IPV6, unix.IPV6_TRANSPARENT, 1)
	}
	return intOption(unix.SOL_IP, unix.IP_TRANSPARENT, 1)
}

// Mark is SO_MARK, which rules of routing look at.
func Mark(mark int) Option { return intOption(unix.SOL_SOCKET, unix.SO_MARK, mark) }

// Owner makes the socket another user's, as fchown(2) does: conflicts between
// sockets with SO_REUSEPORT look at it (sock_i_uid, net/core/sock.c).
func Owner(uid int) Option {
	return func(fd int) error { return named("fchown", unix.Fchown(fd, uid, -1)) }
}

// KeepAlive is SO_KEEPALIVE.
func KeepAlive() Option { return intOption(unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1) }

// Device is SO_BINDTODEVICE.
func Device(name string) Option {
	return func(fd int) error { return named("bind to device "+name, unix.BindToDevice(fd, name)) }
}

// NonBlock makes connect() return while the handshake is still under way: the
// port is picked by then, and the socket stays in SYN_SENT where nobody answers.
func NonBlock() Option {
	return func(fd int) error { return named("set nonblocking", unix.SetNonblock(fd, true)) }
}

func named(call string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", call, err)
	}
	return nil
}

// Socket is one open socket of a [Namespace]. Its calls work from any thread.
type Socket struct {
	ns   *Namespace
	kind Kind
	fd   int
}

// Socket opens a socket that is neither bound nor connected. It closes with
// the namespace at the latest.
func (n *Namespace) Socket(kind Kind, options ...Option) (*Socket, error) {
	var fd int
	err := n.Do(func() (err error) {
		fd, err = kind.open()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open %s socket: %w", kind, err)
	}
	s := n.own(kind, fd)
	for _, option := range options {
		if err := option(fd); err != nil {
			s.Close()
			return nil, fmt.Errorf("%s: %w", kind, err)
		}
	}
	return s, nil
}

func (n *Namespace) own(kind Kind, fd int) *Socket {
	s := &Socket{ns: n, kind: kind, fd: fd}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sockets[s] = struct{}{}
	return s
}

// FD is the file descriptor.
func (s *Socket) FD() int { return s.fd }

// Bind is bind(2). Port 0 lets the kernel choose.
func (s *Socket) Bind(addr netip.AddrPort) error {
	sa, err := s.sockaddr(addr)
	if err != nil {
		return err
	}
	return named("bind "+addr.String(), unix.Bind(s.fd, sa))
}

// Connect is connect(2). An [NonBlock] socket whose handshake is under way
// counts as connected.
func (s *Socket) Connect(addr netip.AddrPort) error {
	sa, err := s.sockaddr(addr)
	if err != nil {
		return err
	}
	err = retry(func() error { return unix.Connect(s.fd, sa) })
	if errors.Is(err, unix.EINPROGRESS) {
		return nil
	}
	return named("connect "+addr.String(), err)
}

// Disconnect dissolves the association: connect(2) with AF_UNSPEC.
func (s *Socket) Disconnect() error {
	unspec := unix.RawSockaddr{Family: unix.AF_UNSPEC}
	_, _, errno := unix.Syscall(unix.SYS_CONNECT, uintptr(s.fd), uintptr(unsafe.Pointer(&unspec)), unsafe.Sizeof(unspec))
	if errno != 0 {
		return named("disconnect", errno)
	}
	return nil
}

// Listen is listen(2) with a queue that holds a whole port range.
func (s *Socket) Listen() error { return named("listen", unix.Listen(s.fd, 65535)) }

// Accept is accept(2). It waits for a connection, but not for ever: one may
// have gone to another listener of the same port.
func (s *Socket) Accept() (*Socket, error) {
	if err := s.awaitReadable(); err != nil {
		return nil, fmt.Errorf("accept: %w", err)
	}
	var fd int
	err := retry(func() (err error) {
		fd, _, err = unix.Accept4(s.fd, unix.SOCK_CLOEXEC)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("accept: %w", err)
	}
	return s.ns.own(s.kind, fd), nil
}

func (s *Socket) awaitReadable() error {
	return retry(func() error {
		polled := []unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}}
		n, err := unix.Poll(polled, int(patience.Milliseconds()))
		if err == nil && n == 0 {
			err = unix.ETIMEDOUT
		}
		return err
	})
}

// Send is send(2) of one byte to the connected end.
func (s *Socket) Send() error {
	return named("send", retry(func() error { return unix.Send(s.fd, []byte{0}, unix.MSG_NOSIGNAL) }))
}

// SendTo is sendto(2) of one byte, which gives an unbound UDP socket its port.
func (s *Socket) SendTo(addr netip.AddrPort) error {
	sa, err := s.sockaddr(addr)
	if err != nil {
		return err
	}
	return named("send to "+addr.String(), retry(func() error { return unix.Sendto(s.fd, []byte{0}, 0, sa) }))
}

// CloseWrite is shutdown(2) of the sending side.
func (s *Socket) CloseWrite() error { return named("shutdown", unix.Shutdown(s.fd, unix.SHUT_WR)) }

// Local is getsockname(2). Mapped addresses come back as IPv4.
func (s *Socket) Local() (netip.AddrPort, error) {
	sa, err := unix.Getsockname(s.fd)
	return addrPort(sa), named("getsockname", err)
}

// Remote is getpeername(2). Mapped addresses come back as IPv4.
func (s *Socket) Remote() (netip.AddrPort, error) {
	sa, err := unix.Getpeername(s.fd)
	return addrPort(sa), named("getpeername", err)
}

// Close is close(2). A second Close does nothing.
func (s *Socket) Close() error {
	if !s.ns.disown(s) {
		return nil
	}
	return named("close", unix.Close(s.fd))
}

// Reset closes a TCP socket with a reset, so that neither end lingers.
func (s *Socket) Reset() error {
	if !s.ns.disown(s) {
		return nil
	}
	return named("close", s.abort())
}

func (n *Namespace) disown(s *Socket) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, open := n.sockets[s]
	delete(n.sockets, s)
	return open
}

func (s *Socket) abort() error {
	linger := unix.Linger{Onoff: 1}
	// It fails for sockets that cannot linger, which need not.
	_ = unix.SetsockoptLinger(s.fd, unix.SOL_SOCKET, unix.SO_LINGER, &linger)
	return unix.Close(s.fd)
}

func (s *Socket) sockaddr(addr netip.AddrPort) (unix.Sockaddr, error) {
	ip := addr.Addr()
	if !s.kind.is6() {
		if !ip.Unmap().Is4() {
			return nil, fmt.Errorf("%s socket: %w: %v", s.kind, unix.EAFNOSUPPORT, ip)
		}
		return &unix.SockaddrInet4{Port: int(addr.Port()), Addr: ip.Unmap().As4()}, nil
	}
	scope, err := s.scope(ip.Zone())
	return &unix.SockaddrInet6{Port: int(addr.Port()), Addr: ip.As16(), ZoneId: scope}, err
}

// scope is the index of a device in the socket's namespace, not the thread's.
func (s *Socket) scope(zone string) (uint32, error) {
	if zone == "" {
		return 0, nil
	}
	if index, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(index), nil
	}
	request, err := unix.NewIfreq(zone)
	if err != nil {
		return 0, err
	}
	if err := unix.IoctlIfreq(s.fd, unix.SIOCGIFINDEX, request); err != nil {
		return 0, fmt.Errorf("find device %s: %w", zone, err)
	}
	return request.Uint32(), nil
}

func addrPort(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		addr := netip.AddrFrom16(sa.Addr).Unmap()
		if sa.ZoneId != 0 {
			addr = addr.WithZone(strconv.Itoa(int(sa.ZoneId)))
		}
		return netip.AddrPortFrom(addr, uint16(sa.Port))
	}
	return netip.AddrPort{}
}

// retry repeats a call that a signal interrupted; the Go runtime sends itself some.
func retry(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
