package sockiter

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/cilium/ebpf/btf"
	"github.com/google/go-cmp/cmp"

	"portrange/internal/host"
	"portrange/internal/nettest"
	"portrange/internal/port"
)

// layouts are kernels other than the running one, as far as the programs can
// tell: its types, changed so that the same bytes go by other names. Where a
// field is only missing, the programs must find out another way.
var layouts = map[string]func(t *testing.T, kernel *btf.Spec){
	"no sk_ino (before 6.17)": func(t *testing.T, kernel *btf.Spec) {
		without(structure(t, kernel, "sock"), "sk_ino")
	},
	"no tw_entry_stamp (before 6.14)": func(t *testing.T, kernel *btf.Spec) {
		without(structure(t, kernel, "inet_timewait_sock"), "tw_entry_stamp")
	},
	"f_count (before 6.13)": func(t *testing.T, kernel *btf.Spec) {
		file := structure(t, kernel, "file")
		ref := member(t, file, "f_ref")
		count := btf.UnderlyingType(ref.Type).(*btf.Struct).Members[0]
		without(file, ref.Name)
		file.Members = append(file.Members, btf.Member{Name: "f_count", Type: count.Type, Offset: ref.Offset})
	},
	"icsk_timeout (before 6.18)": func(t *testing.T, kernel *btf.Spec) {
		icsk := structure(t, kernel, "inet_connection_sock")
		timer := member(t, icsk, "icsk_retransmit_timer")
		expires := member(t, structure(t, kernel, "timer_list"), "expires")
		expires.Name, expires.Offset = "icsk_timeout", timer.Offset+expires.Offset
		icsk.Members = append(icsk.Members, expires)
	},
	"tcp_retransmit_timer (since 6.19)": func(t *testing.T, kernel *btf.Spec) {
		icsk, sock := structure(t, kernel, "inet_connection_sock"), structure(t, kernel, "sock")
		retransmit, keepalive := member(t, icsk, "icsk_retransmit_timer"), member(t, sock, "sk_timer")
		without(icsk, retransmit.Name)
		retransmit.Name, keepalive.Name = "tcp_retransmit_timer", "icsk_keepalive_timer"
		sock.Members = append(sock.Members, retransmit)
		icsk.Members = append(icsk.Members, keepalive)
	},
}

