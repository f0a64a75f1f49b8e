package sockiter

import (
	"cmp"
	"net/netip"
	"testing"

	"portrange/internal/nettest"
)

// TestReusedBetweenSlots: the two sockets around the place where one run
// stopped are closed, and the kernel puts others into their memory, side by side
// in another list. The walk neither goes on there nor misses who stayed.
func TestReusedBetweenSlots(t *testing.T) {
	for name, from := range map[string]string{"other namespace": "", "other address": "10.0.0.2:0"} {
		t.Run(name, func(t *testing.T) {
			sc := newBindScene(t)
			sc.Sink("hole", "10.9.0.1/16")
			other := sc
			if from == "" {
				other = newScene(t)
				other.Sink("hole", "10.9.0.1/16")
			}
			full := len(bindSlot{}.Records)
			var all []*nettest.Socket
			for i := range full + 150 {
				all = append(all, sc.dialOut("10.9.0.1:0", 1+i/250, 1+i%250))
			}
			left := sc.afterFirstSlot(func() {
				all[len(all)-full].Close()
				all[len(all)-full-1].Close()
				for i := range 120 { // enough to get the memory of the two
					other.dialOut(cmp.Or(from, "10.9.0.1:0"), 200, 1+i)
				}
			})
			if len(left[200]) > 0 && other != sc {
				t.Errorf("%d sockets of another namespace", len(left[200]))
			}
			delete(left, 200)
			found := 0
			for _, ends := range left {
				found += len(ends)
			}
			if want := len(all) - 1; found != want { // one of the two was read before it went
				t.Errorf("%d sockets, want %d", found, want)
			}
		})
	}
}

// dialOut opens a socket on port 40000 to 10.9.net.host, where nobody answers.
func (sc *scene) dialOut(from string, net, host int) *nettest.Socket {
	sc.t.Helper()
	to := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 9, byte(net), byte(host)}), 80)
	return sc.must(sc.BindConnect(nettest.TCP4, netip.MustParseAddrPort(from), to,
		nettest.NonBlock(), nettest.BindNoPort(), nettest.LocalRange(40000, 40000)))
}

// afterFirstSlot walks the table, calls meanwhile between the first two slots
// that hold sockets, and returns the hosts of 10.9.net.host that it found, by net.
func (sc *scene) afterFirstSlot(meanwhile func()) map[byte]map[byte]bool {
	found := map[byte]map[byte]bool{}
	b := sc.p.binds
	sc.Do(func() {
		here, err := b.survey(sc.t.Context())
		if err != nil {
			sc.t.Fatal(err)
		}
		for walk := (bindBindWalk{Netns: here.Netns, End: here.Buckets}); walk.Done == 0; {
			s, err := b.fill(sc.t.Context(), &walk)
			if err != nil {
				sc.t.Fatal(err)
			}
			if len(found) == 0 && walk.Count > 0 {
				meanwhile()
			}
			for _, r := range s.records[:walk.Count] {
				if found[r.Remote[2]] == nil {
					found[r.Remote[2]] = map[byte]bool{}
				}
				found[r.Remote[2]][r.Remote[3]] = true
			}
			b.free <- s
		}
	})
	return found
}
