package sockdiag_test

import (
	"bytes"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"portrange/internal/kernel/sockdiag"
	"portrange/internal/nettest"
	"portrange/internal/port"
)

func TestMain(m *testing.M) { nettest.Main(m) }

// town is a host with sockets of every sort.
type town struct {
	*nettest.Host
	t *testing.T
}

func newTown(t *testing.T) *town {
	h := nettest.New(t)
	h.Addr("10.0.0.1", "10.0.0.2", "fd00::1", "fd00::2")
	return &town{Host: h, t: t}
}

func (w *town) must(s *nettest.Socket, err error) *nettest.Socket {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *town) listen(kind nettest.Kind, at string, options ...nettest.Option) *nettest.Socket {
	w.t.Helper()
	return w.must(w.Listen(kind, addr(at), options...))
}

func (w *town) dialer(kind nettest.Kind, to string) nettest.Dial {
	return func() (*nettest.Socket, error) { return w.Connect(kind, addr(to)) }
}

// pair connects to the listener and returns both ends.
func (w *town) pair(listener *nettest.Socket, dial nettest.Dial) (client, server *nettest.Socket) {
	w.t.Helper()
	client, server, err := nettest.Pair(listener, dial)
	if err != nil {
		w.t.Fatal(err)
	}
	return client, server
}

func (w *town) local(s *nettest.Socket) netip.AddrPort {
	w.t.Helper()
	local, err := s.Local()
	if err != nil {
		w.t.Fatal(err)
	}
	return local
}

// read collects what the running kernel lists. It must leave no gap.
func (w *town) read() []port.Socket {
	w.t.Helper()
	return w.readWith(sockdiag.New())
}

func (w *town) readWith(r *sockdiag.Reader) []port.Socket {
	w.t.Helper()
	var got outcome
	w.Do(func() { got = everything(w.t.Context(), r) })
	if got.err != nil || got.gaps != nil {
		w.t.Fatalf("gaps %v, error %v", got.gaps, got.err)
	}
	return got.sockets
}

// inode is what /proc/PID/fd calls the socket.
func inode(t *testing.T, s *nettest.Socket) uint64 {
	t.Helper()
	var stat unix.Stat_t
	if err := unix.Fstat(s.FD(), &stat); err != nil {
		t.Fatal(err)
	}
	return stat.Ino
}

