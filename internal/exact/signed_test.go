package exact

import (
	"net/netip"
	"os"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"portrange/internal/nettest"
)

// md5Signature is struct tcp_md5sig (include/uapi/linux/tcp.h) with an IPv4 address.
type md5Signature struct {
	family    uint16
	port      uint16
	addr      [4]byte
	unused    [120]byte // of struct sockaddr_storage
	flags     uint8
	prefixLen uint8
	keyLen    uint16
	device    int32
	key       [80]byte
}

// signed is TCP_MD5SIG (tcp(7)): the segments from and to the address bear a signature.
func signed(peer netip.Addr) nettest.Option {
	return func(fd int) error {
		signature := md5Signature{family: unix.AF_INET, addr: peer.As4(), keyLen: 3, key: [80]byte{'k', 'e', 'y'}}
		_, _, errno := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.SOL_TCP, unix.TCP_MD5SIG,
			uintptr(unsafe.Pointer(&signature)), unsafe.Sizeof(signature), 0)
		if errno != 0 {
			return os.NewSyscallError("setsockopt TCP_MD5SIG", errno)
		}
		return nil
	}
}

// TestSignedConnections: a SYN with a signature has no room for timestamps
// (tcp_syn_options, net/ipv4/tcp_output.c), without which tcp_tw_reuse hands out no
// port in TIME_WAIT (tcp_twsk_unique, net/ipv4/tcp_ipv4.c). It does not matter
// whether the socket that asks signs.
func TestSignedConnections(t *testing.T) {
	nettest.NeedRoot(t)
	server := netip.MustParseAddrPort("127.0.0.1:1100")
	sign := []nettest.Option{signed(server.Addr())}
	for name, tt := range map[string]struct {
		was, asks []nettest.Option
		left      int
	}{
		"neither signs":        {nil, nil, 90},
		"both sign":            {sign, sign, 70},
		"signed in TIME_WAIT":  {sign, nil, 70},
		"one that asks, signs": {nil, sign, 90},
	} {
		t.Run(name, func(t *testing.T) {
			h := nettest.New(t)
			h.Range(fixedRange.Low, fixedRange.High)
			h.Sysctl("net.ipv4.tcp_tw_reuse", "1")
			listener, err := h.Listen(nettest.TCP4, server, tt.was...)
			if err != nil {
				t.Fatal(err)
			}
			dial := func() (*nettest.Socket, error) { return h.Connect(nettest.TCP4, server, tt.was...) }
			for range 10 {
				if _, _, err := nettest.Pair(listener, dial); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := nettest.TimeWait(listener, 20, dial); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2100 * time.Millisecond) // any kernel's reuse delay
			asks := append([]nettest.Option{nettest.NonBlock()}, tt.asks...)
			expectGrants(t, h, server.Addr(), server, tt.left, tt.left, func() (*nettest.Socket, error) {
				return h.Connect(nettest.TCP4, server, asks...)
			})
		})
	}
}
