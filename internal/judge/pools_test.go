package judge

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"portrange/internal/host"
	"portrange/internal/port"
)

// host is a namespace with the range 40000 to 40099, reserved ports 40090 to
// 40099, and the sockets that a test adds.
func box(sockets ...*port.Socket) *host.Namespace {
	settings := host.Settings{
		Range: port.Range{Low: 40000, High: 40099}, Reserved: port.Range{Low: 40090, High: 40099}.Set(),
		UnprivilegedStart: 1024, TWReuseDelay: time.Second, HasTWReuseDelay: true,
	}
	ns := &host.Namespace{Source: "bpf", Settings: settings, Usage: host.NewUsage(settings)}
	for _, s := range sockets {
		ns.Usage.Add(s)
	}
	return ns
}

func socket(local, remote string, edit ...func(*port.Socket)) *port.Socket {
	s := &port.Socket{
		Proto: port.TCP, State: port.Established, Hold: port.ConnectHeld,
		Local: netip.MustParseAddrPort(local),
	}
	if remote != "" {
		s.Remote = netip.MustParseAddrPort(remote)
	}
	s.Family6 = s.Local.Addr().Is6()
	for _, e := range edit {
		e(s)
	}
	return s
}

func bound(s *port.Socket)  { s.Hold = port.BindHeld }
func listen(s *port.Socket) { s.Hold, s.State = port.BindHeld, port.Listen }
func idle(s *port.Socket)   { s.Hold, s.State = port.BindHeld, port.BoundInactive }
func udp(s *port.Socket)    { s.Proto, s.Hold, s.State = port.UDP, port.HoldUnknown, port.Close }
func v6only(s *port.Socket) { s.V6Only = true }
func reusable(s *port.Socket) {
	s.State, s.Mini, s.Stamped, s.Quiet = port.TimeWait, true, true, time.Minute
}

func on(device uint32) func(*port.Socket) { return func(s *port.Socket) { s.Device = device } }

func tuple(local, remote string) port.Tuple {
	return port.Tuple{Proto: port.TCP, Local: netip.MustParseAddr(local), Remote: netip.MustParseAddrPort(remote)}
}

// left asks for a plain socket of the tuple.
func left(ns *host.Namespace, tuple port.Tuple) Pool {
	asker := NewAsker(ns, tuple.Proto, tuple.Local)
	asker.Device = tuple.Device
	return Left(ns, &asker, tuple.Remote)
}

// leftLocal asks for a plain socket on an address.
func leftLocal(ns *host.Namespace, proto port.Proto, addr string, edit ...func(*Asker)) LocalPool {
	asker := NewAsker(ns, proto, netip.MustParseAddr(addr))
	for _, e := range edit {
		e(&asker)
	}
	return LeftLocal(ns, &asker)
}

var service = tuple("10.0.0.2", "10.0.0.5:80")

func TestLeftSubtractsWhatConnectSkips(t *testing.T) {
	ns := box(
		socket("10.0.0.2:40000", "10.0.0.5:80"),
		socket("10.0.0.2:40001", "10.0.0.5:80"),
		socket("10.0.0.2:40000", "10.0.0.6:80"),        // another destination shares its port
		socket("10.0.0.2:40095", "10.0.0.5:80"),        // reserved: not among the usable
		socket("10.0.0.2:50000", "10.0.0.5:80"),        // out of the range
		socket("10.9.9.9:40010", "", listen),           // bind-held: lost to all, whatever the address
		socket("10.0.0.2:40011", "10.0.0.5:80", bound), // bind before connect
		socket("10.9.9.9:40012", "", idle),
		socket("10.9.9.9:40013", "", udp), // UDP ports are apart
	)
	got := left(ns, service)
	if got.Size != 87 || got.Used != 2 || got.Left != 85 || got.Reusable != 0 {
		t.Errorf("pool %+v, want size 87 (90 − 3 bind-held), used 2, left 85", got)
	}
	if got.States["established"] != 2 || len(got.States) != 1 {
		t.Errorf("states %v", got.States)
	}
	fresh := left(ns, tuple("10.0.0.2", "10.0.0.99:443"))
	if fresh.Left != 87 || fresh.Used != 0 {
		t.Errorf("a destination never used before: %+v, want all 87 left", fresh)
	}
}