// the one socket among several that the test expects.
func only(t *testing.T, sockets []port.Socket, what string, is func(*port.Socket) bool) port.Socket {
	t.Helper()
	var found []port.Socket
	for _, s := range sockets {
		if is(&s) {
			found = append(found, s)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d sockets are %s, want 1: %+v", len(found), what, found)
	}
	return found[0]
}

func withInode(n uint64) func(*port.Socket) bool {
	return func(s *port.Socket) bool { return s.Inode == n }
}

func TestLiveOpenSockets(t *testing.T) {
	w := newTown(t)
	web := w.listen(nettest.TCP4, "10.0.0.1:80")
	dual := w.listen(nettest.TCP6, "[::]:8080", nettest.V6Only(false))
	v6 := w.listen(nettest.TCP6, "[::]:8081", nettest.V6Only(true))
	client, server := w.pair(web, w.dialer(nettest.TCP4, "10.0.0.1:80"))
	client4, server4 := w.pair(dual, w.dialer(nettest.TCP4, "10.0.0.2:8080"))
	client6, server6 := w.pair(v6, w.dialer(nettest.TCP6, "[fd00::2]:8081"))
	onLo := w.must(w.Bind(nettest.TCP4, addr("0.0.0.0:9000"), nettest.Device("lo")))
	name := w.listen(nettest.UDP6, "[::]:53", nettest.V6Only(true))
	resolver := w.must(w.Connect(nettest.UDP4, addr("10.0.0.2:5353")))

	sockets := w.read()
	for _, want := range []struct {
		what   string
		socket *nettest.Socket
		port.Socket
	}{
		{"listener", web, port.Socket{Proto: port.TCP, State: port.Listen, Hold: port.BindHeld}},
		{"dual-stack listener", dual, port.Socket{Proto: port.TCP, State: port.Listen, Hold: port.BindHeld, Family6: true}},
		{"IPv6 listener", v6, port.Socket{Proto: port.TCP, State: port.Listen, Hold: port.BindHeld, Family6: true, V6Only: true}},
		{"client", client, port.Socket{Proto: port.TCP, State: port.Established}},
		{"accepted", server, port.Socket{Proto: port.TCP, State: port.Established, Hold: port.BindHeld}},
		{"client of dual-stack listener", client4, port.Socket{Proto: port.TCP, State: port.Established}},
		{"accepted as mapped", server4, port.Socket{Proto: port.TCP, State: port.Established, Hold: port.BindHeld, Family6: true}},
		{"IPv6 client", client6, port.Socket{Proto: port.TCP, State: port.Established, Family6: true}},
		{"accepted IPv6", server6, port.Socket{Proto: port.TCP, State: port.Established, Hold: port.BindHeld, Family6: true}},
		{"idle", onLo, port.Socket{Proto: port.TCP, State: port.BoundInactive, Hold: port.BindHeld, Device: 1}},
		{"udp server", name, port.Socket{Proto: port.UDP, State: port.Close, Family6: true, V6Only: true}},
		{"udp client", resolver, port.Socket{Proto: port.UDP, State: port.Established}},
	} {
		got := only(t, sockets, want.what, withInode(inode(t, want.socket)))
		if got.Local != w.local(want.socket) {
			t.Errorf("%s: local end %v, want %v", want.what, got.Local, w.local(want.socket))
		}
		if remote, err := want.socket.Remote(); err == nil && got.Remote != remote || err != nil && got.Connected() {
			t.Errorf("%s: remote end %v, want %v (%v)", want.what, got.Remote, remote, err)
		}
		if got.Proto != want.Proto || got.State != want.State || got.Hold != want.Hold ||
			got.Family6 != want.Family6 || got.V6Only != want.V6Only || got.Device != want.Device || got.Mini {
			t.Errorf("%s: read %+v, want the properties of %+v", want.what, got, want.Socket)
		}
	}
	if len(sockets) != 12 {
		t.Errorf("%d sockets, want 12", len(sockets))
	}
}

func TestLiveClosingSockets(t *testing.T) {
	w := newTown(t)
	web := w.listen(nettest.TCP4, "10.0.0.1:80")
	dial := w.dialer(nettest.TCP4, "10.0.0.1:80")
	waiting, err := nettest.TimeWait(web, 1, dial)
	if err != nil {
		t.Fatal(err)
	}
	full, _, err := nettest.FinWait2(web, dial)
	if err != nil {
		t.Fatal(err)
	}
	mini, _, err := nettest.FinWait2(web, dial)
	if err != nil {
		t.Fatal(err)
	}
	miniLocal, fullLocal := w.local(mini), w.local(full)
	if err := mini.Close(); err != nil {
		t.Fatal(err)
	}
	half, err := nettest.CloseWait(web, dial)
	if err != nil {
		t.Fatal(err)
	}

	sockets := w.read()
	at := func(local netip.AddrPort) func(*port.Socket) bool {
		return func(s *port.Socket) bool { return s.Local == local }
	}
	tw := only(t, sockets, "in TIME_WAIT", at(waiting[0]))
	if tw.State != port.TimeWait || !tw.Mini || tw.Stamped || tw.Inode != 0 || tw.Hold != port.HoldUnknown ||
		tw.Timer.Kind != port.TimerTimeWait || tw.Quiet+tw.Timer.Expires != time.Minute {
		t.Errorf("TIME_WAIT read as %+v", tw)
	}
	if s := only(t, sockets, "a timewait socket in FIN_WAIT2", at(miniLocal)); s.State != port.FinWait2 || !s.Mini || s.Quiet != 0 || s.Timer.Expires == 0 {
		t.Errorf("timewait socket in FIN_WAIT2 read as %+v", s)
	}
	if s := only(t, sockets, "a full socket in FIN_WAIT2", at(fullLocal)); s.State != port.FinWait2 || s.Mini || s.Inode == 0 {
		t.Errorf("full socket in FIN_WAIT2 read as %+v", s)
	}
	if s := only(t, sockets, "in CLOSE_WAIT", at(w.local(half))); s.State != port.CloseWait || s.Mini {
		t.Errorf("CLOSE_WAIT read as %+v", s)
	}
}

// A request socket exists where the last packet of the handshake is missing.
// Here the client's address is one that ARP does not find.
func TestLiveRequestSocket(t *testing.T) {
	w, away := newTown(t), newTown(t)
	nettest.Link(w.Host, away.Host, "wire")
	w.AddrOn("wire", "192.0.2.1/24")
	away.AddrOn("wire", "192.0.2.2/24")
	away.Addr("192.0.2.99")
	away.Sysctl("net.ipv4.conf.all.arp_ignore", "1")
	away.Sysctl("net.ipv4.conf.all.arp_announce", "2")
	w.listen(nettest.TCP4, "192.0.2.1:80")
	away.must(away.BindConnect(nettest.TCP4, addr("192.0.2.99:50000"), addr("192.0.2.1:80"), nettest.NonBlock()))

	var request *port.Socket
	for deadline := time.Now().Add(10 * time.Second); request == nil && time.Now().Before(deadline); {
		for _, s := range w.read() {
			if s.Remote == addr("192.0.2.99:50000") {
				request = &s
			}
		}
	}
	if request == nil {
		t.Fatal("no request socket within 10 s")
	}
	if request.State != port.SynRecv || request.Hold != port.NotHeld || request.Inode != 0 || request.Local != addr("192.0.2.1:80") {
		t.Errorf("request socket read as %+v", request)
	}
}

func TestLiveUnansweredConnect(t *testing.T) {
	w := newTown(t)
	w.Sink("away", "192.0.2.1/24")
	s := w.must(w.Connect(nettest.TCP4, addr("192.0.2.7:80"), nettest.NonBlock()))
	got := only(t, w.read(), "the client", withInode(inode(t, s)))
	if got.State != port.SynSent || got.Timer.Kind != port.TimerRetransmit || got.Timer.Expires <= 0 {
		t.Errorf("unanswered connect() read as %+v", got)
	}
}

// A socket that was bound to a port keeps it after a failed connect(), together
// with the address it failed to reach.
func TestLiveIdleAfterFailedConnect(t *testing.T) {
	w := newTown(t)
	s := w.must(w.Bind(nettest.TCP4, addr("10.0.0.1:9000")))
	if err := s.Connect(addr("10.0.0.2:1")); err == nil {
		t.Fatal("connect to a closed port worked")
	}
	got := only(t, w.read(), "idle", withInode(inode(t, s)))
	if got.State != port.BoundInactive || got.Connected() || got.Hold != port.BindHeld {
		t.Errorf("read %+v, want an idle bound socket without a remote end", got)
	}
}

// An MPTCP connection is listed through its TCP sockets, once, and these have
// the inode that /proc shows for the MPTCP socket.
func TestLiveMPTCP(t *testing.T) {
	w := newTown(t)
	listener := w.listen(nettest.MPTCP4, "10.0.0.1:80")
	client, server := w.pair(listener, w.dialer(nettest.MPTCP4, "10.0.0.1:80"))
	idle := w.must(w.Bind(nettest.MPTCP4, addr("10.0.0.1:9000")))
	sockets := w.read()
	if len(sockets) != 4 {
		t.Errorf("%d sockets, want 4: %+v", len(sockets), sockets)
	}
	for what, want := range map[string]struct {
		socket *nettest.Socket
		state  port.State
	}{
		"listener": {listener, port.Listen}, "client": {client, port.Established},
		"accepted": {server, port.Established}, "idle": {idle, port.BoundInactive},
	} {
		got := only(t, sockets, what, withInode(inode(t, want.socket)))
		if got.Proto != port.TCP || got.State != want.state || got.Local != w.local(want.socket) {
			t.Errorf("%s: read %+v", what, got)
		}
	}
}

func TestLiveIdle(t *testing.T) {
	w := newTown(t)
	w.listen(nettest.TCP4, "10.0.0.1:80")
	four := w.must(w.Bind(nettest.TCP4, addr("10.0.0.1:0")))
	six := w.must(w.Bind(nettest.TCP6, addr("[fd00::1]:0")))
	w.must(w.Bind(nettest.UDP4, addr("10.0.0.1:0")))
	var got outcome
	w.Do(func() { got = idle(t.Context(), sockdiag.New()) })
	if got.err != nil || got.gaps != nil || len(got.sockets) != 2 {
		t.Fatalf("%d idle sockets, want 2; gaps %v, error %v", len(got.sockets), got.gaps, got.err)
	}
	for _, s := range []*nettest.Socket{four, six} {
		only(t, got.sockets, "idle", withInode(inode(t, s)))
	}
}

func TestLiveEmptyNamespaceHasNoGap(t *testing.T) {
	if sockets := newTown(t).read(); len(sockets) != 0 {
		t.Errorf("%d sockets in an empty namespace", len(sockets))
	}
}

// crossroads has sockets in many states, on many ports, of both families.
func crossroads(t *testing.T) *town {
	w := newTown(t)
	for i, kinds := range [][2]nettest.Kind{{nettest.TCP4, nettest.TCP4}, {nettest.TCP6, nettest.TCP6}, {nettest.TCP6, nettest.TCP4}} {
		at := []string{"10.0.0.1:80", "[fd00::1]:80", "[::]:8080"}[i]
		to := []string{"10.0.0.1:80", "[fd00::1]:80", "10.0.0.2:8080"}[i]
		listener, dial := w.listen(kinds[0], at), w.dialer(kinds[1], to)
		for range 20 {
			w.pair(listener, dial)
		}
		if _, err := nettest.TimeWait(listener, 15, dial); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if _, _, err := nettest.FinWait2(listener, dial); err != nil {
				t.Fatal(err)
			}
			if _, err := nettest.CloseWait(listener, dial); err != nil {
				t.Fatal(err)
			}
		}
		w.must(w.Bind(kinds[0], netip.AddrPortFrom(addr(at).Addr(), 0)))
	}
	for range 10 {
		w.must(w.Bind(nettest.UDP4, addr("10.0.0.1:0")))
		w.must(w.Bind(nettest.UDP6, addr("[fd00::1]:0")))
		w.must(w.Connect(nettest.UDP4, addr("10.0.0.2:53")))
	}
	return w
}

