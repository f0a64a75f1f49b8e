package host_test

import (
	"net/netip"
	"slices"
	"testing"

	"portrange/internal/host"
	"portrange/internal/port"
)

// TestUnheld: of a tuple's ports, those on which no process has a socket, as far as
// they count.
func TestUnheld(t *testing.T) {
	counts, err := port.ParseSet("40000-40009")
	if err != nil {
		t.Fatal(err)
	}
	h := host.NewHoldings(counts)
	local, remote := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddrPort("192.0.2.77:443")
	hold := func(p uint16, to netip.AddrPort, as port.Hold) port.Tuple {
		s := port.Socket{Proto: port.TCP, State: port.Established, Local: netip.AddrPortFrom(local, p), Remote: to, Hold: as}
		h.Add(&host.Holder{Socket: s, Process: host.Process{PID: 1, Command: "x"}})
		return s.Tuple()
	}
	tuple := hold(40001, remote, port.ConnectHeld)
	hold(40002, remote, port.ConnectHeld)
	other := hold(40003, netip.MustParseAddrPort("192.0.2.77:80"), port.ConnectHeld)
	hold(40004, remote, port.BindHeld) // in no pool
	var ports port.Ports
	for _, p := range []uint16{39999, 40001, 40002, 40003, 40004, 40010} {
		ports.Add(p)
	}
	for _, tt := range []struct {
		tuple port.Tuple
		want  []uint16
	}{
		{tuple, []uint16{40003, 40004}},
		{other, []uint16{40001, 40002, 40004}},
		{port.Tuple{}, []uint16{40001, 40002, 40003, 40004}},
	} {
		if got := slices.Collect(h.Unheld(tt.tuple, &ports)); !slices.Equal(got, tt.want) {
			t.Errorf("%+v: %v, want %v", tt.tuple, got, tt.want)
		}
	}
}
