package nettest_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"portrange/internal/nettest"
)

var (
	server4 = netip.MustParseAddrPort("127.0.0.1:80")
	server6 = netip.MustParseAddrPort("[::1]:80")
	any4    = netip.MustParseAddrPort("127.0.0.1:0")
)

// smallHost has a range of four ports and a listener outside of it.
func smallHost(t *testing.T) (*nettest.Host, *nettest.Socket) {
	t.Helper()
	h := nettest.New(t)
	h.Range(40000, 40003)
	listener, err := h.Listen(nettest.TCP4, server4)
	if err != nil {
		t.Fatal(err)
	}
	return h, listener
}

func TestFullRangeFailsAsTheKernelSays(t *testing.T) {
	udp := netip.MustParseAddrPort("127.0.0.1:53")
	tests := []struct {
		name string
		dial func(*nettest.Host) (*nettest.Socket, error)
		want error
	}{
		{"connect", func(h *nettest.Host) (*nettest.Socket, error) {
			return h.Connect(nettest.TCP4, server4)
		}, unix.EADDRNOTAVAIL},
		{"connect mapped", func(h *nettest.Host) (*nettest.Socket, error) {
			return h.Connect(nettest.TCP6, netip.MustParseAddrPort("[::ffff:127.0.0.1]:80"))
		}, unix.EADDRNOTAVAIL},
		{"bind then connect", func(h *nettest.Host) (*nettest.Socket, error) {
			return h.BindConnect(nettest.TCP4, any4, server4)
		}, unix.EADDRINUSE},
		{"bind without port then connect", func(h *nettest.Host) (*nettest.Socket, error) {
			return h.BindConnect(nettest.TCP4, any4, server4, nettest.BindNoPort())
		}, unix.EADDRNOTAVAIL},
		{"idle bind", func(h *nettest.Host) (*nettest.Socket, error) {
			return h.Bind(nettest.TCP4, any4)
		}, unix.EADDRINUSE},
		{"udp connect", func(h *nettest.Host) (*nettest.Socket, error) {
			return h.Connect(nettest.UDP4, udp)
		}, unix.EAGAIN},
		{"udp bind", func(h *nettest.Host) (*nettest.Socket, error) {
			return h.Bind(nettest.UDP4, any4)
		}, unix.EADDRINUSE},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h, _ := smallHost(t)
			n, err := nettest.Fill(func() (*nettest.Socket, error) { return test.dial(h) })
			if n != 4 || !errors.Is(err, test.want) {
				t.Errorf("%d sockets, then %v; want 4, then %v", n, err, test.want)
			}
		})
	}
}

func TestLocalRangeNarrows(t *testing.T) {
	h, _ := smallHost(t)
	n, err := nettest.Fill(func() (*nettest.Socket, error) {
		return h.Connect(nettest.TCP4, server4, nettest.LocalRange(40001, 40002))
	})
	if n != 2 || !errors.Is(err, unix.EADDRNOTAVAIL) {
		t.Errorf("%d sockets, then %v", n, err)
	}
}

func TestReuseOptionsShareAPort(t *testing.T) {
	at := netip.MustParseAddrPort("127.0.0.1:8080")
	for name, option := range map[string]nettest.Option{"addr": nettest.ReuseAddr(), "port": nettest.ReusePort()} {
		t.Run(name, func(t *testing.T) {
			h := nettest.New(t)
			for range 2 {
				if _, err := h.Bind(nettest.TCP4, at, option); err != nil {
					t.Error(err)
				}
			}
			if _, err := h.Bind(nettest.TCP4, at); !errors.Is(err, unix.EADDRINUSE) {
				t.Errorf("without the option: %v", err)
			}
		})
	}
}

func TestV6OnlyLeavesIPv4Alone(t *testing.T) {
	wildcard6, wildcard4 := netip.MustParseAddrPort("[::]:8080"), netip.MustParseAddrPort("0.0.0.0:8080")
	for only, want := range map[bool]error{true: nil, false: unix.EADDRINUSE} {
		h := nettest.New(t)
		if _, err := h.Listen(nettest.TCP6, wildcard6, nettest.V6Only(only)); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Listen(nettest.TCP4, wildcard4); !errors.Is(err, want) {
			t.Errorf("v6only %v: %v, want %v", only, err, want)
		}
	}
}

