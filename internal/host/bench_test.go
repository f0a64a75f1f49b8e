package host

import (
	"net/netip"
	"testing"
	"time"
)

// BenchmarkUsage is the cost of one socket, with half a million of them spread
// over 25 destinations and with a destination for each.
func BenchmarkUsage(b *testing.B) {
	for name, destinations := range map[string]int{"25 destinations": 25, "a destination each": 100_000} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			usage := NewUsage(Settings{TWReuseDelay: time.Second})
			s := client(0)
			i := 0
			for b.Loop() {
				to := i % destinations
				remote := netip.AddrFrom4([4]byte{10, byte(to >> 16), byte(to >> 8), byte(to)})
				s.Remote = netip.AddrPortFrom(remote, 8080)
				s.Local = netip.AddrPortFrom(s.Local.Addr(), uint16(32768+i/destinations*7%28232))
				usage.Add(s)
				i++
			}
		})
	}
}