func TestLiveHalvesListTheSame(t *testing.T) {
	w := crossroads(t)
	ends := func(sockets []port.Socket) []string {
		var texts []string
		for _, s := range sockets {
			texts = append(texts, fmt.Sprint(s.Proto, s.State, s.Local, s.Remote, s.Family6, s.Hold))
		}
		slices.Sort(texts)
		return texts
	}
	whole := ends(w.readWith(sockdiag.NewSplit(sockdiag.Running, false)))
	halves := ends(w.readWith(sockdiag.NewSplit(sockdiag.Running, true)))
	if !slices.Equal(whole, halves) {
		t.Errorf("in one piece:\n%s\nin halves:\n%s", strings.Join(whole, "\n"), strings.Join(halves, "\n"))
	}
}

// TestLiveAgreesWithSS compares the counts by state with those of ss(8), which
// does not ask for idle bound sockets.
func TestLiveAgreesWithSS(t *testing.T) {
	w := crossroads(t)
	got := map[string]int{}
	for _, s := range w.read() {
		if s.State != port.BoundInactive {
			got[fmt.Sprint(s.Proto, " ", ssState(&s))]++
		}
	}
	want := map[string]int{}
	for proto, flags := range map[port.Proto]string{port.TCP: "-Htan", port.UDP: "-Huan"} {
		out, err := w.Command("ss", flags).Output()
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(out) {
			want[fmt.Sprint(proto, " ", string(bytes.Fields(line)[0]))]++
		}
	}
	if !maps.Equal(want, got) {
		t.Errorf("counts by state %v, ss has %v", got, want)
	}
}

// ssState is how ss(8) spells the state.
func ssState(s *port.Socket) string {
	switch s.State {
	case port.Established:
		return "ESTAB"
	case port.Close:
		return "UNCONN"
	case port.FinWait1:
		return "FIN-WAIT-1"
	case port.FinWait2:
		return "FIN-WAIT-2"
	}
	return strings.ToUpper(strings.ReplaceAll(s.State.String(), "_", "-"))
}
