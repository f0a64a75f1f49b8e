package collect_test

import (
	"net/netip"
	"slices"
	"testing"

	"portrange/internal/collect"
	"portrange/internal/host"
	"portrange/internal/nettest"
)

// TestLiveForeignAddresses takes an address away below a connection.
func TestLiveForeignAddresses(t *testing.T) {
	h := nettest.New(t)
	h.Addr("10.0.0.1", "10.0.0.2", "10.0.0.9")
	service := netip.MustParseAddrPort("10.0.0.2:80")
	must(h.Listen(nettest.TCP4, service))(t)
	for _, from := range []string{"10.0.0.1:0", "10.0.0.9:0"} {
		must(h.BindConnect(nettest.TCP4, netip.MustParseAddrPort(from), service, nettest.BindNoPort()))(t)
	}
	foreign := func(want ...netip.Addr) {
		t.Helper()
		state := lookAt(t, collect.Auto, h.Path(), host.WantSockets|host.WantAddresses)
		if got := state.Namespaces[0].Foreign; !slices.Equal(got, want) {
			t.Errorf("foreign addresses %v, want %v", got, want)
		}
	}
	foreign()
	if out, err := h.Command("ip", "addr", "del", "10.0.0.9/32", "dev", "lo").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	foreign(netip.MustParseAddr("10.0.0.9"))
	h.Sysctl("net.ipv4.ip_nonlocal_bind", "1")
	foreign()
}
