package sockdiag_test

import (
	"net/netip"
	"sync"
	"testing"

	"portrange/internal/host"
	"portrange/internal/kernel/sockdiag"
	"portrange/internal/nettest"
	"portrange/internal/port"
)

// crampedHost has a table of a few chains, which 1,000 sockets make long.
func crampedHost(t *testing.T) *nettest.Host {
	t.Helper()
	parent := nettest.New(t)
	parent.Sysctl("net.ipv4.tcp_child_ehash_entries", "16")
	parent.Sysctl("net.ipv4.udp_child_hash_entries", "128")
	var h *nettest.Host
	parent.Do(func() { h = nettest.New(t) })
	return h
}

// stay opens sockets that stay, and returns their local ends.
func stay(t *testing.T, h *nettest.Host, n int, kind nettest.Kind, to netip.AddrPort) map[netip.AddrPort]bool {
	t.Helper()
	stable := map[netip.AddrPort]bool{}
	for range n {
		s, err := h.Connect(kind, to, nettest.NonBlock())
		if err != nil {
			t.Fatal(err)
		}
		local, err := s.Local()
		if err != nil {
			t.Fatal(err)
		}
		stable[local] = true
	}
	return stable
}

// churn opens and closes sockets until the test says stop.
func churn(t *testing.T, h *nettest.Host, kind nettest.Kind, to netip.AddrPort) (stop func()) {
	t.Helper()
	done := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		var open [64]*nettest.Socket
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
			}
			if at := i * 7 % len(open); open[at] != nil {
				_ = open[at].Reset()
			}
			open[i*7%len(open)], _ = h.Connect(kind, to, nettest.NonBlock())
		}
	})
	return func() { close(done); running.Wait() }
}

// TestLiveStableSocketsAreFound: while others come and go, those that stay are all
// listed, or as many are missing as is said.
func TestLiveStableSocketsAreFound(t *testing.T) {
	for _, tt := range []struct {
		proto port.Proto
		kind  nettest.Kind
	}{{port.TCP, nettest.TCP4}, {port.UDP, nettest.UDP4}} {
		h := crampedHost(t)
		h.Sink("sink0", "10.1.0.1/24")
		to := netip.MustParseAddrPort("10.1.0.77:80")
		stable := stay(t, h, 1000, tt.kind, to)
		stop := churn(t, h, tt.kind, to)
		worst, bounds := 0, 0
		for range 40 {
			missing, bound := count(t, h, tt.proto, stable)
			if missing > bound {
				t.Errorf("%v: %d of the sockets that stay are missing, at most %d may be", tt.proto, missing, bound)
			}
			worst, bounds = max(worst, missing), bounds+bound
		}
		stop()
		t.Logf("%v: up to %d missing, bound %d on average", tt.proto, worst, bounds/40)
	}
}

func count(t *testing.T, h *nettest.Host, proto port.Proto, stable map[netip.AddrPort]bool) (missing, bound int) {
	t.Helper()
	found := map[netip.AddrPort]bool{}
	h.Do(func() {
		var gaps host.Gaps
		stream := sockdiag.New().Sockets(t.Context(), &gaps)
		for s := range stream.All() {
			if s.Proto != proto || !stable[s.Local] {
				continue
			}
			if found[s.Local] {
				t.Errorf("%v came twice", s.Local)
			}
			found[s.Local] = true
		}
		for _, gap := range gaps.List() {
			if gap.Missed.Proto == proto {
				bound += gap.Missed.Sockets
			} else if gap.Missed.Sockets == 0 {
				t.Error(gap)
			}
		}
		if err := stream.Err(); err != nil {
			t.Error(err)
		}
	})
	return len(stable) - len(found), bound
}
