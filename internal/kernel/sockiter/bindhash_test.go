package sockiter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cilium/ebpf/btf"
	gocmp "github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"portrange/internal/host"
	"portrange/internal/nettest"
	"portrange/internal/port"
)

// newBindScene is a scene that is looked at through the table of bind buckets.
func newBindScene(t *testing.T) *scene {
	t.Helper()
	sc := newScene(t)
	sc.p = openBrief(t, func(*testing.T, *btf.Spec) {})
	if !sc.p.HasTable() {
		t.Fatal("this kernel's table of bind buckets is not walked")
	}
	return sc
}

// openBrief opens brief programs for a kernel with another layout.
func openBrief(t *testing.T, change func(*testing.T, *btf.Spec)) *Programs {
	t.Helper()
	return openFor(t, Options{Brief: true}, change)
}

// TestSameAsIterators: both ways of reading find the same sockets, those apart
// that only one of them lists.
func TestSameAsIterators(t *testing.T) {
	sc := newBindScene(t)
	everyKind(sc)
	table := sc.p
	iterators, err := Open(Options{Holders: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer iterators.Close()
	for {
		want := sc.bound(iterators)
		got := sc.bound(table)
		if !slices.Equal(want, sc.bound(iterators)) {
			continue // a timewait socket went, or the like
		}
		if diff := gocmp.Diff(want, got, sameAddresses); diff != "" {
			t.Errorf("sockets differ (-iterators +table):\n%s", diff)
		}
		if len(got) < 15 {
			t.Errorf("only %d sockets to compare", len(got))
		}
		return
	}
}

// everyKind makes TCP sockets in all states that last, and one for UDP.
func everyKind(sc *scene) {
	sc.Sink("hole", "10.9.0.1/24")
	server := sc.listen(nettest.TCP4, "10.0.0.1:80")
	sc.listen(nettest.TCP6, "[fd00::1]:80")
	sc.listen(nettest.TCP4, "10.0.0.2:0")
	dual := sc.listen(nettest.TCP6, "[::]:81", nettest.V6Only(false))
	sc.listen(nettest.TCP6, "[::]:82", nettest.V6Only(true))
	sc.connect(nettest.TCP4, "10.0.0.1:80")
	sc.must(server.Accept())
	sc.connect(nettest.TCP6, "[fd00::1]:80")
	sc.connect(nettest.TCP4, "10.0.0.2:81")
	sc.must(dual.Accept())
	sc.connect(nettest.TCP4, "10.9.0.2:80", nettest.NonBlock())
	sc.connect(nettest.TCP4, "10.0.0.1:80", nettest.Device("lo"))
	sc.bindConnect(nettest.TCP4, "10.0.0.2:50001", "10.0.0.1:80")
	sc.bindConnect(nettest.TCP4, "10.0.0.2:0", "10.0.0.1:80", nettest.BindNoPort())
	sc.must(sc.Bind(nettest.TCP4, netip.MustParseAddrPort("10.0.0.2:50002")))
	sc.must(sc.Bind(nettest.TCP6, netip.MustParseAddrPort("[::]:50003")))
	sc.connect(nettest.UDP4, "10.0.0.1:53")
	waiting := sc.listen(nettest.TCP4, "10.0.0.1:83")
	_, err := nettest.TimeWait(waiting, 3, sc.dial(nettest.TCP4, "10.0.0.1:83"))
	client, _, finErr := nettest.FinWait2(waiting, sc.dial(nettest.TCP4, "10.0.0.1:83"))
	if err := errors.Join(err, finErr); err != nil {
		sc.t.Fatal(err)
	}
	if err := client.Close(); err != nil { // leaves a timewait socket in FIN_WAIT_2
		sc.t.Fatal(err)
	}
	_, err = nettest.CloseWait(waiting, sc.dial(nettest.TCP4, "10.0.0.1:83"))
	if err != nil {
		sc.t.Fatal(err)
	}
}

// bound are the sockets that hold a port, in order, without what brief records
// leave out. Idle ones, which the iterators do not visit, come from the holders.
func (sc *scene) bound(by *Programs) []port.Socket {
	sc.t.Helper()
	sc.p = by
	all := sc.sockets()
	if !by.HasTable() {
		for _, h := range sc.holders() {
			if h.NetNS == sc.ID() && h.Socket.State == port.BoundInactive {
				all = append(all, h.Socket)
			}
		}
	}
	all = slices.DeleteFunc(all, func(s port.Socket) bool { return s.Proto == port.TCP && s.Hold == port.NotHeld })
	for i := range all {
		all[i].Inode, all[i].UID, all[i].Timer = 0, 0, port.Timer{}
	}
	slices.SortFunc(all, func(a, b port.Socket) int {
		return cmp.Or(cmp.Compare(a.Proto, b.Proto), a.Local.Compare(b.Local), a.Remote.Compare(b.Remote))
	})
	return stripped(all)
}

// packed is a scene with size sockets that all have one local port, so that one
// bucket of the table takes several slots.
func packed(t *testing.T, size int) *scene {
	t.Helper()
	sc := newBindScene(t)
	sc.Range(40000, 40001)
	sc.Crowd(size, nettest.CrowdOptions{Destinations: size})
	return sc
}

func TestBucketOfSeveralSlots(t *testing.T) {
	const size = 9000
	sc := packed(t, size)
	if slots := size / len(bindSlot{}.Records); slots < 2 {
		t.Fatalf("%d sockets do not fill 2 slots", size)
	}
	seen := map[netip.AddrPort]bool{}
	for _, s := range sc.sockets() {
		if s.Local.Port() != 40000 || s.Hold != port.ConnectHeld || seen[s.Remote] {
			t.Fatalf("%+v, seen before: %v", s, seen[s.Remote])
		}
		seen[s.Remote] = true
	}
	if len(seen) != size {
		t.Errorf("%d sockets, want %d", len(seen), size)
	}
}

// TestChurn: while sockets come and go among them, in the same lists, none of
// those that stay is missed, and nothing is read that is no socket.
func TestChurn(t *testing.T) {
	const size, walks = 9000, 30
	sc := packed(t, size)
	sc.listen(nettest.TCP4, "10.0.0.1:80")
	var churning sync.WaitGroup
	stop, turns := make(chan struct{}), 0
	churning.Go(func() { turns = sc.churn(stop) })
	defer churning.Wait()
	defer close(stop)
	for range walks {
		stayed := map[netip.AddrPort]bool{}
		for _, s := range sc.sockets() {
			switch {
			case s.Remote.Port() == 8080 && s.State == port.Established && s.Local.Port() == 40000:
				stayed[s.Remote] = true
			case s.Remote.Addr().String() == "10.0.0.1" || s.Local.Port() == 80:
			case s.State == port.BoundInactive && s.Local.Port() == 40000: // on its way to connect()
			default:
				t.Fatalf("no such socket: %+v", s)
			}
		}
		if len(stayed) != size {
			t.Fatalf("%d of the %d sockets that stay", len(stayed), size)
		}
	}
	t.Cleanup(func() { t.Logf("%d sockets came and went during %d walks", turns, walks) })
}

// churn opens and closes sockets on the crowd's port until it is told to stop.
func (sc *scene) churn(stop <-chan struct{}) int {
	local, remote := netip.MustParseAddrPort("10.0.0.2:0"), netip.MustParseAddrPort("10.0.0.1:80")
	for turns := 0; ; turns++ {
		select {
		case <-stop:
			return turns
		default:
		}
		s, err := sc.BindConnect(nettest.TCP4, local, remote, nettest.BindNoPort(), nettest.LocalRange(40000, 40000))
		if err == nil {
			err = s.Reset()
		}
		if err != nil {
			sc.t.Errorf("socket %d that comes and goes: %v", turns, err)
			return turns
		}
	}
}

// TestLostPlace: a walk that finds its place in a list gone begins the bucket
// again, though not for ever.
func TestLostPlace(t *testing.T) {
	sc := newBindScene(t)
	sc.listen(nettest.TCP4, "10.0.0.1:80")
	b := sc.p.binds
	sc.Do(func() {
		here, err := b.survey(sc.t.Context())
		if err != nil {
			t.Fatal(err)
		}
		lost := bindBindWalk{Netns: here.Netns, Next: 1, End: here.Buckets}
		lost.Port.Link, lost.Port.Node = 0x1000, 0x2000 // nothing is mapped there
		walk, found := lost, uint32(0)
		for walk.Done == 0 {
			s, err := b.fill(t.Context(), &walk)
			if err != nil {
				t.Fatal(err)
			}
			found += walk.Count
			b.free <- s
		}
		if found != 1 || walk.Restarted != 1 {
			t.Errorf("%d sockets after %d starts over, want the listener after one", found, walk.Restarted)
		}
		lost.Restarts = 1000
		if _, err := b.fill(t.Context(), &lost); !errors.Is(err, errRestless) {
			t.Errorf("after 1000 attempts: %v", err)
		}
	})
}

// TestListGoneBetweenSlots: the sockets around the place where one run stopped
// are closed before the next, which finds the others all the same.
func TestListGoneBetweenSlots(t *testing.T) {
	const size = 3000
	sc := packed(t, size)
	going := sc.Crowd(size, nettest.CrowdOptions{Destinations: size, First: netip.MustParseAddrPort("127.2.0.1:9090")})
	b := sc.p.binds
	var spare []slot
	for len(b.free) > 1 {
		spare = append(spare, <-b.free)
	}
	w := &tableWalk{bindHash: b, found: make(chan slot)}
	sc.Do(func() {
		here, err := b.survey(sc.t.Context())
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			defer close(w.found)
			if err := w.walkShare(t.Context(), bindBindWalk{Netns: here.Netns, End: here.Buckets}); err != nil {
				t.Error(err)
			}
		}()
	})
	first := <-w.found
	if err := going.Close(); err != nil {
		t.Fatal(err)
	}
	b.free <- first
	left := map[[16]uint8]bool{}
	for s := range w.found {
		for _, r := range s.records[:s.walk.Count] {
			if r.RemotePort != 8080 {
				t.Fatalf("found a socket that is gone: %+v", r)
			}
			left[r.Remote] = true
		}
		b.free <- s
	}
	if len(left) != size {
		t.Errorf("%d sockets after the others were closed, want %d", len(left), size)
	}
	for _, s := range spare {
		b.free <- s
	}
}

// TestBoundStops: whoever stops in the middle, or is told to, leaves nothing
// behind that the next walk would miss.
func TestBoundStops(t *testing.T) {
	const size = 20_000
	sc := newBindScene(t)
	sc.Crowd(size, nettest.CrowdOptions{})
	for range 5 {
		sc.Do(func() {
			for range sc.p.Sockets(t.Context(), nil).All() {
				break
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			stream := sc.p.Sockets(ctx, nil)
			for range stream.All() {
				cancel()
			}
			if err := stream.Err(); err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled: %v", err)
			}
		})
	}
	if free := len(sc.p.binds.free); free != cap(sc.p.binds.free) {
		t.Errorf("%d of %d slots are free", free, cap(sc.p.binds.free))
	}
	if got := len(sc.sockets()); got != size {
		t.Errorf("%d sockets afterwards, want %d", got, size)
	}
}

// TestCloseWaits: what a walk reads stays mapped until it ends.
func TestCloseWaits(t *testing.T) {
	const size = 20_000
	sc := newScene(t)
	sc.Crowd(size, nettest.CrowdOptions{})
	p, err := Open(Options{Brief: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	begun, closed := make(chan struct{}), make(chan error, 1)
	go func() {
		<-begun
		closed <- p.Close()
	}()
	n := 0
	sc.Do(func() {
		stream := p.Sockets(t.Context(), nil)
		for range stream.All() {
			if n++; n == 1 {
				close(begun)
				time.Sleep(10 * time.Millisecond)
			}
		}
		if err := stream.Err(); err != nil {
			t.Fatal(err)
		}
	})
	if err := <-closed; err != nil || n != size {
		t.Errorf("%d sockets, closed with %v", n, err)
	}
}

// TestBoundWalksAtOnce: walks share the slots, and each sees its own namespace,
// though all namespaces share the table.
func TestBoundWalksAtOnce(t *testing.T) {
	one, other := newBindScene(t), newScene(t)
	one.Crowd(5000, nettest.CrowdOptions{})
	other.Crowd(3000, nettest.CrowdOptions{})
	var walkers sync.WaitGroup
	for sc, want := range map[*scene]int{one: 5000, other: 3000} {
		for range 2 {
			walkers.Go(func() {
				for range 20 {
					if err := sc.Try(func() error { return expectCount(one.p, want) }); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
	}
	walkers.Wait()
}

func expectCount(p *Programs, want int) error {
	n := 0
	stream := p.Sockets(context.Background(), nil)
	for range stream.All() {
		n++
	}
	if n != want && stream.Err() == nil {
		return fmt.Errorf("%d sockets, want %d", n, want)
	}
	return stream.Err()
}

// TestWithoutBindWalk: older kernels are read through the iterators.
func TestWithoutBindWalk(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, kernel *btf.Spec){
		"no bhash2 in a bucket (before 6.8)": func(t *testing.T, kernel *btf.Spec) {
			without(structure(t, kernel, "inet_bind_bucket"), "bhash2")
		},
		"no bpf_rdonly_cast (before 6.2)": withoutCast,
	} {
		t.Run(name, func(t *testing.T) {
			sc := newScene(t)
			sc.listen(nettest.TCP4, "10.0.0.1:80")
			client := sc.connect(nettest.TCP4, "10.0.0.1:80")
			sc.p = openBrief(t, change)
			if sc.p.HasTable() {
				t.Error("claims to list idle sockets")
			}
			if got := sc.of(client); got.Hold != port.ConnectHeld {
				t.Errorf("hold %d", got.Hold)
			}
		})
	}
}

// TestWalkWantsLoadsInOrder: a processor that lets loads pass each other is read through
// the iterators, which take the kernel's locks, and nothing is missing then.
func TestWalkWantsLoadsInOrder(t *testing.T) {
	for architecture, walked := range map[string]bool{
		"amd64": true, "386": true, "s390x": true, "": true, // the tests' own
		"arm64": false, "arm": false, "mips": false, "mips64le": false, "ppc64le": false, "riscv64": false, "loong64": false,
	} {
		t.Run(architecture, func(t *testing.T) {
			if architecture == "" && !loadsStayInOrder(runtime.GOARCH) {
				walked = false
			}
			sc := newScene(t)
			sc.listen(nettest.TCP4, "10.0.0.1:80")
			client := sc.connect(nettest.TCP4, "10.0.0.1:80")
			sc.p = openFor(t, Options{Brief: true, architecture: architecture}, func(*testing.T, *btf.Spec) {})
			if sc.p.HasTable() != walked {
				t.Errorf("walks the table: %v, want %v", sc.p.HasTable(), walked)
			}
			if got := sc.of(client); got.Hold != port.ConnectHeld {
				t.Errorf("hold %d", got.Hold)
			}
		})
	}
}

// TestBindCapabilities: the table takes no more capabilities than the iterators.
func TestBindCapabilities(t *testing.T) {
	sc := newBindScene(t)
	sc.must(sc.Bind(nettest.TCP4, netip.MustParseAddrPort("10.0.0.2:50002")))
	got := lookBriefly(t, sc.Host, nobody(unix.CAP_BPF, unix.CAP_PERFMON))
	if len(got.Errors) > 0 || len(got.Sockets) != 1 || got.Sockets[0].State != port.BoundInactive {
		t.Errorf("sockets %+v, errors %q", got.Sockets, got.Errors)
	}
}

// TestTableThatDoesNotLoad: a kernel that says it has all that the walk takes, and
// refuses it, is no reason to go another way without a word.
func TestTableThatDoesNotLoad(t *testing.T) {
	sc := newScene(t)
	sc.listen(nettest.TCP4, "10.0.0.1:80")
	client := sc.connect(nettest.TCP4, "10.0.0.1:80")
	var gaps host.Gaps
	sc.p = openWithGaps(t, Options{Brief: true}, func(t *testing.T, kernel *btf.Spec) {
		without(structure(t, kernel, "inet_bind2_bucket"), "bhash_node")
	}, &gaps)
	if missed := gaps.List(); len(missed) != 1 || missed[0].Part != host.PartTableWalk || sc.p.HasTable() {
		t.Errorf("gaps %v, table %v; want one gap and no table", missed, sc.p.HasTable())
	}
	if got := sc.of(client); got.Hold != port.ConnectHeld {
		t.Errorf("hold %d", got.Hold)
	}
}

// TestWalkTellsHowItWent: of each run of the program, which one list of this size
// fits into, the first socket alone is asked which list it is in. The iterators
// have nothing to tell.
func TestWalkTellsHowItWent(t *testing.T) {
	const size = 1000
	sc := newBindScene(t)
	sc.Crowd(size, nettest.CrowdOptions{})
	var walked host.Walk
	sc.Do(func() {
		for range sc.p.Sockets(t.Context(), &walked).All() {
		}
	})
	if walked.Skipped == 0 || walked.Skipped >= size || walked.Restarts > size {
		t.Errorf("walked %+v over %d sockets", walked, size)
	}
	walked = host.Walk{}
	var found []port.Socket
	sc.Do(func() { found = slices.Collect(sc.p.Iterate(t.Context()).All()) })
	if len(found) != size {
		t.Errorf("%d sockets by the iterator, want %d", len(found), size)
	}
}
