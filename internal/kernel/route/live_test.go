package route_test

import (
	"context"
	"errors"
	"net/netip"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"portrange/internal/kernel/route"
	"portrange/internal/nettest"
)

// routedHost has two devices with two addresses each, of both families, and
// routes that prefer the second one.
func routedHost(t *testing.T) *nettest.Host {
	t.Helper()
	h := nettest.New(t)
	h.Addr("10.0.0.1", "fd00::1")
	h.Sink("sink0", "10.1.0.1/24", "10.1.0.9/24", "fd01::1/64", "fd01::9/64")
	h.Sink("sink1", "10.2.0.1/24", "fd02::1/64")
	h.Route("192.0.2.0/24", "sink0", "")
	h.Route("198.51.100.0/24", "sink0", "10.1.0.9")
	h.Route("2001:db8:1::/48", "sink0", "fd01::9")
	return h
}

func TestLiveSourceIsWhatConnectTakes(t *testing.T) {
	h := routedHost(t)
	tests := []struct{ remote, device string }{
		{"127.0.0.1", ""},
		{"127.9.9.9", ""},
		{"0.0.0.0", ""},
		{"::1", ""},
		{"::", ""},
		{"10.0.0.1", ""},
		{"fd00::1", ""},
		{"10.1.0.77", ""},
		{"10.2.0.77", ""},
		{"fd01::77", ""},
		{"fd02::77", ""},
		{"192.0.2.1", ""},
		{"::ffff:192.0.2.1", ""},
		{"198.51.100.1", ""},
		{"2001:db8:1::1", ""},
		{"10.1.0.77", "sink0"},
		{"10.2.0.77", "sink1"},
		{"fe80::77%sink0", ""},
		{"fe80::77%sink1", ""},
	}
	for _, test := range tests {
		t.Run(test.remote+test.device, func(t *testing.T) {
			remote := netip.MustParseAddr(test.remote)
			var got netip.Addr
			err := h.Try(func() (err error) {
				got, err = route.Source(t.Context(), remote, test.device)
				return err
			})
			if want := connected(t, h, remote, test.device); err != nil || got != want.WithZone("") {
				t.Errorf("%v, %v; connect() took %v", got, err, want)
			}
		})
	}
}

// connected is the local address that connect() gives a UDP socket, which goes
// through the same routing as one of TCP and asks nobody.
func connected(t *testing.T, h *nettest.Host, remote netip.Addr, device string) netip.Addr {
	t.Helper()
	kind := nettest.UDP4
	if remote.Is6() {
		kind = nettest.UDP6
	}
	var options []nettest.Option
	if device != "" {
		options = append(options, nettest.Device(device))
	}
	s, err := h.Connect(kind, netip.AddrPortFrom(remote, 9), options...)
	if err != nil {
		t.Fatal(err)
	}
	local, err := s.Local()
	if err != nil {
		t.Fatal(err)
	}
	return local.Addr()
}

func TestLiveRefusalsAreThoseOfConnect(t *testing.T) {
	h := routedHost(t)
	for _, args := range [][]string{
		{"route", "add", "unreachable", "203.0.113.0/26"},
		{"route", "add", "prohibit", "203.0.113.64/26"},
		{"route", "add", "blackhole", "203.0.113.128/26"},
		{"-6", "route", "add", "unreachable", "fd09::/64"},
		{"-6", "route", "add", "prohibit", "fd0a::/64"},
		{"-6", "route", "add", "blackhole", "fd0b::/64"},
	} {
		if out, err := h.Command("ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %v: %v: %s", args, err, out)
		}
	}
	for _, remote := range []string{
		"203.0.113.1", "203.0.113.65", "203.0.113.129", "203.0.113.193", "fd09::1", "fd0a::1", "fd0b::1", "fd0c::1",
	} {
		addr := netip.MustParseAddr(remote)
		err := h.Try(func() error {
			got, err := route.Source(t.Context(), addr, "")
			if err == nil {
				t.Errorf("%s: source %v", remote, got)
			}
			return err
		})
		if !errors.Is(err, route.ErrNoSource) {
			t.Errorf("%s: %v", remote, err)
		}
		kind := nettest.UDP4
		if addr.Is6() {
			kind = nettest.UDP6
		}
		if _, err := h.Connect(kind, netip.AddrPortFrom(addr, 9)); err == nil {
			t.Errorf("%s: connect() found a way", remote)
		}
	}
}

func TestLiveUnknownDevice(t *testing.T) {
	h := nettest.New(t)
	h.Do(func() {
		if got, err := route.Source(t.Context(), netip.MustParseAddr("127.0.0.1"), "nope"); err == nil {
			t.Errorf("source %v", got)
		}
	})
}

// TestLiveOpensNoPort asks where not a single port is left.
func TestLiveOpensNoPort(t *testing.T) {
	h := nettest.New(t)
	h.Range(40000, 40000)
	if _, err := h.Bind(nettest.TCP4, netip.MustParseAddrPort("127.0.0.1:40000")); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Bind(nettest.UDP4, netip.MustParseAddrPort("127.0.0.1:40000")); err != nil {
		t.Fatal(err)
	}
	h.Do(func() {
		got, err := route.Source(context.Background(), netip.MustParseAddr("127.0.0.1"), "")
		if err != nil || got.String() != "127.0.0.1" {
			t.Errorf("%v, %v", got, err)
		}
	})
	if _, err := h.Connect(nettest.UDP4, netip.MustParseAddrPort("127.0.0.1:9")); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("the range was to be full: %v", err)
	}
}

func TestLiveNeedsNoPrivileges(t *testing.T) {
	nettest.NeedRoot(t)
	const nobody = 65534
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with its rights
		// The system call changes this thread alone, unlike package syscall.
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, nobody, nobody, nobody); errno != 0 {
			t.Error(errno)
			return
		}
		got, err := route.Source(context.Background(), netip.MustParseAddr("127.0.0.1"), "")
		if err != nil || got.String() != "127.0.0.1" {
			t.Errorf("%v, %v", got, err)
		}
	}()
	<-done
}

func TestLiveWithoutIPv6(t *testing.T) {
	h := nettest.New(t)
	for _, tt := range []struct{ remote, off, want string }{
		{"2001:db8::1", "", "there is no route (see"},
		{"2001:db8::1", "net.ipv6.conf.all.disable_ipv6", "as IPv6 is off: net.ipv6.conf.all.disable_ipv6 is 1"},
		{"::1", "", "as IPv6 is off: net.ipv6.conf.all.disable_ipv6 is 1"},
		{"203.0.113.1", "", "there is no route (see"},
	} {
		if tt.off != "" {
			h.Sysctl(tt.off, "1")
		}
		err := h.Try(func() error {
			_, err := route.Source(t.Context(), netip.MustParseAddr(tt.remote), "")
			return err
		})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("to %s: %v, want %q", tt.remote, err, tt.want)
		}
	}
}