func structure(t *testing.T, kernel *btf.Spec, name string) *btf.Struct {
	t.Helper()
	var s *btf.Struct
	if err := kernel.TypeByName(name, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func member(t *testing.T, s *btf.Struct, name string) btf.Member {
	t.Helper()
	i := slices.IndexFunc(s.Members, func(m btf.Member) bool { return m.Name == name })
	if i < 0 {
		t.Fatalf("struct %s of the running kernel has no %s", s.Name, name)
	}
	return s.Members[i]
}

func without(s *btf.Struct, name string) {
	s.Members = slices.DeleteFunc(s.Members, func(m btf.Member) bool { return m.Name == name })
}

// openOn opens the programs for a kernel with another layout.
func openOn(t *testing.T, change func(*testing.T, *btf.Spec)) *Programs {
	t.Helper()
	return openFor(t, Options{Holders: true}, change)
}

func openFor(t *testing.T, options Options, change func(*testing.T, *btf.Spec)) *Programs {
	t.Helper()
	var gaps host.Gaps
	p := openWithGaps(t, options, change, &gaps)
	if missed := gaps.List(); len(missed) > 0 {
		t.Fatal(missed)
	}
	return p
}

func openWithGaps(t *testing.T, options Options, change func(*testing.T, *btf.Spec), gaps *host.Gaps) *Programs {
	t.Helper()
	l, err := newLoader(options)
	if err != nil {
		t.Fatal(err)
	}
	kernel, err := l.options.Cache.Kernel()
	if err != nil {
		t.Fatal(err)
	}
	change(t, kernel)
	p := &Programs{}
	if p.tick, err = tick(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	if err := errors.Join(p.openSockets(l, gaps), p.openHolders(l)); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestLayouts: what is read does not depend on where this kernel keeps it.
func TestLayouts(t *testing.T) {
	sc := newScene(t)
	sc.Sink("hole", "10.9.0.1/24")
	server := sc.listen(nettest.TCP4, "10.0.0.1:80")
	sc.connect(nettest.TCP4, "10.0.0.1:80", nettest.KeepAlive())
	sc.connect(nettest.TCP4, "10.9.0.2:80", nettest.NonBlock())
	sc.must(server.Accept())
	sc.connect(nettest.UDP4, "10.0.0.1:53")
	waiting := sc.listen(nettest.TCP4, "10.0.0.1:81")
	running := sc.p
	for name, change := range layouts {
		t.Run(name, func(t *testing.T) {
			if _, err := nettest.TimeWait(waiting, 1, sc.dial(nettest.TCP4, "10.0.0.1:81")); err != nil {
				t.Fatal(err)
			}
			want, got := sc.steady(running, openOn(t, change))
			if diff := cmp.Diff(want, got, sameAddresses); diff != "" {
				t.Errorf("sockets differ (-want +got):\n%s", diff)
			}
		})
	}
}

// steady is what two loads of the programs see while nothing changes: timers
// fire and timewait sockets go whenever they like.
func (sc *scene) steady(want, got *Programs) (wanted, seen []port.Socket) {
	sc.t.Helper()
	for {
		before := sc.seenBy(want)
		seen = sc.seenBy(got)
		if slices.Equal(before, sc.seenBy(want)) {
			return before, seen
		}
	}
}

// seenBy are the sockets, then those that are held.
func (sc *scene) seenBy(p *Programs) []port.Socket {
	sc.t.Helper()
	sc.p = p
	all := sc.sockets()
	for _, h := range sc.holders() {
		all = append(all, h.Socket)
	}
	return stripped(all)
}

// stripped leaves of the times, which differ between two walks, only that the
// keepalive timer has more than an hour to go and no other has.
func stripped(sockets []port.Socket) []port.Socket {
	for i := range sockets {
		s := &sockets[i]
		s.Timer.Retries = 0
		s.Timer.Expires = s.Timer.Expires.Truncate(time.Hour)
		s.Quiet = s.Quiet.Truncate(time.Minute)
	}
	return sockets
}

// TestOldClock: where the kernel keeps only seconds, so do we.
func TestOldClock(t *testing.T) {
	sc := newScene(t)
	server := sc.listen(nettest.TCP4, "10.0.0.1:80")
	if _, err := nettest.TimeWait(server, 1, sc.dial(nettest.TCP4, "10.0.0.1:80")); err != nil {
		t.Fatal(err)
	}
	sc.p = openOn(t, func(t *testing.T, kernel *btf.Spec) {
		without(structure(t, kernel, "inet_timewait_sock"), "tw_entry_stamp")
	})
	got := sc.the("timewait socket", func(s port.Socket) bool { return s.State == port.TimeWait })
	if !got.Stamped || got.Quiet%time.Second != 999*time.Millisecond || got.Quiet > time.Minute {
		t.Errorf("quiet for %v, stamped %v", got.Quiet, got.Stamped)
	}
}

func withoutCast(t *testing.T, kernel *btf.Spec) {
	t.Helper()
	var cast *btf.Func
	if err := kernel.TypeByName("bpf_rdonly_cast", &cast); err != nil {
		t.Fatal(err)
	}
	cast.Name = "gone"
}

// TestNoSubflows: before 6.2 the owners of MPTCP sockets are a gap, and no
// reason to do without the others.
func TestNoSubflows(t *testing.T) {
	sc := newScene(t)
	sc.listen(nettest.MPTCP4, "10.0.0.1:80")
	plain := sc.listen(nettest.TCP4, "10.0.0.1:81")
	sc.p = openOn(t, withoutCast)
	local, _ := sc.ends(plain)
	var gaps host.Gaps
	found := 0
	stream := sc.p.Holders(t.Context(), &gaps)
	for h := range stream.All() {
		if h.NetNS == sc.ID() && h.Socket.Local == local {
			found++
		}
	}
	if missed := gaps.List(); stream.Err() != nil || len(missed) != 1 || missed[0].Part != host.PartOwners || found != 1 {
		t.Errorf("gaps %v, error %v, and the TCP socket %d times, want one gap and 1", missed, stream.Err(), found)
	}
}