func TestLeftRecycles(t *testing.T) {
	sockets := []*port.Socket{
		socket("10.0.0.2:40000", "10.0.0.5:80", reusable),
		socket("10.0.0.2:40001", "10.0.0.5:80", reusable, func(s *port.Socket) { s.Quiet = time.Millisecond }),
		socket("10.0.0.2:40002", "10.0.0.5:80", reusable, bound),
		socket("127.0.0.1:40003", "127.0.0.1:80", reusable),
		socket("10.0.0.2:40004", "10.0.0.7:80", reusable, on(loopbackIndex)),
		socket("10.0.0.2:40005", "10.0.0.7:80", reusable), // bound to no device: not what mode 2 takes
	}
	onLo := tuple("10.0.0.2", "10.0.0.7:80")
	onLo.Device = loopbackIndex
	for _, tt := range []struct {
		name  string
		reuse int
		tuple port.Tuple
		want  int
	}{
		{"off", 0, service, 0},
		{"on", 1, service, 1},
		{"loopback only, elsewhere", 2, service, 0},
		{"loopback only, loopback addresses", 2, tuple("127.0.0.1", "127.0.0.1:80"), 1},
		{"loopback only, bound to lo", 2, onLo, 1},
		{"on, from the socket's device and from none", 1, onLo, 2},
		{"off on loopback", 0, onLo, 0},
	} {
		ns := box(sockets...)
		ns.Settings.TWReuse = tt.reuse
		got := left(ns, tt.tuple)
		if got.Reusable != tt.want || got.Size != got.Used+got.Left-got.Reusable {
			t.Errorf("%s: %+v, want %d reusable and a sum that holds", tt.name, got, tt.want)
		}
	}
}

func TestLeftOfDevices(t *testing.T) {
	onTwo := service
	onTwo.Device = 2
	ns := box(
		socket("10.0.0.2:40000", "10.0.0.5:80"),
		socket("10.0.0.2:40000", "10.0.0.5:80", on(2)), // came first, then one without a device joined it
		socket("10.0.0.2:40001", "10.0.0.5:80", on(2)),
		socket("10.0.0.2:40002", "10.0.0.5:80", on(3)),
	)
	ns.Devices = map[uint32]string{2: "eth0"}
	if got := left(ns, service); got.Used != 1 || got.Device != "" {
		t.Errorf("without a device: %+v, want only the socket without one in the way", got)
	}
	if got := left(ns, onTwo); got.Used != 2 || got.Device != "eth0" || got.States["established"] != 2 {
		t.Errorf("bound to eth0: %+v, want its own sockets and those without a device, each port once", got)
	}
}

func TestPortTakenTwiceIsReusableOnlyIfBothAre(t *testing.T) {
	onTwo := service
	onTwo.Device = 2
	ns := box(
		socket("10.0.0.2:40000", "10.0.0.5:80", reusable, on(2)),
		socket("10.0.0.2:40000", "10.0.0.5:80"),
		socket("10.0.0.2:40001", "10.0.0.5:80", reusable, on(2)),
		socket("10.0.0.2:40001", "10.0.0.5:80", reusable),
	)
	ns.Settings.TWReuse = 1
	if got := left(ns, onTwo); got.Used != 2 || got.Reusable != 1 || got.Left != 89 {
		t.Errorf("%+v, want two ports in use, one of them reusable", got)
	}
}

func TestSameParityIsBounded(t *testing.T) {
	ns := box(socket("10.0.0.2:40000", "10.0.0.5:80"))
	ns.Settings.Range.High = 40088
	if got := left(ns, service); got.ErrorBound != 1 || got.Left != 88 {
		t.Errorf("with the high end free: %+v, want a bound of 1", got)
	}
	ns.Usage.Add(socket("10.0.0.2:40088", "10.0.0.5:80"))
	if got := left(ns, service); got.ErrorBound != 0 {
		t.Errorf("with both ends taken the scan misses nothing: %+v", got)
	}
	if got := leftLocal(ns, port.UDP, "10.0.0.2"); got.ErrorBound != 0 {
		t.Errorf("UDP does not scan by parity: %+v", got)
	}
	if got := leftLocal(ns, port.TCP, "10.0.0.3"); got.ErrorBound != 1 {
		t.Errorf("bind(addr, 0) scans by parity: %+v", got)
	}
}

func unseenBucket(s *port.Socket) { s.Hold = port.HoldUnknown }

