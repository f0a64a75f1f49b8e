package sockdiag_test

import (
	stdcmp "cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"portrange/internal/host"
	"portrange/internal/kernel/sockdiag"
	"portrange/internal/kernel/sockdiag/sockdiagtest"
	"portrange/internal/port"
)

// outcome is what a stream left behind.
type outcome struct {
	sockets []port.Socket
	gaps    []host.Gap
	err     error // what ended the stream
}

// reading is a stream that is still to be read, with its gaps.
type reading func(*host.Gaps) *host.Stream[port.Socket]

func collect(read reading) outcome {
	var gaps host.Gaps
	stream := read(&gaps)
	sockets := slices.Collect(stream.All())
	for i := range sockets {
		if !sockets[i].Blind {
			return outcome{err: fmt.Errorf("socket %v claims to show everything", sockets[i].Local)}
		}
		sockets[i].Blind = false // the same for all
	}
	return outcome{sockets, gaps.List(), stream.Err()}
}

// everything and idle read what a reader's two methods yield.
func everything(ctx context.Context, r *sockdiag.Reader) outcome {
	return collect(func(gaps *host.Gaps) *host.Stream[port.Socket] { return r.Sockets(ctx, gaps) })
}

func idle(ctx context.Context, r *sockdiag.Reader) outcome {
	return collect(func(gaps *host.Gaps) *host.Stream[port.Socket] { return r.Idle(ctx, gaps) })
}

// eachWay runs the test with the table of connections walked in one piece and in halves.
func eachWay(t *testing.T, test func(t *testing.T, split bool)) {
	for _, split := range []bool{false, true} {
		t.Run(fmt.Sprintf("split=%v", split), func(t *testing.T) { test(t, split) })
	}
}

// crowded is a kernel with more sockets than fit into a few datagrams.
func crowded() *sockdiagtest.Kernel {
	k := &sockdiagtest.Kernel{KnowsIdle: true}
	for i := range 1500 {
		s := tcp(port.Established, "10.0.0.1:1", "10.0.0.2:443")
		s.Local = netip.AddrPortFrom(s.Local.Addr(), uint16(20000+i))
		k.Sockets = append(k.Sockets, s)
	}
	k.Sockets = append(k.Sockets,
		tcp(port.BoundInactive, "10.0.0.1:19000", ""),
		tcp(port.Listen, "[::]:80", ""),
		port.Socket{Proto: port.UDP, State: port.Close, Local: addr("0.0.0.0:53"), Inode: 1},
		port.Socket{Proto: port.UDP, State: port.Close, Local: addr("[::]:53"), Family6: true, Inode: 2},
	)
	return k
}

func byEnds(a, b port.Socket) int {
	return stdcmp.Or(a.Local.Compare(b.Local), a.Remote.Compare(b.Remote), stdcmp.Compare(a.Proto, b.Proto))
}

func sameSockets(t *testing.T, want, got []port.Socket) {
	t.Helper()
	if diff := cmp.Diff(want, got, compareAddrs, cmpopts.SortSlices(func(a, b port.Socket) bool { return byEnds(a, b) < 0 })); diff != "" {
		t.Errorf("sockets differ (-want +got):\n%s", diff)
	}
}

func TestSocketsYieldsEachOnce(t *testing.T) {
	eachWay(t, func(t *testing.T, split bool) {
		k := crowded()
		got := everything(t.Context(), sockdiag.NewSplit(k, split))
		if got.err != nil || got.gaps != nil {
			t.Fatalf("gaps %v, error %v", got.gaps, got.err)
		}
		if got.sockets[0].State != port.Listen {
			t.Errorf("first socket is %v, want the listener", got.sockets[0].State)
		}
		sameSockets(t, k.Sockets, got.sockets)
		if k.Open() != 0 {
			t.Errorf("%d connections left open", k.Open())
		}
	})
}

func TestIdleYieldsNothingElse(t *testing.T) {
	k := crowded()
	got := idle(t.Context(), sockdiag.NewOn(k))
	if got.err != nil || got.gaps != nil {
		t.Fatalf("gaps %v, error %v", got.gaps, got.err)
	}
	sameSockets(t, k.Sockets[1500:1501], got.sockets)
}

