package sockiter

import (
	"cmp"
	"net/netip"
	"slices"
	"testing"

	"github.com/cilium/ebpf/btf"
	gocmp "github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"portrange/internal/nettest"
	"portrange/internal/port"
)

// entry is what the table is to say of one socket.
type entry struct {
	Local string
	State port.State
	Hold  port.Hold
}

// TestTableEntries: sockets that got to their place in the table, or to their
// state there, by another way than bind(), listen() and connect() in a row.
func TestTableEntries(t *testing.T) {
	for name, test := range map[string]struct {
		make func(*scene)
		want []entry
	}{
		"listeners that share a port": {shareListeners, []entry{
			{"10.0.0.1:90", port.Listen, port.BindHeld},
			{"10.0.0.1:90", port.Listen, port.BindHeld},
			{"10.0.0.1:90", port.Listen, port.BindHeld},
			{"[::]:90", port.Listen, port.BindHeld},
		}},
		"a device of its own": {bindDevice, []entry{
			{"10.0.0.1:90", port.BoundInactive, port.BindHeld},
			{"10.0.0.2:90", port.BoundInactive, port.BindHeld},
		}},
		"connected from any address": {connectFromAny, []entry{
			{"10.0.0.1:90", port.Established, port.BindHeld},
			{"0.0.0.0:90", port.BoundInactive, port.BindHeld},
		}},
		"reset by the peer, with a port from bind()": {resetByPeer, []entry{
			{"10.0.0.2:90", port.BoundInactive, port.BindHeld},
		}},
		"disconnected, with a port from bind()": {disconnect, []entry{
			{"10.0.0.2:90", port.BoundInactive, port.BindHeld},
		}},
		"disconnected and connected again": {reconnect, []entry{
			{"10.0.0.2:90", port.Established, port.BindHeld},
		}},
		"accepted through TCP Fast Open before the handshake ends": {openFast, []entry{
			{"10.0.0.1:90", port.Listen, port.BindHeld},
			{"10.0.0.1:90", port.SynRecv, port.BindHeld},
		}},
		"a request, which holds no port": {requestOnly, []entry{
			{"10.0.0.1:90", port.Listen, port.BindHeld},
		}},
		"subflows of MPTCP": {connectSubflows, []entry{
			{"10.0.0.1:90", port.Listen, port.BindHeld},
			{"10.0.0.1:90", port.Established, port.BindHeld},
		}},
		"timewait sockets of IPv6": {timeWait6, []entry{
			{"[fd00::1]:90", port.Listen, port.BindHeld},
			{"[fd00::2]:90", port.TimeWait, port.BindHeld},
			{"10.0.0.2:90", port.TimeWait, port.BindHeld},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			sc := newBindScene(t)
			test.make(sc)
			if diff := gocmp.Diff(inOrder(test.want), sc.entries(90)); diff != "" {
				t.Errorf("entries (-want +got):\n%s", diff)
			}
		})
	}
}

// entries are those of one port, in order.
func (sc *scene) entries(of uint16) []entry {
	sc.t.Helper()
	var found []entry
	for _, s := range sc.sockets() {
		if s.Local.Port() == of {
			found = append(found, entry{s.Local.String(), s.State, s.Hold})
		}
	}
	return inOrder(found)
}

func inOrder(entries []entry) []entry {
	return slices.SortedFunc(slices.Values(entries), func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.Local, b.Local), cmp.Compare(a.State, b.State))
	})
}

func shareListeners(sc *scene) {
	for range 3 {
		sc.listen(nettest.TCP4, "10.0.0.1:90", nettest.ReusePort())
	}
	sc.listen(nettest.TCP6, "[::]:90", nettest.V6Only(true), nettest.ReusePort())
}

func bindDevice(sc *scene) {
	sc.must(sc.Bind(nettest.TCP4, netip.MustParseAddrPort("10.0.0.1:90"), nettest.Device("lo")))
	sc.must(sc.Bind(nettest.TCP4, netip.MustParseAddrPort("10.0.0.2:90")))
	bound := sc.the("socket of lo", func(s port.Socket) bool { return s.Device != 0 })
	if bound.Local.String() != "10.0.0.1:90" {
		sc.t.Errorf("%v has the device", bound.Local)
	}
}