// statesIn counts the namespace's TCP sockets on local ports of the range by state, as ss sees them.
func statesIn(t *testing.T, h *nettest.Host) map[string]int {
	t.Helper()
	out, err := h.Command("ss", "-Htan", "sport >= 40000").Output()
	if err != nil {
		t.Fatal(err)
	}
	states := map[string]int{}
	for line := range strings.Lines(string(out)) {
		states[strings.Fields(line)[0]]++
	}
	return states
}

func TestStatesAreThereOnReturn(t *testing.T) {
	h, listener := smallHost(t)
	h.Sysctl("net.ipv4.tcp_tw_reuse", "0") // else the fifth connect takes the first one's port after a second
	dial := func() (*nettest.Socket, error) { return h.Connect(nettest.TCP4, server4) }

	locals, err := nettest.TimeWait(listener, 1, dial)
	if err != nil || len(locals) != 1 {
		t.Fatal(locals, err)
	}
	if _, _, err := nettest.FinWait2(listener, dial); err != nil {
		t.Fatal(err)
	}
	orphan, _, err := nettest.FinWait2(listener, dial)
	if err != nil {
		t.Fatal(err)
	}
	if err := orphan.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := nettest.CloseWait(listener, dial); err != nil {
		t.Fatal(err)
	}
	got := statesIn(t, h)
	if got["TIME-WAIT"] != 1 || got["FIN-WAIT-2"] != 2 || got["CLOSE-WAIT"] != 1 {
		t.Errorf("states %v", got)
	}
	if _, err := dial(); !errors.Is(err, unix.EADDRNOTAVAIL) {
		t.Errorf("fifth connect from four ports: %v", err)
	}
}

func TestOtherKinds(t *testing.T) {
	h := nettest.New(t)
	if _, err := h.Listen(nettest.MPTCP6, server6); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Connect(nettest.MPTCP6, server6); err != nil {
		t.Error(err)
	}
	for _, kind := range []nettest.Kind{nettest.RAW4, nettest.RAW6} {
		if _, err := h.Socket(kind); err != nil {
			t.Error(err)
		}
	}
	udp, err := h.Socket(nettest.UDP6)
	if err != nil {
		t.Fatal(err)
	}
	if err := udp.SendTo(server6); err != nil {
		t.Fatal(err)
	}
	if local, err := udp.Local(); err != nil || local.Port() == 0 {
		t.Errorf("unbound UDP after a send: %v, %v", local, err)
	}
}

func TestDisconnectKeepsNoPeer(t *testing.T) {
	h, _ := smallHost(t)
	s, err := h.Connect(nettest.TCP4, server4)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Disconnect(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Remote(); !errors.Is(err, unix.ENOTCONN) {
		t.Errorf("peer after disconnect: %v", err)
	}
}

func TestResetLeavesNoTimeWait(t *testing.T) {
	h, listener := smallHost(t)
	client, _, err := nettest.Pair(listener, func() (*nettest.Socket, error) { return h.Connect(nettest.TCP4, server4) })
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Reset(); err != nil {
		t.Fatal(err)
	}
	if got := statesIn(t, h); len(got) != 0 {
		t.Errorf("states %v", got)
	}
	if err := client.Close(); err != nil {
		t.Errorf("close after reset: %v", err)
	}
}

func TestAddressFamilyMismatch(t *testing.T) {
	h := nettest.New(t)
	if _, err := h.Connect(nettest.TCP4, server6); !errors.Is(err, unix.EAFNOSUPPORT) {
		t.Errorf("IPv6 address on an IPv4 socket: %v", err)
	}
}

func BenchmarkFillSmallRange(b *testing.B) {
	for b.Loop() {
		n, err := nettest.Create()
		if err != nil {
			b.Fatal(err)
		}
		if err := n.SetRange(40000, 40499); err != nil {
			b.Fatal(err)
		}
		if _, err := n.Listen(nettest.TCP4, server4); err != nil {
			b.Fatal(err)
		}
		got, err := nettest.Fill(func() (*nettest.Socket, error) { return n.Connect(nettest.TCP4, server4) })
		if got != 500 || !errors.Is(err, unix.EADDRNOTAVAIL) {
			b.Fatal(got, err)
		}
		if err := n.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
