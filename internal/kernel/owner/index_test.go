package owner_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"portrange/internal/host"
	"portrange/internal/kernel/owner"
)

var (
	nginx  = host.Process{PID: 812, Command: "nginx"}
	worker = host.Process{PID: 813, Command: "nginx"}
	redis  = host.Process{PID: 99, Command: "redis-server"}
)

func holders(ix *owner.Index, inode uint64) []host.Process {
	return slices.Collect(ix.Holders(inode))
}

func expectHolders(t *testing.T, ix *owner.Index, inode uint64, want ...host.Process) {
	t.Helper()
	got := holders(ix, inode)
	slices.SortFunc(got, func(a, b host.Process) int { return a.PID - b.PID })
	if !slices.Equal(got, want) {
		t.Errorf("holders of inode %d are %v, want %v", inode, got, want)
	}
}

func TestIndex(t *testing.T) {
	ix := &owner.Index{}
	expectHolders(t, ix, 1)
	ix.Add(7, nginx)
	ix.Add(7, worker)
	ix.Add(7, nginx) // a duplicate of the descriptor
	ix.Add(math.MaxUint32, redis)
	expectHolders(t, ix, 7, nginx, worker)
	expectHolders(t, ix, 6)
	expectHolders(t, ix, 8)
	expectHolders(t, ix, math.MaxUint32, redis)

	ix.Add(8, redis) // after a look
	expectHolders(t, ix, 8, redis)
	expectHolders(t, ix, 7, nginx, worker)
}

func TestIndexLeavesOutWhatIsNoSocket(t *testing.T) {
	ix := &owner.Index{}
	ix.Add(0, nginx)
	ix.Add(1<<32, nginx)
	ix.Add(1<<32+7, nginx)
	for _, inode := range []uint64{0, 7, 1 << 32, 1<<32 + 7} {
		expectHolders(t, ix, inode)
	}
}

func TestHoldersStopsEarly(t *testing.T) {
	ix := &owner.Index{}
	ix.Add(7, nginx)
	ix.Add(7, worker)
	n := 0
	for range ix.Holders(7) {
		n++
		break
	}
	if n != 1 {
		t.Errorf("%d holders after a stop, want 1", n)
	}
}

// TestIndexAgainstMap compares with the obvious way to do it.
func TestIndexAgainstMap(t *testing.T) {
	ix, want := &owner.Index{}, map[uint64]map[host.Process]bool{}
	random := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		inode := uint64(1 + random.IntN(500))
		p := host.Process{PID: 1 + random.IntN(20), Command: fmt.Sprint("c", random.IntN(2))}
		ix.Add(inode, p)
		if want[inode] == nil {
			want[inode] = map[host.Process]bool{}
		}
		want[inode][p] = true
	}
	for inode := range uint64(502) {
		got := holders(ix, inode)
		if len(got) != len(want[inode]) {
			t.Fatalf("inode %d has %d holders, want %d", inode, len(got), len(want[inode]))
		}
		for _, p := range got {
			if !want[inode][p] {
				t.Fatalf("inode %d: %v is no holder", inode, p)
			}
		}
	}
}

// BenchmarkIndex fills an index with half a million sockets and looks each up.
func BenchmarkIndex(b *testing.B) {
	const sockets, processes = 500_000, 25
	var before, after runtime.MemStats
	for b.Loop() {
		runtime.GC()
		runtime.ReadMemStats(&before)
		ix := &owner.Index{}
		for i := range uint64(sockets) {
			ix.Add(1+i*7919%sockets, host.Process{PID: int(i / (sockets / processes)), Command: "server"})
		}
		found := 0
		for i := range uint64(sockets) {
			for range ix.Holders(1 + i) {
				found++
			}
		}
		if found != sockets {
			b.Fatalf("%d holders, want %d", found, sockets)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/sockets, "B/socket")
		runtime.KeepAlive(ix)
	}
}