// connectFromAny has the kernel move one of two sockets from the bucket of the
// unspecified address to that of the one it connects from.
func connectFromAny(sc *scene) {
	sc.listen(nettest.TCP4, "10.0.0.1:80")
	sc.must(sc.Bind(nettest.TCP4, netip.MustParseAddrPort("0.0.0.0:90"), nettest.ReuseAddr()))
	sc.bindConnect(nettest.TCP4, "0.0.0.0:90", "10.0.0.1:80", nettest.ReuseAddr())
}

func bound(sc *scene) (client, server *nettest.Socket) {
	sc.t.Helper()
	listener := sc.listen(nettest.TCP4, "10.0.0.1:80")
	client = sc.bindConnect(nettest.TCP4, "10.0.0.2:90", "10.0.0.1:80")
	return client, sc.must(listener.Accept())
}

func resetByPeer(sc *scene) {
	client, server := bound(sc)
	if err := server.Reset(); err != nil {
		sc.t.Fatal(err)
	}
	if err := client.AwaitState(unix.BPF_TCP_CLOSE); err != nil {
		sc.t.Fatal(err)
	}
}

func disconnect(sc *scene) {
	client, _ := bound(sc)
	if err := client.Disconnect(); err != nil {
		sc.t.Fatal(err)
	}
}

func reconnect(sc *scene) {
	client, _ := bound(sc)
	sc.listen(nettest.TCP4, "10.0.0.1:81")
	if err := client.Disconnect(); err != nil {
		sc.t.Fatal(err)
	}
	if err := client.Connect(netip.MustParseAddrPort("10.0.0.1:81")); err != nil {
		sc.t.Fatal(err)
	}
}

// onlySYN has a listener take nothing but the first packet of a connection.
func onlySYN(fd int) error {
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 13}, // the flags of the TCP header
		{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: 0x02},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: 0, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0xffff},
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
}

func fastOpen(fd int) error {
	return unix.SetsockoptInt(fd, unix.SOL_TCP, unix.TCP_FASTOPEN, 16)
}

// openFast leaves the accepted socket waiting for the client's last packet.
func openFast(sc *scene) {
	sc.Sysctl("net.ipv4.tcp_fastopen", "0x207") // both ends, without cookies
	sc.listen(nettest.TCP4, "10.0.0.1:90", fastOpen, onlySYN)
	s := sc.must(sc.Socket(nettest.TCP4))
	to := &unix.SockaddrInet4{Addr: [4]byte{10, 0, 0, 1}, Port: 90}
	if err := unix.Sendto(s.FD(), []byte{0}, unix.MSG_FASTOPEN, to); err != nil {
		sc.t.Fatal(err)
	}
}

// requestOnly makes sure that there is a request, by the iterator, which lists it.
func requestOnly(sc *scene) {
	sc.listen(nettest.TCP4, "10.0.0.1:90", onlySYN)
	sc.connect(nettest.TCP4, "10.0.0.1:90")
	table := sc.p
	sc.p = openFor(sc.t, Options{}, func(*testing.T, *btf.Spec) {})
	sc.the("request", func(s port.Socket) bool { return s.Hold == port.NotHeld })
	sc.p = table
}

func connectSubflows(sc *scene) {
	server := sc.listen(nettest.MPTCP4, "10.0.0.1:90")
	sc.connect(nettest.MPTCP4, "10.0.0.1:90")
	sc.must(server.Accept())
}

func timeWait6(sc *scene) {
	six := sc.listen(nettest.TCP6, "[fd00::1]:90")
	four := sc.listen(nettest.TCP6, "[::]:91", nettest.V6Only(false))
	for listener, ends := range map[*nettest.Socket][2]string{
		six:  {"[fd00::2]:90", "[fd00::1]:90"},
		four: {"[::ffff:10.0.0.2]:90", "[::ffff:10.0.0.1]:91"},
	} {
		_, err := nettest.TimeWait(listener, 1, func() (*nettest.Socket, error) {
			return sc.BindConnect(nettest.TCP6, netip.MustParseAddrPort(ends[0]), netip.MustParseAddrPort(ends[1]))
		})
		if err != nil {
			sc.t.Fatal(err)
		}
	}
	for _, s := range sc.sockets() {
		if s.State == port.TimeWait && (!s.Mini || !s.Stamped || !s.Family6) {
			sc.t.Errorf("%+v", s)
		}
	}
}