func TestHoldIsSharedByPortAndDevice(t *testing.T) {
	eachWay(t, func(t *testing.T, split bool) {
		onDevice := func(s *port.Socket) { s.Device = 3 }
		k := &sockdiagtest.Kernel{KnowsIdle: true, Sockets: []port.Socket{
			tcp(port.Established, "10.0.0.1:80", "10.0.0.2:50000"),
			with(tcp(port.TimeWait, "10.0.0.1:80", "10.0.0.2:50001"), asMini(1)),
			with(tcp(port.Established, "10.0.0.1:80", "10.0.0.2:50002"), onDevice),
			with(tcp(port.Established, "10.0.0.1:81", "10.0.0.2:50003"), onDevice),
			tcp(port.Established, "10.0.0.1:81", "10.0.0.2:50004"),
			tcp(port.Established, "10.0.0.1:40000", "10.0.0.2:443"),
			tcp(port.Listen, "0.0.0.0:80", ""),
			with(tcp(port.Listen, "0.0.0.0:81", ""), onDevice),
		}}
		want := map[string]port.Hold{
			"10.0.0.2:50000": port.BindHeld, "10.0.0.2:50001": port.BindHeld,
			"10.0.0.2:50002": port.HoldUnknown, "10.0.0.2:50003": port.BindHeld,
			"10.0.0.2:50004": port.HoldUnknown, "10.0.0.2:443": port.HoldUnknown,
		}
		k.BTF = "TCP_BOUND_INACTIVE"
		got := everything(t.Context(), sockdiag.NewSplit(k, split))
		if got.err != nil || len(got.sockets) != len(k.Sockets) {
			t.Fatalf("%d sockets, error %v", len(got.sockets), got.err)
		}
		for _, s := range got.sockets {
			if s.Connected() && s.Hold != want[s.Remote.String()] {
				t.Errorf("hold of %v to %v is %v, want %v", s.Local, s.Remote, s.Hold, want[s.Remote.String()])
			}
		}
	})
}

// tamper is [sockdiagtest.Kernel.Tamper].
type tamper = func(sockdiagtest.Query, []sockdiagtest.Datagram) []sockdiagtest.Datagram

// on spoils the answers to queries of one protocol, as often as times says.
func on(proto port.Proto, times int, spoil tamper) tamper {
	return func(q sockdiagtest.Query, d []sockdiagtest.Datagram) []sockdiagtest.Datagram {
		if q.Proto != proto || q.Attempt >= times {
			return d
		}
		return spoil(q, d)
	}
}

// The ways to spoil an answer.
var (
	refuse = func(errno unix.Errno) tamper {
		return func(q sockdiagtest.Query, _ []sockdiagtest.Datagram) []sockdiagtest.Datagram {
			return []sockdiagtest.Datagram{{Bytes: q.Refusal(errno)}}
		}
	}
	endWith = func(errno unix.Errno) tamper {
		return func(q sockdiagtest.Query, d []sockdiagtest.Datagram) []sockdiagtest.Datagram {
			return append(d[:len(d)-1], sockdiagtest.Datagram{Bytes: q.Done(errno)})
		}
	}
	interrupt = func(q sockdiagtest.Query, d []sockdiagtest.Datagram) []sockdiagtest.Datagram {
		last := sockdiagtest.Message(netlink.Done, q.Sequence, netlink.Multi|netlink.DumpInterrupted, make([]byte, 4))
		return append(d[:len(d)-1], sockdiagtest.Datagram{Bytes: last})
	}
	overrun = func(_ sockdiagtest.Query, d []sockdiagtest.Datagram) []sockdiagtest.Datagram {
		return append(d[:1:1], sockdiagtest.Datagram{Err: unix.ENOBUFS})
	}
	refuseMidway = func(q sockdiagtest.Query, d []sockdiagtest.Datagram) []sockdiagtest.Datagram {
		return append(d[:1:1], sockdiagtest.Datagram{Bytes: q.Refusal(unix.ENOMEM)})
	}
	cut = func(_ sockdiagtest.Query, d []sockdiagtest.Datagram) []sockdiagtest.Datagram {
		d[0].Bytes = d[0].Bytes[:len(d[0].Bytes)-8]
		return d
	}
	empty = func(sockdiagtest.Query, []sockdiagtest.Datagram) []sockdiagtest.Datagram {
		return []sockdiagtest.Datagram{{}}
	}
	short = func(q sockdiagtest.Query, _ []sockdiagtest.Datagram) []sockdiagtest.Datagram {
		return []sockdiagtest.Datagram{{Bytes: sockdiagtest.Message(18, q.Sequence, netlink.Multi, make([]byte, 40))}}
	}
	strange = func(q sockdiagtest.Query, _ []sockdiagtest.Datagram) []sockdiagtest.Datagram {
		return []sockdiagtest.Datagram{{Bytes: sockdiagtest.Message(99, q.Sequence, netlink.Multi, make([]byte, 80))}}
	}
	foreign = func(q sockdiagtest.Query, d []sockdiagtest.Datagram) []sockdiagtest.Datagram {
		return []sockdiagtest.Datagram{{Bytes: sockdiagtest.Message(18, q.Sequence+1, netlink.Multi, make([]byte, 80))}}
	}
)

