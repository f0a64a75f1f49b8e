package judge

import (
	"net/netip"
	"slices"
	"testing"

	"portrange/internal/host"
	"portrange/internal/port"
)

// dozen is a namespace with the ports 40000 to 40011, of which the lower half ends
// at 40005, and ip_autobind_reuse as given.
func dozen(autobind bool, sockets ...*port.Socket) *host.Namespace {
	settings := host.Settings{
		Range: port.Range{Low: 40000, High: 40011}, Reserved: &port.Set{}, UnprivilegedStart: 1024, AutobindReuse: autobind,
	}
	ns := &host.Namespace{Source: "bpf", Settings: settings, Usage: host.NewUsage(settings)}
	for _, s := range sockets {
		ns.Usage.Add(s)
	}
	return ns
}

func set(ports ...uint16) *port.Set {
	s := &port.Set{}
	for _, p := range ports {
		s.Add(p)
	}
	return s
}

func TestReached(t *testing.T) {
	for _, tt := range []struct {
		steps []step
		want  int
	}{
		{nil, 0}, {[]step{{3, 0}, {4, 0}}, 7}, {[]step{{3, 1}, {4, 0}}, 3}, {[]step{{0, 1}, {4, 0}}, 0}, {[]step{{3, 0}, {4, 1}, {5, 0}}, 7},
	} {
		if got := reached(tt.steps); got != tt.want {
			t.Errorf("%v: %d, want %d", tt.steps, got, tt.want)
		}
	}
}

// TestPasses: in which order the searches go.
func TestPasses(t *testing.T) {
	r := newRules(dozen(false))
	own := &port.Range{Low: 40002, High: 40003}
	for _, tt := range []struct {
		name string
		in   pass
		want map[uint16]int
	}{
		{"connect()", r.connectPass(&Asker{Proto: port.TCP}), map[uint16]int{40000: 0, 40001: 1, 40010: 0, 40011: 1}},
		{"connect() in its own range", r.connectPass(&Asker{Proto: port.TCP, SocketRange: own}), map[uint16]int{40002: 0, 40003: 0}},
		{"bind()", r.bindPass(&Asker{Proto: port.TCP}), map[uint16]int{40000: 1, 40001: 0, 40010: 1, 40011: 0}},
		{"bind() with SO_REUSEADDR", r.bindPass(&Asker{Proto: port.TCP, Reuse: true}),
			map[uint16]int{40001: 0, 40005: 0, 40000: 1, 40004: 1, 40007: 2, 40011: 2, 40006: 3, 40010: 3}},
		{"UDP", r.bindPass(&Asker{Proto: port.UDP, Reuse: true}), map[uint16]int{40000: 0, 40001: 0, 40011: 0}},
	} {
		for p, want := range tt.want {
			if got := tt.in(p); got != want {
				t.Errorf("%s: port %d in pass %d, want %d", tt.name, p, got, want)
			}
		}
	}
	for high, halves := range map[uint16]bool{40002: false, 40003: true} {
		ns := dozen(false)
		ns.Settings.Range.High = high
		if got := newRules(ns).bindPass(&Asker{Proto: port.TCP, Reuse: true})(high); (got > 1) != halves {
			t.Errorf("up to %d: the last port in pass %d, halves %v", high, got, halves)
		}
	}
}