// TestUnseenBucketsAreBounded: any port of another pool may be withheld, any in
// TIME_WAIT may be had again.
func TestUnseenBucketsAreBounded(t *testing.T) {
	asNetlink := func(s *port.Socket) { unseenBucket(s); s.Stamped, s.Blind = false, true }
	ns := box(
		socket("10.0.0.2:40000", "10.0.0.5:80", unseenBucket),
		socket("10.0.0.2:40001", "10.0.0.6:80", unseenBucket),
		socket("10.0.0.2:40002", "10.0.0.6:80", unseenBucket),
		socket("10.0.0.2:40003", "10.0.0.6:80", unseenBucket),
		socket("10.0.0.2:1000", "10.0.0.6:80", unseenBucket),
		socket("10.0.0.2:40010", "", listen),
		socket("10.0.0.2:40010", "10.0.0.9:5555", unseenBucket), // accepted
		socket("10.0.0.2:40004", "10.0.0.7:80", reusable, asNetlink),
		socket("10.0.0.2:40005", "10.0.0.7:80", reusable, asNetlink),
		socket("10.0.0.2:40006", "10.0.0.7:80", reusable, asNetlink),
		socket("10.0.0.2:40007", "10.0.0.7:80", reusable, asNetlink),
		socket("10.0.0.2:40008", "10.0.0.7:80", reusable, asNetlink),
	)
	ns.Settings.TWReuse = 1
	to := func(remote string) port.Tuple {
		return port.Tuple{Proto: port.TCP, Local: service.Local, Remote: netip.MustParseAddrPort(remote)}
	}
	for remote, want := range map[string]int{"10.0.0.5:80": 8, "10.0.0.6:80": 6, "10.0.0.7:80": 5, "10.0.0.8:80": 9} {
		if got := left(ns, to(remote)); got.ErrorBound != want {
			t.Errorf("%s: bound %d, want %d", remote, got.ErrorBound, want)
		}
	}
	ns.Settings.TWReuse = 0
	if got := left(ns, to("10.0.0.7:80")); got.ErrorBound != 4 {
		t.Errorf("without reuse: bound %d, want 4", got.ErrorBound)
	}
}

// TestUnknownV6OnlyIsBounded: bind() to 0.0.0.0 may meet an IPv6 socket or not.
func TestUnknownV6OnlyIsBounded(t *testing.T) {
	ns := box(
		socket("[fd00::1]:40000", "[fd00::5]:80", func(s *port.Socket) { s.V6Unknown = true }),
		socket("[fd00::1]:40001", "[fd00::5]:80", func(s *port.Socket) { s.V6Unknown = true }),
		socket("10.0.0.2:40001", "10.0.0.5:80"),
	)
	for addr, want := range map[string]int{"0.0.0.0": 1, "::": 0, "fd00::1": 0, "10.0.0.2": 0} {
		if got := leftLocal(ns, port.TCP, addr); got.ErrorBound != want {
			t.Errorf("%s: %+v, want a bound of %d", addr, got, want)
		}
	}
}

