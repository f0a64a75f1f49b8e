package sockiter

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"portrange/internal/host"
	"portrange/internal/nettest"
	"portrange/internal/port"
)

// scene is a host whose sockets are looked at.
type scene struct {
	*nettest.Host
	t *testing.T
	p *Programs
}

func newScene(t *testing.T) *scene {
	t.Helper()
	h := nettest.New(t)
	h.Addr("10.0.0.1", "10.0.0.2", "fd00::1", "fd00::2")
	p, err := Open(Options{Holders: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return &scene{h, t, p}
}

func (sc *scene) must(s *nettest.Socket, err error) *nettest.Socket {
	sc.t.Helper()
	if err != nil {
		sc.t.Fatal(err)
	}
	return s
}

func (sc *scene) listen(kind nettest.Kind, at string, options ...nettest.Option) *nettest.Socket {
	sc.t.Helper()
	return sc.must(sc.Listen(kind, netip.MustParseAddrPort(at), options...))
}

func (sc *scene) connect(kind nettest.Kind, to string, options ...nettest.Option) *nettest.Socket {
	sc.t.Helper()
	return sc.must(sc.Connect(kind, netip.MustParseAddrPort(to), options...))
}

func (sc *scene) bindConnect(kind nettest.Kind, from, to string, options ...nettest.Option) *nettest.Socket {
	sc.t.Helper()
	return sc.must(sc.BindConnect(kind, netip.MustParseAddrPort(from), netip.MustParseAddrPort(to), options...))
}

func (sc *scene) dial(kind nettest.Kind, to string) nettest.Dial {
	return func() (*nettest.Socket, error) { return sc.Connect(kind, netip.MustParseAddrPort(to)) }
}

// sockets is all that the namespace holds.
func (sc *scene) sockets() []port.Socket {
	sc.t.Helper()
	var all []port.Socket
	sc.Do(func() {
		stream := sc.p.Sockets(sc.t.Context(), nil)
		all = slices.Collect(stream.All())
		if err := stream.Err(); err != nil {
			sc.t.Fatal(err)
		}
	})
	return all
}

// the returns the one socket of the namespace that meets the condition.
func (sc *scene) the(what string, condition func(port.Socket) bool) port.Socket {
	sc.t.Helper()
	return only(sc.t, what, sc.sockets(), condition)
}

func only[T any](t *testing.T, what string, all []T, condition func(T) bool) T {
	t.Helper()
	found := slices.DeleteFunc(slices.Clone(all), func(one T) bool { return !condition(one) })
	if len(found) != 1 {
		t.Fatalf("%s: found %d, want 1, among %+v", what, len(found), all)
	}
	return found[0]
}

// of returns the one socket that has the same two ends as an open one.
func (sc *scene) of(s *nettest.Socket) port.Socket {
	sc.t.Helper()
	local, remote := sc.ends(s)
	return sc.the(fmt.Sprint(local, " to ", remote), func(got port.Socket) bool {
		return got.Local == local && got.Remote == remote
	})
}

func (sc *scene) ends(s *nettest.Socket) (local, remote netip.AddrPort) {
	sc.t.Helper()
	local, err := s.Local()
	if err != nil {
		sc.t.Fatal(err)
	}
	if remote, err = s.Remote(); err != nil && !errors.Is(err, unix.ENOTCONN) {
		sc.t.Fatal(err)
	}
	return unmapped(local), unmapped(remote)
}

func unmapped(a netip.AddrPort) netip.AddrPort {
	if !a.IsValid() {
		return a
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

func TestHolds(t *testing.T) {
	sc := newScene(t)
	server := sc.listen(nettest.TCP4, "10.0.0.1:80")
	accept := func(client *nettest.Socket) *nettest.Socket { return sc.must(server.Accept()) }
	tests := []struct {
		name  string
		make  func() *nettest.Socket
		state port.State
		hold  port.Hold
	}{
		{"listener", func() *nettest.Socket { return server }, port.Listen, port.BindHeld},
		{"connect", func() *nettest.Socket {
			return sc.connect(nettest.TCP4, "10.0.0.1:80")
		}, port.Established, port.ConnectHeld},
		{"accepted", func() *nettest.Socket {
			return accept(sc.connect(nettest.TCP4, "10.0.0.1:80"))
		}, port.Established, port.BindHeld},
		{"bind to a port, connect", func() *nettest.Socket {
			return sc.bindConnect(nettest.TCP4, "10.0.0.2:50001", "10.0.0.1:80")
		}, port.Established, port.BindHeld},
		{"bind to any port, connect", func() *nettest.Socket {
			return sc.bindConnect(nettest.TCP4, "10.0.0.2:0", "10.0.0.1:80")
		}, port.Established, port.BindHeld},
		{"bind without a port, connect", func() *nettest.Socket {
			return sc.bindConnect(nettest.TCP4, "10.0.0.2:0", "10.0.0.1:80", nettest.BindNoPort())
		}, port.Established, port.ConnectHeld},
		{"reuse", func() *nettest.Socket {
			return sc.bindConnect(nettest.TCP4, "10.0.0.2:50002", "10.0.0.1:80", nettest.ReuseAddr())
		}, port.Established, port.BindHeld},
		{"IPv6 listener", func() *nettest.Socket {
			return sc.listen(nettest.TCP6, "[fd00::1]:80")
		}, port.Listen, port.BindHeld},
		{"IPv6 connect", func() *nettest.Socket {
			return sc.connect(nettest.TCP6, "[fd00::1]:80")
		}, port.Established, port.ConnectHeld},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := sc.of(test.make())
			if got.Proto != port.TCP || got.State != test.state || got.Hold != test.hold {
				t.Errorf("%v %v with hold %d, want hold %d in %v", got.Proto, got.State, got.Hold, test.hold, test.state)
			}
		})
	}
}

// TestWhoChoseThePort tells a listener on a port of its own from one that took
// what the kernel gave it, whichever way sockets are read.
func TestWhoChoseThePort(t *testing.T) {
	sc := newScene(t)
	fixed, given := sc.listen(nettest.TCP4, "10.0.0.1:80"), sc.listen(nettest.TCP4, "10.0.0.1:0")
	unbound := sc.must(sc.Socket(nettest.TCP4))
	if err := unbound.Listen(); err != nil {
		t.Fatal(err)
	}
	full, table := sc.p, newBindScene(t).p
	for name, p := range map[string]*Programs{"iterators": full, "table": table} {
		sc.p = p
		for s, want := range map[*nettest.Socket]bool{fixed: false, given: true, unbound: true} {
			if got := sc.of(s); got.Chosen != want {
				t.Errorf("%s: %v chosen by the kernel: %v", name, got.Local, got.Chosen)
			}
		}
	}
}

// TestBucketIsShared: as soon as one socket takes a port by bind(), all sockets
// on the port are bind-held.
func TestBucketIsShared(t *testing.T) {
	sc := newScene(t)
	sc.listen(nettest.TCP4, "10.0.0.1:80")
	client := sc.connect(nettest.TCP4, "10.0.0.1:80")
	if got := sc.of(client); got.Hold != port.ConnectHeld {
		t.Fatalf("hold %d at first", got.Hold)
	}
	local, _ := client.Local()
	sc.must(sc.Bind(nettest.TCP4, netip.AddrPortFrom(netip.MustParseAddr("10.0.0.2"), local.Port())))
	if got := sc.of(client); got.Hold != port.BindHeld {
		t.Errorf("hold %d after another socket was bound to the port", got.Hold)
	}
}

func TestTimeWait(t *testing.T) {
	for stamps, stamped := range map[string]bool{"0": false, "1": true} {
		t.Run("tcp_timestamps "+stamps, func(t *testing.T) {
			sc := newScene(t)
			sc.Sysctl("net.ipv4.tcp_timestamps", stamps)
			before := time.Now()
			server := sc.listen(nettest.TCP4, "10.0.0.1:80")
			locals, err := nettest.TimeWait(server, 1, sc.dial(nettest.TCP4, "10.0.0.1:80"))
			if err != nil {
				t.Fatal(err)
			}
			at := func(s port.Socket) bool { return s.Local == locals[0] }
			first := sc.the("timewait socket", at)
			if first.State != port.TimeWait || !first.Mini || first.Stamped != stamped || first.Hold != port.ConnectHeld {
				t.Errorf("got %+v", first)
			}
			if first.Inode != 0 {
				t.Errorf("nobody can hold it, yet it has inode %d", first.Inode)
			}
			time.Sleep(50 * time.Millisecond)
			second := sc.the("timewait socket", at)
			if since := time.Since(before); second.Quiet < 50*time.Millisecond || second.Quiet > since {
				t.Errorf("quiet for %v, then %v, both within %v", first.Quiet, second.Quiet, since)
			}
			const lag = time.Second // of jiffies behind the clock, on a busy virtual machine
			left := second.Timer.Expires + time.Since(before)
			if second.Timer.Kind != port.TimerTimeWait || second.Timer.Expires > time.Minute || left < time.Minute-lag {
				t.Errorf("timer %+v, want the rest of a minute", second.Timer)
			}
		})
	}
}

// TestFinWait2 closes a socket that still waits for the other end: the kernel
// keeps it as a timewait socket if tcp_fin_timeout is a minute or less.
func TestFinWait2(t *testing.T) {
	sc := newScene(t)
	server := sc.listen(nettest.TCP4, "10.0.0.1:80")
	client, _, err := nettest.FinWait2(server, sc.dial(nettest.TCP4, "10.0.0.1:80"))
	if err != nil {
		t.Fatal(err)
	}
	full := sc.of(client)
	if full.State != port.FinWait2 || full.Mini || full.Inode == 0 {
		t.Errorf("open: %+v", full)
	}
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	mini := sc.the("closed socket", func(s port.Socket) bool { return s.Local == full.Local })
	if mini.State != port.FinWait2 || !mini.Mini || mini.Hold != port.ConnectHeld || mini.Inode != 0 {
		t.Errorf("closed: %+v", mini)
	}
}

// TestRequest: a listener that defers accepting keeps a request for a client
// that is connected already.
func TestRequest(t *testing.T) {
	sc := newScene(t)
	deferred := func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_TCP, unix.TCP_DEFER_ACCEPT, 30) }
	for _, kind := range []nettest.Kind{nettest.TCP4, nettest.MPTCP4} {
		t.Run(string(kind), func(t *testing.T) {
			server := sc.listen(kind, "10.0.0.1:0", deferred)
			local, _ := sc.ends(server)
			client := sc.connect(nettest.TCP4, local.String())
			remote, _ := sc.ends(client)
			got := sc.the("request", func(s port.Socket) bool { return s.Local == local && s.Remote == remote })
			if got.State != port.SynRecv || got.Hold != port.NotHeld || got.Inode != 0 || got.Mini {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestUDP(t *testing.T) {
	sc := newScene(t)
	tests := []struct {
		name  string
		make  func() *nettest.Socket
		state port.State
	}{
		{"bound", func() *nettest.Socket { return sc.listen(nettest.UDP4, "10.0.0.1:53") }, port.Close},
		{"bound to any", func() *nettest.Socket { return sc.listen(nettest.UDP4, "0.0.0.0:54") }, port.Close},
		{"connected", func() *nettest.Socket { return sc.connect(nettest.UDP4, "10.0.0.1:53") }, port.Established},
		{"IPv6", func() *nettest.Socket { return sc.connect(nettest.UDP6, "[fd00::1]:53") }, port.Established},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := sc.of(test.make())
			if got.Proto != port.UDP || got.State != test.state || got.Hold != port.HoldUnknown || got.Inode == 0 {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestFamilies(t *testing.T) {
	sc := newScene(t)
	sc.listen(nettest.TCP4, "10.0.0.1:80")
	tests := []struct {
		name    string
		make    func() *nettest.Socket
		family6 bool
		v6Only  bool
	}{
		{"IPv4", func() *nettest.Socket { return sc.listen(nettest.TCP4, "10.0.0.1:81") }, false, false},
		{"dual stack", func() *nettest.Socket {
			return sc.listen(nettest.TCP6, "[::]:82", nettest.V6Only(false))
		}, true, false},
		{"IPv6 alone", func() *nettest.Socket {
			return sc.listen(nettest.TCP6, "[::]:83", nettest.V6Only(true))
		}, true, true},
		{"mapped", func() *nettest.Socket { return sc.connect(nettest.TCP6, "[::ffff:10.0.0.1]:80") }, true, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := sc.of(test.make())
			if got.Family6 != test.family6 || got.V6Only != test.v6Only {
				t.Errorf("IPv6 %v, IPv6 only %v", got.Family6, got.V6Only)
			}
			if got.Local.Addr().Is4In6() || got.Remote.Addr().Is4In6() {
				t.Errorf("mapped address in %v to %v", got.Local, got.Remote)
			}
		})
	}
}

func TestIdentity(t *testing.T) {
	const uid, loopback = 4242, 1
	sc := newScene(t)
	s := sc.listen(nettest.TCP4, "127.0.0.1:80", nettest.Device("lo"))
	if err := unix.Fchown(s.FD(), uid, -1); err != nil {
		t.Fatal(err)
	}
	var stat unix.Stat_t
	if err := unix.Fstat(s.FD(), &stat); err != nil {
		t.Fatal(err)
	}
	got := sc.of(s)
	if got.UID != uid || got.Inode != stat.Ino || got.Device != loopback || got.L3Mdev != 0 {
		t.Errorf("got %+v, want UID %d, inode %d, device %d", got, uid, stat.Ino, loopback)
	}
}

func TestTimers(t *testing.T) {
	sc := newScene(t)
	sc.Sink("hole", "10.9.0.1/24")
	sc.listen(nettest.TCP4, "10.0.0.1:80")
	within := func(kind port.TimerKind, low, high time.Duration) func(port.Timer) bool {
		return func(timer port.Timer) bool {
			return timer.Kind == kind && low <= timer.Expires && timer.Expires <= high
		}
	}
	tests := []struct {
		name string
		make func() *nettest.Socket
		good func(port.Timer) bool
	}{
		{"none", func() *nettest.Socket {
			return sc.listen(nettest.TCP4, "10.0.0.1:81")
		}, within(port.TimerOff, 0, 0)},
		{"keepalive", func() *nettest.Socket {
			return sc.connect(nettest.TCP4, "10.0.0.1:80", nettest.KeepAlive())
		}, within(port.TimerKeepalive, 7100*time.Second, 7201*time.Second)},
		{"retransmit", func() *nettest.Socket {
			return sc.connect(nettest.TCP4, "10.9.0.2:80", nettest.NonBlock())
		}, within(port.TimerRetransmit, 0, time.Minute)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			local, _ := sc.ends(test.make())
			got := sc.the(local.String(), func(s port.Socket) bool {
				return s.Local == local && s.State != port.Listen == (test.name != "none")
			})
			if !test.good(got.Timer) {
				t.Errorf("timer %v in %v, %d retries", got.Timer.Kind, got.Timer.Expires, got.Timer.Retries)
			}
		})
	}
}

// TestAgainstSS compares with what ss lists of the same namespace.
func TestAgainstSS(t *testing.T) {
	sc := newScene(t)
	four, six := sc.listen(nettest.TCP4, "10.0.0.1:80"), sc.listen(nettest.TCP6, "[::]:81")
	for range 50 {
		sc.connect(nettest.TCP4, "10.0.0.1:80")
		sc.connect(nettest.TCP6, "[fd00::1]:81")
		sc.connect(nettest.TCP6, "[::ffff:10.0.0.1]:81")
		sc.connect(nettest.UDP4, "10.0.0.1:53")
	}
	sc.must(four.Accept())
	sc.must(six.Accept())
	waiting := sc.listen(nettest.TCP4, "10.0.0.1:82")
	if _, err := nettest.TimeWait(waiting, 20, sc.dial(nettest.TCP4, "10.0.0.1:82")); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range sc.sockets() {
		got = append(got, fmt.Sprint(s.Proto, " ", ssState(s), " ", ssEnd(s, s.Local), " ", ssEnd(s, s.Remote)))
	}
	want := strings.Split(strings.TrimSpace(sc.ss()), "\n")
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got %d sockets\n%s\nss has %d\n%s", len(got), strings.Join(got, "\n"), len(want), strings.Join(want, "\n"))
	}
}

// ss returns protocol, state and both ends of all sockets, one a line.
func (sc *scene) ss() string {
	sc.t.Helper()
	out, err := sc.Command("ss", "-Hntua").Output()
	if err != nil {
		sc.t.Fatal(err)
	}
	var b strings.Builder
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		fmt.Fprintln(&b, f[0], f[1], f[4], f[5])
	}
	return b.String()
}

func ssState(s port.Socket) string {
	switch s.State {
	case port.Established:
		return "ESTAB"
	case port.Close:
		return "UNCONN"
	}
	return strings.ToUpper(strings.ReplaceAll(s.State.String(), "_", "-"))
}

func ssEnd(s port.Socket, end netip.AddrPort) string {
	addr := end.Addr()
	switch {
	case !end.IsValid() && s.Family6 && s.Local.Addr() == netip.IPv6Unspecified() && !s.V6Only:
		return "*:*"
	case !end.IsValid() && s.Family6:
		return "[::]:*"
	case !end.IsValid():
		return "0.0.0.0:*"
	case s.Family6 && addr.Is4():
		return fmt.Sprintf("[::ffff:%v]:%d", addr, end.Port())
	case s.Family6 && addr.IsUnspecified() && !s.V6Only:
		return fmt.Sprintf("*:%d", end.Port())
	}
	return end.String()
}

// TestCrowd: with more sockets than any buffer holds, each is there once.
func TestCrowd(t *testing.T) {
	const size = 9000
	sc := newScene(t)
	sc.Crowd(size, nettest.CrowdOptions{})
	seen := map[netip.AddrPort]bool{}
	for _, s := range sc.sockets() {
		if seen[s.Local] || s.Hold != port.ConnectHeld {
			t.Fatalf("%+v, seen before: %v", s, seen[s.Local])
		}
		seen[s.Local] = true
	}
	if len(seen) != size {
		t.Errorf("%d sockets, want %d", len(seen), size)
	}
}

// TestWalksAtOnce: what one walk remembers of a port never reaches another one,
// which may be in another namespace.
func TestWalksAtOnce(t *testing.T) {
	const port50000 = "10.0.0.2:50000"
	bound, connected := newScene(t), newScene(t)
	bound.listen(nettest.TCP4, "10.0.0.1:80")
	bound.bindConnect(nettest.TCP4, port50000, "10.0.0.1:80")
	connected.Range(50000, 50001)
	connected.listen(nettest.TCP4, "10.0.0.1:80")
	for range 2 {
		connected.bindConnect(nettest.TCP4, "10.0.0.2:0", "10.0.0.1:80", nettest.BindNoPort())
	}
	var walkers sync.WaitGroup
	for sc, want := range map[*scene]port.Hold{bound: port.BindHeld, connected: port.ConnectHeld} {
		walkers.Go(func() {
			for range 200 {
				err := sc.Try(func() error { return expectHold(bound.p, port50000, want) })
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	walkers.Wait()
}

func expectHold(p *Programs, local string, want port.Hold) error {
	found := 0
	stream := p.Sockets(context.Background(), nil)
	for s := range stream.All() {
		if s.Local.String() != local || s.State != port.Established {
			continue
		}
		found++
		if s.Hold != want {
			return fmt.Errorf("hold %d, want %d", s.Hold, want)
		}
	}
	if found != 1 && stream.Err() == nil {
		return fmt.Errorf("%s seen %d times", local, found)
	}
	return stream.Err()
}

func TestBrief(t *testing.T) {
	sc := newScene(t)
	brief, err := Open(Options{Brief: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer brief.Close()
	sc.listen(nettest.TCP4, "10.0.0.1:80")
	client := sc.connect(nettest.TCP4, "10.0.0.1:80", nettest.KeepAlive())
	full := sc.of(client)
	sc.p = brief
	got := sc.of(client)
	if got.Inode != 0 || got.Timer != (port.Timer{}) {
		t.Errorf("not left out: %+v", got)
	}
	full.Inode, full.Timer = 0, port.Timer{}
	if got != full {
		t.Errorf("brief %+v, in full %+v", got, full)
	}
}

func TestLiveStops(t *testing.T) {
	sc := newScene(t)
	sc.listen(nettest.TCP4, "10.0.0.1:80")
	sc.listen(nettest.UDP4, "10.0.0.1:53")
	sc.Do(func() {
		n := 0
		stopped := sc.p.Sockets(t.Context(), nil)
		for range stopped.All() {
			n++
			break
		}
		if n != 1 || stopped.Err() != nil {
			t.Errorf("%d sockets after the first, %v", n, stopped.Err())
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		cancelled := sc.p.Sockets(ctx, nil)
		for s := range cancelled.All() {
			t.Errorf("cancelled: found %+v", s)
		}
		if !errors.Is(cancelled.Err(), context.Canceled) {
			t.Errorf("cancelled: %v", cancelled.Err())
		}
	})
}

// TestCapabilities: an ordinary user needs these capabilities and no other.
func TestCapabilities(t *testing.T) {
	sc := newScene(t)
	sc.listen(nettest.TCP4, "10.0.0.1:80")
	as := func(capabilities ...uintptr) view {
		return lookFrom(t, sc.Host, func(cmd *exec.Cmd) { cmd.SysProcAttr = nobody(capabilities...) })
	}
	for name, enough := range map[string][]uintptr{
		"BPF and PERFMON":            {unix.CAP_BPF, unix.CAP_PERFMON},
		"BPF, PERFMON and NET_ADMIN": {unix.CAP_BPF, unix.CAP_PERFMON, unix.CAP_NET_ADMIN},
	} {
		got := as(enough...)
		if len(got.Errors) > 0 || len(got.Sockets) != 1 {
			t.Errorf("%s: %d sockets, errors %q", name, len(got.Sockets), got.Errors)
		}
		only(t, name+": holder", got.Holders, func(h host.Holder) bool { return h.NetNS == sc.ID() })
	}
	for missing, few := range map[string][]uintptr{
		"needs CAP_BPF and CAP_PERFMON": {},
		"needs CAP_BPF":                 {unix.CAP_PERFMON},
		"needs CAP_PERFMON":             {unix.CAP_BPF, unix.CAP_NET_ADMIN, unix.CAP_SYS_PTRACE},
	} {
		got := as(few...)
		if !got.Refused || len(got.Errors) != 1 || !strings.HasSuffix(got.Errors[0], missing) {
			t.Errorf("refused %v with %q, want it to say %q", got.Refused, got.Errors, missing)
		}
	}
}
