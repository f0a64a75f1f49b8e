package cli

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"portrange/internal/nettest"
)

// sharing is [twoWays] with ip_autobind_reuse.
func sharing(t *testing.T) *nettest.Host {
	t.Helper()
	h := twoWays(t)
	h.Sysctl("net.ipv4.ip_autobind_reuse", "1")
	return h
}

const (
	here  = "203.0.113.1:80"
	there = "203.0.113.2:80"
)

// hold opens n sockets of a client.
func hold(t *testing.T, h *nettest.Host, n int, c client) {
	t.Helper()
	for i := range n {
		if _, err := c.dial(h)(); err != nil {
			t.Fatalf("%d of %v: %v", i, c, err)
		}
	}
}

func binder(to, from string, options ...nettest.Option) client {
	return client{args: []string{to, "--bind", "--local", from}, kind: nettest.TCP4, from: from, options: options}
}

// reusing is a binder whose sockets have SO_REUSEADDR.
func reusing(to, from string, options ...nettest.Option) client {
	c := binder(to, from, append(options, nettest.ReuseAddr())...)
	c.args = append(c.args, "--reuse")
	return c
}

// askAndGrant compares with what is granted to a client that tries again.
func askAndGrant(t *testing.T, h *nettest.Host, what string, c client) said {
	t.Helper()
	answer := ask(t, h, c.args...)
	granted := grant(c.dial(h))
	if answer.Left != granted || answer.Exact != (answer.Shared == 0) || answer.Endless || answer.ErrorBound < answer.Shared {
		t.Errorf("%s: %v: said %+v, granted %d", what, c.args, answer, granted)
	}
	return answer
}

// TestLiveSharedPorts: with ip_autobind_reuse, what is left to a destination ends
// with the tuples to it, of which bind() only ever finds some.
func TestLiveSharedPorts(t *testing.T) {
	nettest.NeedRoot(t)
	const local = "10.1.0.1"
	for name, tt := range map[string]struct {
		hold   func(h *nettest.Host)
		client client
		shared int // in the lower half are three of each parity
	}{
		"nothing there":              {func(*nettest.Host) {}, reusing(here, local), 0},
		"full, the same destination": {func(h *nettest.Host) { hold(t, h, 12, reusing(here, local)) }, reusing(here, local), 0},
		"full, another one":          {func(h *nettest.Host) { hold(t, h, 12, reusing(here, local)) }, reusing(there, local), 3},
		"half, the same":             {func(h *nettest.Host) { hold(t, h, 6, reusing(here, local)) }, reusing(here, local), 0},
		"half, another one":          {func(h *nettest.Host) { hold(t, h, 6, reusing(here, local)) }, reusing(there, local), 3},
		"without SO_REUSEADDR":       {func(h *nettest.Host) { hold(t, h, 6, reusing(here, local)) }, binder(there, local), 0},
		"held without it":            {func(h *nettest.Host) { hold(t, h, 6, binder(here, local)) }, reusing(there, local), 0},
		"from all addresses":         {func(h *nettest.Host) { hold(t, h, 12, reusing(here, local)) }, reusing(there, "0.0.0.0"), 3},
		"from all, the same":         {func(h *nettest.Host) { hold(t, h, 12, reusing(here, local)) }, reusing(here, "0.0.0.0"), 0},
		"two destinations": {func(h *nettest.Host) {
			hold(t, h, 12, reusing(here, local))
			hold(t, h, 1, reusing(there, local))
		}, reusing(there, local), 2},
		"connect() with it": {func(h *nettest.Host) {
			hold(t, h, 6, client{args: []string{here}, kind: nettest.TCP4, options: []nettest.Option{nettest.ReuseAddr()}})
		}, reusing(there, local), 0}, // its own ports of the lower half are found again and again
	} {
		h := sharing(t)
		tt.hold(h)
		if answer := askAndGrant(t, h, name, tt.client); answer.Shared != tt.shared {
			t.Errorf("%s: said %+v, want %d shared", name, answer, tt.shared)
		}
	}
}

// TestLiveSharedPortsAtRandom tries mixtures.
func TestLiveSharedPortsAtRandom(t *testing.T) {
	nettest.NeedRoot(t)
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 0))
		h := sharing(t)
		addrs := []string{"10.1.0.1", "10.2.0.1", "0.0.0.0"}
		for range r.IntN(14) {
			to, from := []string{here, there}[r.IntN(2)], addrs[r.IntN(3)]
			c := []func(string, string, ...nettest.Option) client{binder, reusing, reusing}[r.IntN(3)](to, from)
			switch r.IntN(6) {
			case 0:
				c.from = ""
			case 1:
				_, _ = h.Listen(nettest.TCP4, netip.AddrPortFrom(netip.MustParseAddr(from), 0), c.options...)
				continue
			case 2:
				c.options = append(c.options, nettest.ReusePort())
			}
			_, _ = c.dial(h)()
		}
		c := reusing(here, addrs[r.IntN(3)])
		if r.IntN(3) == 0 {
			c.args, c.options = append(c.args, "--reuseport"), append(c.options, nettest.ReusePort())
		}
		askAndGrant(t, h, fmt.Sprintf("mixture %d", seed), c)
	}
}

// TestLiveSharedPortsInTimeWait: bind() shares them, and connect() takes their tuple
// over, whatever tcp_tw_reuse says, as the port is chosen by then.
func TestLiveSharedPortsInTimeWait(t *testing.T) {
	nettest.NeedRoot(t)
	h := sharing(t)
	h.Sysctl("net.ipv4.tcp_tw_reuse", "0")
	listener, err := h.Listen(nettest.TCP4, netip.MustParseAddrPort("10.1.0.1:8080"))
	if err != nil {
		t.Fatal(err)
	}
	c := reusing("10.1.0.1:8080", "10.1.0.1")
	if _, err := nettest.TimeWait(listener, 12, func() (*nettest.Socket, error) {
		return h.BindConnect(c.kind, netip.MustParseAddrPort("10.1.0.1:0"), netip.MustParseAddrPort(c.args[0]), nettest.ReuseAddr())
	}); err != nil {
		t.Fatal(err)
	}
	if answer := askAndGrant(t, h, "TIME_WAIT", c); answer.Shared != 3 {
		t.Errorf("%+v, want 3 shared", answer)
	}
}