func TestGaps(t *testing.T) {
	const always = 100
	for name, test := range map[string]struct {
		tamper tamper
		gaps   []string // What, and a part of Why
		lost   int      // sockets that are missing
	}{
		"udp_diag is missing": {on(port.UDP, always, refuse(unix.ENOENT)),
			[]string{"udp sockets of IPv4: load the kernel module udp_diag", "udp sockets of IPv6: load the kernel module udp_diag"}, 2},
		"udp_diag is missing on older kernels": {on(port.UDP, always, endWith(unix.ENOENT)),
			[]string{"udp sockets of IPv4: udp_diag", "udp sockets of IPv6: udp_diag"}, 0},
		"tcp is not supported": {on(port.TCP, always, refuse(unix.EOPNOTSUPP)),
			[]string{"tcp sockets: load the kernel module tcp_diag"}, 1502},
		"refused midway":         {on(port.TCP, always, refuseMidway), []string{"tcp sockets: cannot allocate memory"}, -1},
		"interrupted, then well": {on(port.TCP, 2, interrupt), nil, 0},
		"always interrupted":     {on(port.TCP, always, interrupt), []string{"tcp sockets: interrupted"}, 0},
		"overrun, then well":     {on(port.UDP, 2, overrun), nil, 0},
		"tcp overrun, then well": {on(port.TCP, 2, overrun), nil, 0},
		"always overrun":         {on(port.UDP, always, overrun), []string{"udp sockets of IPv4: netlink buffer", "udp sockets of IPv6: netlink buffer"}, 0},
	} {
		eachWay(t, func(t *testing.T, split bool) {
			k := named(crowded())
			k.BTF = "TCP_BOUND_INACTIVE"
			k.Tamper = test.tamper
			got := everything(t.Context(), sockdiag.NewSplit(k, split))
			if got.err != nil {
				t.Fatalf("%s: stream ended: %v", name, got.err)
			}
			sameGaps(t, name, test.gaps, got.gaps)
			if lost := len(k.Sockets) - len(distinct(got.sockets)); test.lost >= 0 && lost != test.lost {
				t.Errorf("%s: %d sockets lost, want %d", name, lost, test.lost)
			}
			if twice := len(got.sockets) - len(distinct(got.sockets)); twice != 0 {
				t.Errorf("%s: %d sockets come twice", name, twice)
			}
			if k.Open() != 0 {
				t.Errorf("%s: %d connections left open", name, k.Open())
			}
		})
	}
}

func sameGaps(t *testing.T, name string, want []string, got []host.Gap) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: gaps %v, want %v", name, got, want)
	}
	for i, gap := range got {
		what, why, _ := strings.Cut(want[i], ": ")
		if gap.What() != what || !strings.Contains(gap.Why, why) {
			t.Errorf("%s: gap %q: %q, want %q", name, gap.What(), gap.Why, want[i])
		}
	}
}

func distinct(sockets []port.Socket) []port.Socket {
	sorted := slices.SortedFunc(slices.Values(sockets), byEnds)
	return slices.CompactFunc(sorted, func(a, b port.Socket) bool { return byEnds(a, b) == 0 })
}

func TestFaultsEndTheStream(t *testing.T) {
	const once = 1
	for name, test := range map[string]struct {
		tamper tamper
		want   string
	}{
		"refused":         {on(port.TCP, once, refuse(unix.EPERM)), "read tcp sockets through sock_diag: operation not permitted"},
		"cut datagram":    {on(port.TCP, once, cut), "truncated message"},
		"empty datagram":  {on(port.TCP, once, empty), "truncated datagram"},
		"short message":   {on(port.TCP, once, short), "truncated message: 40 bytes of a socket, want 72"},
		"strange message": {on(port.TCP, once, strange), "unexpected type 99"},
		"other request":   {on(port.UDP, once, foreign), "read udp sockets of IPv4 through sock_diag: answer 4712 to another request"},
	} {
		eachWay(t, func(t *testing.T, split bool) {
			k := crowded()
			k.Tamper = test.tamper
			got := everything(t.Context(), sockdiag.NewSplit(k, split))
			if got.err == nil || !strings.Contains(got.err.Error(), test.want) {
				t.Errorf("%s: error %v, want %q", name, got.err, test.want)
			}
			if k.Open() != 0 {
				t.Errorf("%s: %d connections left open", name, k.Open())
			}
		})
	}
}

