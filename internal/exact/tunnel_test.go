package exact

import (
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"portrange/internal/nettest"
)

// TestSocketsOfTheKernel: a tunnel listens with sockets that the kernel opened for
// itself (udp_sock_create, net/ipv4/udp_tunnel_core.c), one of each family. They
// belong to no process and are in the way like all others.
func TestSocketsOfTheKernel(t *testing.T) {
	nettest.NeedRoot(t)
	for _, kind := range []nettest.Kind{nettest.UDP4, nettest.UDP6} {
		t.Run(string(kind), func(t *testing.T) {
			h := nettest.New(t)
			h.Range(fixedRange.Low, fixedRange.High)
			for _, command := range []string{
				"link add v4 type vxlan id 1 local 127.0.0.1 dstport 40050", "link set v4 up",
				"link add v6 type vxlan id 2 local ::1 dstport 40051", "link set v6 up",
			} {
				if out, err := h.Command("ip", strings.Fields(command)...).CombinedOutput(); err != nil {
					t.Fatalf("ip %s: %v: %s", command, err, out)
				}
			}
			to, want := netip.MustParseAddrPort("127.0.0.1:53"), 99
			if kind == nettest.UDP6 { // a socket on :: meets those of IPv4 too
				to, want = netip.MustParseAddrPort("[::1]:53"), 98
			}
			expectAnswer(t, h, want, want, question{
				name: "connect " + to.String(), args: []string{"--proto", "udp", to.String()}, refusal: unix.EAGAIN,
				dial: func() (*nettest.Socket, error) { return h.Connect(kind, to) },
			})
		})
	}
}