// TestBarredPorts: who tries again comes by the same ports, and not to those of the
// next pass.
func TestBarredPorts(t *testing.T) {
	remote := netip.MustParseAddrPort("10.0.0.5:80")
	for _, tt := range []struct {
		name   string
		asker  Asker
		barred *port.Set
		bound  int // of 12 ports left
	}{
		{"none of the range", Asker{Proto: port.TCP}, set(39999), 0},
		{"of the first pass", Asker{Proto: port.TCP}, set(40002), 7},
		{"of the second", Asker{Proto: port.TCP}, set(40003), 1},
		{"all", Asker{Proto: port.TCP}, port.Range{Low: 40000, High: 40011}.Set(), 12},
		{"UDP", Asker{Proto: port.UDP}, set(40002, 40003), 2},
		{"bind()", Asker{Proto: port.TCP, Reuse: true}, set(40001), 10},
	} {
		ns := dozen(false)
		tt.asker.Local, tt.asker.Barred = netip.MustParseAddr("10.0.0.2"), tt.barred
		bound, doubts, left := 0, []Doubt(nil), 0
		if tt.asker.Proto == port.TCP && !tt.asker.Reuse {
			pool := Left(ns, &tt.asker, remote)
			left, bound, doubts = pool.Left, pool.ErrorBound, pool.Doubts
		} else {
			pool := LeftBound(ns, &tt.asker, Way{Remote: remote})
			left, bound, doubts = pool.Left, pool.ErrorBound, pool.Doubts
		}
		if left != 12 || bound != tt.bound || slices.Contains(doubts, DoubtLocalPort) != (tt.bound > 0) {
			t.Errorf("%s: %d left, bound %d, %v; want 12, %d", tt.name, left, bound, doubts, tt.bound)
		}
	}
	ns := dozen(false, socket("10.0.0.2:40002", "10.0.0.5:80"))
	asker := Asker{Proto: port.TCP, Local: netip.MustParseAddr("10.0.0.2"), Barred: set(40002)}
	if pool := Left(ns, &asker, remote); !pool.Exact || pool.Left != 11 {
		t.Errorf("the barred port is taken: %+v", pool)
	}
}

// TestSharedPorts is what TestLiveSharedPorts measures, on edges.
func TestSharedPorts(t *testing.T) {
	const here = "10.0.0.5:80"
	reuses := func(s *port.Socket) { bound(s); s.Reuse = true }
	waits := func(s *port.Socket) { reuses(s); reusable(s) }
	unstamped := func(s *port.Socket) { waits(s); s.Stamped = false }
	full := func(remote string, edit func(*port.Socket)) []*port.Socket {
		var sockets []*port.Socket
		for p := uint16(40000); p <= 40011; p++ {
			s := socket("10.0.0.2:1", remote, edit)
			s.Local = netip.AddrPortFrom(s.Local.Addr(), p)
			sockets = append(sockets, s)
		}
		return sockets
	}
	for _, tt := range []struct {
		name         string
		autobind     bool
		reuse        bool
		sockets      []*port.Socket
		left, shared int
	}{
		{"nothing there", true, true, nil, 12, 0},
		{"the same destination", true, true, full(here, reuses), 0, 0},
		{"another one", true, true, full("10.0.0.6:80", reuses), 3, 3},
		{"not switched on", false, true, full("10.0.0.6:80", reuses), 0, 0},
		{"asked without", true, false, full("10.0.0.6:80", reuses), 0, 0},
		{"held without", true, true, full("10.0.0.6:80", bound), 0, 0},
		{"in TIME_WAIT", true, true, full(here, waits), 3, 3},
		{"in TIME_WAIT without timestamps", true, true, full(here, unstamped), 0, 0},
		{"one in the first pass", true, true, []*port.Socket{socket("10.0.0.2:40001", "10.0.0.6:80", reuses)}, 12, 1},
		{"one in the second", true, true, []*port.Socket{socket("10.0.0.2:40000", "10.0.0.6:80", reuses)}, 11, 0},
		{"taken by connect() too", true, true, []*port.Socket{
			socket("10.0.0.2:40001", "10.0.0.6:80", reuses), socket("10.0.0.2:40001", here, reuses),
		}, 11, 0},
	} {
		asker := Asker{Proto: port.TCP, Local: netip.MustParseAddr("10.0.0.2"), Reuse: tt.reuse}
		way := Way{Remote: netip.MustParseAddrPort(here), Sources: []netip.Addr{asker.Local}}
		pool := LeftBound(dozen(tt.autobind, tt.sockets...), &asker, way)
		if pool.Left != tt.left || pool.Shared != tt.shared || pool.Exact != (tt.shared == 0) || pool.Endless || pool.ErrorBound != tt.shared {
			t.Errorf("%s: %+v, want %d left, %d of them shared", tt.name, pool, tt.left, tt.shared)
		}
		if pool.Size != pool.Used+pool.Left {
			t.Errorf("%s: size %d, used %d, left %d", tt.name, pool.Size, pool.Used, pool.Left)
		}
	}
}

