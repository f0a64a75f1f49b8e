package route_test

import (
	"errors"
	"net/netip"
	"testing"

	"portrange/internal/kernel/route"
	"portrange/internal/nettest"
	"portrange/internal/port"
)

func TestLiveBindable(t *testing.T) {
	h := nettest.New(t)
	h.Addr("10.7.0.1", "fd00::7")
	for addr, want := range map[string]error{
		"10.7.0.1": nil, "127.9.9.9": nil, "fd00::7": nil, "::1": nil, "0.0.0.0": nil,
		"10.7.0.2": route.ErrNotLocal, "9.9.9.9": route.ErrNotLocal, "fd00::8": route.ErrNotLocal,
	} {
		h.Do(func() {
			if err := route.Bindable(port.TCP, netip.MustParseAddr(addr), 0); !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", addr, err, want)
			}
		})
	}
	h.Do(func() {
		const lo = 1
		if err := route.Bindable(port.TCP, netip.MustParseAddr("10.7.0.1"), lo); err != nil {
			t.Errorf("through lo: %v", err)
		}
		if err := route.Bindable(port.TCP, netip.MustParseAddr("10.7.0.2"), lo); !errors.Is(err, route.ErrNotLocal) {
			t.Errorf("through lo, another's address: %v", err)
		}
	})
	h.Do(func() {
		const lo = 1
		group := netip.MustParseAddr("ff02::fb")
		if err := route.Bindable(port.UDP, group, lo); err != nil {
			t.Errorf("UDP on a group: %v", err)
		}
		if err := route.Bindable(port.TCP, group, lo); err == nil {
			t.Error("TCP on a group is not refused")
		}
	})
	h.Sysctl("net.ipv4.ip_nonlocal_bind", "1")
	h.Do(func() {
		if err := route.Bindable(port.TCP, netip.MustParseAddr("9.9.9.9"), 0); err != nil {
			t.Errorf("with ip_nonlocal_bind: %v", err)
		}
	})
}

// TestLiveBindableTakesNoPort tries in a namespace whose range is one port.
func TestLiveBindableTakesNoPort(t *testing.T) {
	h := nettest.New(t)
	h.Range(40000, 40000)
	local := netip.MustParseAddr("127.0.0.1")
	for _, kind := range []nettest.Kind{nettest.TCP4, nettest.UDP4} {
		if _, err := h.Bind(kind, netip.AddrPortFrom(local, 0)); err != nil {
			t.Fatal(err)
		}
	}
	h.Do(func() {
		for _, proto := range []port.Proto{port.TCP, port.UDP} {
			if err := route.Bindable(proto, local, 0); err != nil {
				t.Errorf("%v: no port is left, and none is needed: %v", proto, err)
			}
		}
	})
}