// TestConflicts is the kernel's inet_rcv_saddr_equal, as a table: which sockets
// a new one bound to an address meets.
func TestConflicts(t *testing.T) {
	a4, b4, any4 := netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.3"), netip.IPv4Unspecified()
	a6, b6, any6 := netip.MustParseAddr("fd00::2"), netip.MustParseAddr("fd00::3"), netip.IPv6Unspecified()
	held := func(addr netip.Addr, v6only bool) host.Local {
		return host.Local{Proto: port.TCP, Addr: addr, Family6: addr.Is6(), V6Only: v6only}
	}
	mapped := host.Local{Proto: port.TCP, Addr: a4, Family6: true}
	for _, tt := range []struct {
		name string
		bind netip.Addr
		held host.Local
		want bool
	}{
		{"same IPv4", a4, held(a4, false), true},
		{"other IPv4", a4, held(b4, false), false},
		{"IPv4 meets 0.0.0.0", a4, held(any4, false), true},
		{"IPv4 meets mapped", a4, mapped, true},
		{"IPv4 meets dual-stack ::", a4, held(any6, false), true},
		{"IPv4 passes V6ONLY ::", a4, held(any6, true), false},
		{"IPv4 passes IPv6", a4, held(a6, false), false},
		{"0.0.0.0 meets IPv4", any4, held(a4, false), true},
		{"0.0.0.0 meets dual-stack ::", any4, held(any6, false), true},
		{"0.0.0.0 passes V6ONLY ::", any4, held(any6, true), false},
		{"0.0.0.0 meets IPv6 that is not V6ONLY", any4, held(a6, false), true},
		{"0.0.0.0 passes IPv6 that is V6ONLY", any4, held(a6, true), false},
		{"same IPv6", a6, held(a6, false), true},
		{"other IPv6", a6, held(b6, true), false},
		{"IPv6 meets ::", a6, held(any6, false), true},
		{"IPv6 meets V6ONLY ::", a6, held(any6, true), true},
		{"IPv6 passes 0.0.0.0", a6, held(any4, false), false},
		{"IPv6 passes IPv4", a6, held(a4, false), false},
		{":: meets IPv4", any6, held(a4, false), true},
		{":: meets IPv6", any6, held(a6, true), true},
		{":: meets V6ONLY ::", any6, held(any6, true), true},
	} {
		asker := NewAsker(box(), port.TCP, tt.bind)
		m := newMeeting(&asker, box())
		if got := m.meets(&tt.held); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestLeftLocalTakesTheUnion(t *testing.T) {
	ns := box(
		socket("10.0.0.2:40000", "10.0.0.5:80"),
		socket("10.0.0.2:40000", "10.0.0.6:80"),
		socket("[::]:40001", "", listen),
		socket("[::]:40002", "", listen, v6only),
		socket("0.0.0.0:40003", "", idle),
		socket("10.0.0.3:40004", "", listen),
		socket("10.0.0.2:40099", "", listen), // reserved
		socket("10.0.0.2:40050", "", udp),
	)
	for _, tt := range []struct {
		proto port.Proto
		addr  string
		used  int
	}{
		{port.TCP, "10.0.0.2", 3}, {port.TCP, "10.0.0.3", 3}, {port.TCP, "10.0.0.4", 2},
		{port.TCP, "fd00::1", 2}, {port.TCP, "0.0.0.0", 4}, {port.TCP, "::", 5},
		{port.UDP, "10.0.0.2", 1}, {port.UDP, "10.0.0.3", 0}, {port.UDP, "::", 1},
	} {
		got := leftLocal(ns, tt.proto, tt.addr)
		if got.Used != tt.used || got.Size != 90 || got.Left != 90-tt.used {
			t.Errorf("%v %s: %+v, want %d used of 90", tt.proto, tt.addr, got, tt.used)
		}
	}
}

func TestEmptyRangeIsFull(t *testing.T) {
	ns := box()
	ns.Settings.Reserved = port.Range{Low: 1, High: 65535}.Set()
	if got := left(ns, service); got.Size != 0 || got.Left != 0 || got.UsedRatio != 1 {
		t.Errorf("everything reserved: %+v", got)
	}
}

// TestOrphanedAreThoseThatNobodyHolds counts by port, over the devices that share
// a pool.
func TestOrphanedAreThoseThatNobodyHolds(t *testing.T) {
	halfClosed := func(s *port.Socket) { s.State = port.FinWait2 }
	sockets := slices.Concat(crowd(10, "10.0.0.5:80", halfClosed), crowd(20, "10.0.0.5:80")[10:], crowd(30, "10.0.0.5:80", halfClosed, on(3))[20:])
	orphaned := func(ns *host.Namespace) [2]int {
		bound := tuple("10.0.0.2", "10.0.0.5:80")
		bound.Device = 3
		r := newRules(ns)
		plain, device := r.pool(tuple("10.0.0.2", "10.0.0.5:80")), r.pool(bound)
		return [2]int{plain.Orphaned, device.Orphaned}
	}
	ns := box(sockets...)
	if got := orphaned(ns); got != [2]int{} {
		t.Errorf("without owners: %v, want nothing said", got)
	}
	ns.Holdings = host.NewHoldings(ns.Settings.Range.Set())
	if got := orphaned(ns); got != [2]int{10, 20} {
		t.Errorf("nobody holds any: %v orphaned, want 10, and with those of the device 20", got)
	}
	for pid := range 3 { // which share them
		for _, s := range slices.Concat(sockets[6:20], sockets[27:]) {
			ns.Holdings.Add(&host.Holder{Socket: *s, Process: host.Process{PID: pid}})
		}
	}
	if got := orphaned(ns); got != [2]int{6, 13} {
		t.Errorf("three processes share 4 and 3 of them: %v orphaned, want 6 and 13", got)
	}
}
