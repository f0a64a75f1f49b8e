package route_test

import (
	"net/netip"
	"testing"

	"portrange/internal/kernel/route"
	"portrange/internal/nettest"
	"portrange/internal/port"
)

// TestLiveBoundToADevice asks from an address through a device: the kernel insists
// on the device for a socket of IPv6, one to the host's own addresses included.
func TestLiveBoundToADevice(t *testing.T) {
	h := ruledHost(t)
	h.Addr("10.7.0.1", "fd00::7")
	for _, tt := range []struct {
		source, device, remote string
		want                   bool
	}{
		{"fd01::1", "sink0", "fd01::77", true},
		{"fd01::1", "sink0", "fd01::1", true},
		{"fd01::1", "lo", "fd01::1", false},
		{"fd00::7", "lo", "fd00::7", true},
		{"fd00::7", "sink0", "fd00::7", false},
		{"fd00::7", "sink0", "fd01::77", true},
		{"fd00::7", "lo", "fd01::77", false},
		{"10.1.0.1", "sink0", "10.1.0.77", true},
		{"10.7.0.1", "sink0", "10.1.0.77", true},
	} {
		q := route.Question{
			Remote: netip.MustParseAddr(tt.remote), Port: 80, Proto: port.TCP,
			Source: netip.MustParseAddr(tt.source), Device: tt.device,
		}
		err := h.Try(func() error {
			_, err := route.Sources(t.Context(), q)
			return err
		})
		if (err == nil) != tt.want {
			t.Errorf("%+v: %v", tt, err)
		}
		kind := nettest.TCP4
		if q.Remote.Is6() {
			kind = nettest.TCP6
		}
		at, to := netip.AddrPortFrom(q.Source, 0), netip.AddrPortFrom(q.Remote, q.Port)
		_, err = h.BindConnect(kind, at, to, nettest.NonBlock(), nettest.Device(tt.device))
		if (err == nil) != tt.want {
			t.Errorf("%+v: connect() says %v", tt, err)
		}
	}
}