func TestDialFails(t *testing.T) {
	for errno, hint := range map[unix.Errno]string{
		unix.EPERM:           "a seccomp filter or security module denies NETLINK_SOCK_DIAG",
		unix.EPROTONOSUPPORT: "load the kernel modules tcp_diag and udp_diag",
	} {
		k := &sockdiagtest.Kernel{DialErr: errno}
		got := everything(t.Context(), sockdiag.NewOn(k))
		if !errors.Is(got.err, errno) || !strings.Contains(got.err.Error(), hint) {
			t.Errorf("error %v, want %v and %q", got.err, errno, hint)
		}
	}
}

func TestRepeatsWithLargerBuffer(t *testing.T) {
	eachWay(t, func(t *testing.T, split bool) {
		k := crowded()
		k.Tamper = on(port.TCP, 2, overrun)
		if got := everything(t.Context(), sockdiag.NewSplit(k, split)); got.err != nil || got.gaps != nil {
			t.Fatalf("gaps %v, error %v", got.gaps, got.err)
		}
		first := 0
		for _, q := range k.Asked() {
			if q.Attempt == 0 {
				first = q.Buffer
			}
			if want := first << q.Attempt; q.Buffer != want {
				t.Errorf("attempt %d with a buffer of %d bytes, want %d", q.Attempt, q.Buffer, want)
			}
		}
	})
}

func TestIdleSupport(t *testing.T) {
	far := strings.Repeat("x", 64<<10-5)
	for name, test := range map[string]struct {
		kernel *sockdiagtest.Kernel
		why    string // empty for no gap
	}{
		"listed":          {&sockdiagtest.Kernel{KnowsIdle: true, Sockets: []port.Socket{tcp(port.BoundInactive, "10.0.0.1:1", "")}}, ""},
		"known, none":     {&sockdiagtest.Kernel{KnowsIdle: true, BTF: far + "TCP_BOUND_INACTIVE"}, ""},
		"known, far off":  {&sockdiagtest.Kernel{KnowsIdle: true, BTF: far + far + "TCP_BOUND_INACTIVE" + far}, ""},
		"not known":       {&sockdiagtest.Kernel{BTF: far + "TCP_BOUND_INACT" + far}, "does not list them"},
		"nobody can tell": {&sockdiagtest.Kernel{}, "may not list them"},
	} {
		t.Run(name, func(t *testing.T) {
			r := sockdiag.NewOn(test.kernel)
			for range 2 { // what is certain is kept
				got := idle(t.Context(), r)
				if got.err != nil {
					t.Fatal(got.err)
				}
				if test.why == "" && got.gaps != nil {
					t.Errorf("gaps %v, want none", got.gaps)
				}
				if test.why != "" && (len(got.gaps) != 1 || !strings.Contains(got.gaps[0].Why, test.why)) {
					t.Errorf("gaps %v, want one with %q", got.gaps, test.why)
				}
			}
		})
	}
}

func TestConsumerStops(t *testing.T) {
	eachWay(t, func(t *testing.T, split bool) {
		k := crowded()
		for stopAfter := 1; stopAfter < len(k.Sockets); stopAfter += 301 {
			n := 0
			stream := sockdiag.NewSplit(k, split).Sockets(t.Context(), nil)
			for range stream.All() {
				if n++; n == stopAfter {
					break
				}
			}
			if err := stream.Err(); err != nil {
				t.Fatalf("stopped after %d: %v", n, err)
			}
			if k.Open() != 0 {
				t.Fatalf("stopped after %d: %d connections left open", n, k.Open())
			}
		}
	})
}

func TestConsumerStopsWithTheContext(t *testing.T) {
	eachWay(t, func(t *testing.T, split bool) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		stream := sockdiag.NewSplit(crowded(), split).Sockets(ctx, nil)
		for range stream.All() {
			cancel()
			break
		}
		if err := stream.Err(); err != nil {
			t.Error(err)
		}
	})
}

func TestContextEndsTheStream(t *testing.T) {
	eachWay(t, func(t *testing.T, split bool) {
		k := crowded()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		// The kernel falls silent in the middle of a dump.
		k.Tamper = on(port.TCP, 1, func(q sockdiagtest.Query, d []sockdiagtest.Datagram) []sockdiagtest.Datagram {
			return d[:len(d)-1]
		})
		stream := sockdiag.NewSplit(k, split).Sockets(ctx, nil)
		for range stream.All() {
			cancel()
		}
		if err := stream.Err(); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want %v", err, context.Canceled)
		}
		if k.Open() != 0 {
			t.Errorf("%d connections left open", k.Open())
		}
	})
}