// TestPerhapsEndless: no port is left, unless those in use are shared.
func TestPerhapsEndless(t *testing.T) {
	var sockets []*port.Socket
	for p := uint16(40000); p <= 40011; p++ {
		s := socket("10.0.0.2:1", "", udp, asNetlink)
		s.Local = netip.AddrPortFrom(s.Local.Addr(), p)
		sockets = append(sockets, s)
	}
	for _, tt := range []struct {
		sockets          []*port.Socket
		edit             func(*Asker)
		perhaps, endless bool
	}{
		{sockets, reuse, true, false}, {sockets, reusePort, true, false}, {sockets, func(*Asker) {}, false, false}, {sockets[1:], reuse, false, true},
	} {
		got := leftLocal(dozen(false, tt.sockets...), port.UDP, "10.0.0.2", tt.edit)
		if got.PerhapsEndless != tt.perhaps || got.Endless != tt.endless {
			t.Errorf("%d sockets: %+v, want perhaps %v, endless %v", len(tt.sockets), got, tt.perhaps, tt.endless)
		}
	}
}

// TestOnlyFewer: which way a number may be off.
func TestOnlyFewer(t *testing.T) {
	aged := socket("10.0.0.2:40002", "10.0.0.5:80", asNetlink, reusable, func(s *port.Socket) { s.Stamped = false })
	hidden := socket("10.0.0.2:40000", "10.0.0.6:80", asNetlink)
	missing := func(ns *host.Namespace) *host.Namespace {
		ns.Usage.Miss(host.Missed{Proto: port.TCP, Sockets: 1})
		return ns
	}
	for name, tt := range map[string]struct {
		ns   *host.Namespace
		want bool
	}{
		"exact":               {dozen(false), false},
		"a bucket not seen":   {dozen(false, hidden), true},
		"an old TIME_WAIT":    {reusing(dozen(false, aged)), false},
		"both":                {reusing(dozen(false, hidden, aged)), false},
		"sockets passed over": {missing(dozen(false)), true},
	} {
		asker := Asker{Proto: port.TCP, Local: netip.MustParseAddr("10.0.0.2")}
		if got := Left(tt.ns, &asker, netip.MustParseAddrPort("10.0.0.5:80")); got.OnlyFewer != tt.want {
			t.Errorf("%s: %+v, want %v", name, got, tt.want)
		}
	}
	bare := leftLocal(missing(dozen(false)), port.TCP, "10.0.0.2")
	unsure := leftLocal(missing(dozen(false, socket("[fd00::1]:40001", "", idle, func(s *port.Socket) { s.V6Unknown = true }))), port.TCP, "0.0.0.0")
	if !bare.OnlyFewer || unsure.OnlyFewer {
		t.Errorf("local pools: %+v, %+v", bare, unsure)
	}
}

func reusing(ns *host.Namespace) *host.Namespace {
	ns.Settings.TWReuse = ReuseOn
	return ns
}

func TestAutobindHelps(t *testing.T) {
	for given, want := range map[Autobind]bool{
		{}: false, {Gain: 0, Tried: 0}: false, {Gain: 1, Tried: 2}: true, {Gain: 1, Tried: 3}: false, {Gain: 3, Tried: 3}: true,
	} {
		if given.Helps() != want {
			t.Errorf("%+v: %v", given, !want)
		}
	}
}
