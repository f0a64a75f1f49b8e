package judge

import (
	"net/netip"
	"testing"
)

// BenchmarkNamespace judges a namespace with a destination for each of 100,000 sockets.
func BenchmarkNamespace(b *testing.B) {
	ns := box()
	s := socket("10.0.0.2:40000", "10.0.0.5:80")
	for i := range 100_000 {
		addr := netip.AddrFrom4([4]byte{10, 1 + byte(i>>16), byte(i >> 8), byte(i)})
		s.Remote = netip.AddrPortFrom(addr, 80)
		ns.Usage.Add(s)
	}
	b.ReportAllocs()
	for b.Loop() {
		if got := len(Namespace(ns).Pools); got != 100_000 {
			b.Fatalf("%d pools", got)
		}
	}
}
