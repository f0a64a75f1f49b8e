package exact

import (
	"errors"
	"net/netip"
	"os"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"portrange/internal/nettest"
)

// authentication is struct tcp_ao_add (include/uapi/linux/tcp.h) with an IPv4 address.
type authentication struct {
	family           uint16
	port             uint16
	addr             [4]byte
	unused           [120]byte // of struct sockaddr_storage
	algorithm        [64]byte
	device           int32
	flags            uint32
	reserved         uint16
	prefixLen        uint8
	sendID, receive  uint8
	macLen, keyFlags uint8
	keyLen           uint8
	key              [80]byte
}

// authenticated is TCP_AO_ADD_KEY (Linux 6.7, RFC 5925): the segments from and to the
// address are authenticated.
func authenticated(peer netip.Addr) nettest.Option {
	return func(fd int) error {
		const addKey = 38
		a := authentication{
			family: unix.AF_INET, addr: peer.As4(), prefixLen: 32, sendID: 100, receive: 100, macLen: 12, keyLen: 3, key: [80]byte{'k', 'e', 'y'},
		}
		copy(a.algorithm[:], "hmac(sha1)")
		_, _, errno := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_TCP, addKey,
			uintptr(unsafe.Pointer(&a)), unsafe.Sizeof(a), 0)
		if errno != 0 {
			return os.NewSyscallError("setsockopt TCP_AO_ADD_KEY", errno)
		}
		return nil
	}
}

// TestAuthenticatedConnections: beside authentication and SACK the answer to a SYN has
// no room for timestamps (tcp_synack_options, net/ipv4/tcp_output.c), and so nobody
// takes over a port in TIME_WAIT. A kernel that knows nothing of it has nothing to count.
func TestAuthenticatedConnections(t *testing.T) {
	nettest.NeedRoot(t)
	h := nettest.New(t)
	h.Range(fixedRange.Low, fixedRange.High)
	h.Sysctl("net.ipv4.tcp_tw_reuse", "1")
	server := netip.MustParseAddrPort("127.0.0.1:1100")
	listener, err := h.Listen(nettest.TCP4, server, authenticated(server.Addr()))
	if errors.Is(err, unix.ENOPROTOOPT) {
		t.Logf("this kernel has no TCP-AO: %v", err)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	dial := func() (*nettest.Socket, error) { return h.Connect(nettest.TCP4, server, authenticated(server.Addr())) }
	for range 10 {
		if _, _, err := nettest.Pair(listener, dial); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := nettest.TimeWait(listener, 20, dial); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2100 * time.Millisecond) // any kernel's reuse delay
	expectGrants(t, h, server.Addr(), server, 70, 70, func() (*nettest.Socket, error) {
		return h.Connect(nettest.TCP4, server, nettest.NonBlock(), authenticated(server.Addr()))
	})
}

// TestMountedConnection: the kernel connects to an NFS server by itself. Without
// noresvport it binds to a privileged port before, with it connect() picks one
// (xs_bind, net/sunrpc/xprtsock.c). A kernel without NFS has nothing to count.
func TestMountedConnection(t *testing.T) {
	nettest.NeedRoot(t)
	server := netip.MustParseAddrPort("127.0.0.1:1100")
	for option, left := range map[string]int{"noresvport": 99, "resvport": 100} {
		t.Run(option, func(t *testing.T) {
			h := nettest.New(t)
			h.Range(fixedRange.Low, fixedRange.High)
			dial := func() (*nettest.Socket, error) { return h.Connect(nettest.TCP4, server, nettest.NonBlock()) }
			mounted := make(chan error, 1)
			if err := mount(t, h, server, option, mounted); errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EPROTONOSUPPORT) {
				t.Logf("this kernel has no NFS: %v", err)
				return
			} else if err != nil {
				t.Fatalf("mount: %v", err)
			}
			expectGrants(t, h, server.Addr(), server, left, left, dial)
			if err := <-mounted; err == nil {
				t.Error("mounted, though nobody answered")
			}
		})
	}
}

// mount has the kernel connect to a server that never answers, and returns once the
// connection is there; the failure of the mount comes later. It returns the failure
// of one that did not connect.
func mount(t *testing.T, h *nettest.Host, server netip.AddrPort, option string, mounted chan<- error) error {
	listener, err := h.Listen(nettest.TCP4, server)
	if err != nil {
		return err
	}
	dir, accepted, failed := t.TempDir(), make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := listener.Accept()
		accepted <- err
	}()
	go func() {
		err := h.Try(func() error {
			return unix.Mount("127.0.0.1:/", dir, "nfs", 0,
				"vers=4.2,addr=127.0.0.1,clientaddr=127.0.0.1,port=1100,soft,timeo=20,retrans=1,"+option)
		})
		failed <- err
		mounted <- err
	}()
	select {
	case err := <-accepted:
		return err
	case err := <-failed:
		if _, dialed := h.Connect(nettest.TCP4, server); dialed != nil { // which ends accept()
			return dialed
		}
		return errors.Join(err, <-accepted)
	}
}
