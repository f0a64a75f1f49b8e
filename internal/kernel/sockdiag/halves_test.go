package sockdiag_test

import (
	"math/rand/v2"
	"testing"

	"portrange/internal/kernel/sockdiag"
	"portrange/internal/kernel/sockdiag/sockdiagtest"
)

// auditedHalves are the filters, which the kernel must take.
func auditedHalves(t *testing.T) [2][]byte {
	t.Helper()
	halves := sockdiag.Halves()
	for i, filter := range halves {
		if err := sockdiagtest.Audit(filter); err != nil {
			t.Fatalf("filter %d: %v", i, err)
		}
	}
	return halves
}

// inFirst reports whether the first half accepts the ports. Exactly one half must.
func inFirst(t *testing.T, halves [2][]byte, local, remote uint16) bool {
	t.Helper()
	first := sockdiagtest.Accepts(halves[0], local, remote)
	if second := sockdiagtest.Accepts(halves[1], local, remote); first == second {
		t.Fatalf("ports %d and %d: accepted by the halves: %v and %v, want by exactly one", local, remote, first, second)
	}
	return first
}

func TestHalvesPartitionAllPorts(t *testing.T) {
	halves := auditedHalves(t)
	for _, fixed := range []uint16{443, 46883, 46884, 65535} {
		for p := range 1 << 16 {
			inFirst(t, halves, uint16(p), fixed)
			inFirst(t, halves, fixed, uint16(p))
		}
	}
}

func TestHalvesShareTheWork(t *testing.T) {
	between := func(low, high int) func() uint16 {
		return func() uint16 { return uint16(low + rand.IntN(high-low+1)) }
	}
	fixed := func(p uint16) func() uint16 { return func() uint16 { return p } }
	halves := auditedHalves(t)
	linux, windows, widened := between(32768, 60999), between(49152, 65535), between(1024, 65535)
	for name, ports := range map[string][2]func() uint16{
		"client":            {linux, fixed(443)},
		"widened client":    {widened, fixed(443)},
		"server":            {fixed(443), linux},
		"server of windows": {fixed(443), windows},
		"mesh":              {linux, widened},
	} {
		const n = 20_000
		first := 0
		for range n {
			if inFirst(t, halves, ports[0](), ports[1]()) {
				first++
			}
		}
		if share := float64(first) / n; share < 0.4 || share > 0.6 {
			t.Errorf("%s: the first half has %.0f %% of the sockets", name, 100*share)
		}
	}
}
