package nettest_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"portrange/internal/nettest"
)

func TestMain(m *testing.M) { nettest.Main(m) }

// threadID is the namespace of the calling thread.
func threadID(t *testing.T) uint64 {
	t.Helper()
	var stat unix.Stat_t
	if err := unix.Stat("/proc/thread-self/ns/net", &stat); err != nil {
		t.Fatal(err)
	}
	return stat.Ino
}

func TestDoEntersAndReturns(t *testing.T) {
	a, b := nettest.New(t), nettest.New(t)
	home := threadID(t)
	a.Do(func() {
		if got := threadID(t); got != a.ID() {
			t.Errorf("inside a: %d, want %d", got, a.ID())
		}
		b.Do(func() {
			if got := threadID(t); got != b.ID() {
				t.Errorf("inside b: %d, want %d", got, b.ID())
			}
		})
		if got := threadID(t); got != a.ID() {
			t.Errorf("back in a: %d, want %d", got, a.ID())
		}
	})
	if got := threadID(t); got != home {
		t.Errorf("after: %d, want %d", got, home)
	}
}

func TestDoReturnsAfterPanic(t *testing.T) {
	h := nettest.New(t)
	home := threadID(t)
	func() {
		defer func() { _ = recover() }()
		h.Do(func() { panic("in the namespace") })
	}()
	if got := threadID(t); got != home {
		t.Errorf("after a panic: %d, want %d", got, home)
	}
}

func TestTryReturnsTheError(t *testing.T) {
	want := errors.New("no")
	if err := nettest.New(t).Try(func() error { return want }); !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}

func TestFreshHostHasDefaults(t *testing.T) {
	h := nettest.New(t)
	if got := h.GetSysctl("net.ipv4.ip_local_port_range"); got != "32768\t60999" {
		t.Errorf("range %q", got)
	}
	h.Range(512, 600)
	if got := h.GetSysctl("net.ipv4.ip_local_port_range"); got != "512\t600" {
		t.Errorf("range after change %q", got)
	}
	if err := h.WriteSysctl("kernel.hostname", "x"); err == nil {
		t.Error("a setting of the machine was written")
	}
}

func TestOtherProcessesEnter(t *testing.T) {
	h := nettest.New(t)
	out, err := h.Command("readlink", "/proc/self/ns/net").Output()
	if want := fmt.Sprintf("net:[%d]\n", h.ID()); err != nil || string(out) != want {
		t.Errorf("command ran in %q (%v), want %q", out, err, want)
	}
	if _, err := os.Stat(h.Path()); err != nil {
		t.Errorf("path: %v", err)
	}
}

func TestNamedHostIsListedAndGoes(t *testing.T) {
	name := fmt.Sprintf("nettest-%d", os.Getpid())
	t.Run("open", func(t *testing.T) {
		h := nettest.NewNamed(t, name)
		out, err := h.Command("ip", "netns", "identify").Output()
		if err != nil || strings.TrimSpace(string(out)) != name {
			t.Errorf("ip netns identify: %q, %v", out, err)
		}
	})
	if _, err := os.Stat("/run/netns/" + name); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after the test: %v", err)
	}
}

func TestLinkCarriesTraffic(t *testing.T) {
	a, b := nettest.New(t), nettest.New(t)
	nettest.Link(a, b, "eth0")
	a.AddrOn("eth0", "10.9.0.1/24", "fd09::1/64")
	b.AddrOn("eth0", "10.9.0.2/24", "fd09::2/64")
	for kind, at := range map[nettest.Kind]string{nettest.TCP4: "10.9.0.2:80", nettest.TCP6: "[fd09::2]:80"} {
		to := netip.MustParseAddrPort(at)
		if _, err := b.Listen(kind, to); err != nil {
			t.Fatal(err)
		}
		client, err := a.Connect(kind, to)
		if err != nil {
			t.Errorf("connect %s: %v", at, err)
			continue
		}
		if remote, err := client.Remote(); err != nil || remote != to {
			t.Errorf("peer of %s: %v, %v", at, remote, err)
		}
	}
}

func TestSinkSwallowsAndRoutePrefersSource(t *testing.T) {
	h := nettest.New(t)
	h.Sink("sink0", "10.1.0.1/24", "10.1.0.9/24")
	h.Route("192.0.2.0/24", "sink0", "10.1.0.9")
	s, err := h.Connect(nettest.TCP4, netip.MustParseAddrPort("192.0.2.1:80"), nettest.NonBlock())
	if err != nil {
		t.Fatal(err)
	}
	if state, err := s.State(); err != nil || state != unix.BPF_TCP_SYN_SENT {
		t.Errorf("state %d, %v", state, err)
	}
	if local, err := s.Local(); err != nil || local.Addr().String() != "10.1.0.9" {
		t.Errorf("source %v, %v", local, err)
	}
}
