package host

import (
	"net/netip"
	"testing"
	"time"

	"portrange/internal/port"
)

func client(p uint16, edit ...func(*port.Socket)) *port.Socket {
	s := &port.Socket{
		Proto: port.TCP, State: port.Established, Hold: port.ConnectHeld,
		Local:  netip.AddrPortFrom(netip.MustParseAddr("10.0.0.2"), p),
		Remote: netip.MustParseAddrPort("10.0.0.5:8080"),
	}
	for _, e := range edit {
		e(s)
	}
	return s
}

func waiting(stamped bool, quiet time.Duration) func(*port.Socket) {
	return func(s *port.Socket) { s.State, s.Mini, s.Stamped, s.Quiet = port.TimeWait, true, stamped, quiet }
}

func TestUsageCountsASocketOnce(t *testing.T) {
	usage := NewUsage(Settings{TWReuseDelay: time.Second})
	usage.Add(client(40000))
	usage.Add(client(40000, waiting(true, time.Minute))) // it moved on while the walk went by
	usage.Add(client(40001))
	uses := usage.Tuples[client(1).Tuple()]
	if len(uses.States) != 1 || uses.States[0].Ports.Len() != 2 || uses.Reusable.Len() != 0 {
		t.Errorf("uses %+v, want two established ports and nothing else", uses)
	}
}

func TestUsageReusable(t *testing.T) {
	usage := NewUsage(Settings{TWReuseDelay: time.Second})
	usage.Add(client(1, waiting(true, 1001*time.Millisecond)))
	usage.Add(client(2, waiting(true, time.Second))) // time_after32 is strict
	usage.Add(client(3, waiting(false, time.Minute)))
	usage.Add(client(4, waiting(true, time.Minute), func(s *port.Socket) { s.State = port.FinWait2 }))
	if got := usage.Tuples[client(1).Tuple()].Reusable.Set().String(); got != "1" {
		t.Errorf("reusable ports %q, want 1", got)
	}
}

func TestUsageBuckets(t *testing.T) {
	usage := NewUsage(Settings{})
	bound := func(s *port.Socket) { s.Hold = port.BindHeld }
	usage.Add(client(1))
	usage.Add(client(2, bound))
	usage.Add(client(3, bound, func(s *port.Socket) { s.State, s.Remote = port.Listen, netip.AddrPort{} }))
	usage.Add(client(4, bound, func(s *port.Socket) { s.State, s.Remote = port.BoundInactive, netip.AddrPort{} }))
	usage.Add(client(5, bound, func(s *port.Socket) { s.L3Mdev, s.Device = 7, 7 }))
	usage.Add(client(6, func(s *port.Socket) { s.Hold, s.State = port.NotHeld, port.NewSynRecv }))
	for _, tt := range []struct{ name, got, want string }{
		{"bind-held", usage.BindHeld.String(), "2-4"},
		{"listening", usage.Listening.String(), "3"},
		{"bound", usage.Bound.String(), "2"},
		{"local", usage.Locals[Local{Proto: port.TCP, Addr: client(1).Local.Addr()}].Set().String(), "1-4"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s ports %q, want %q", tt.name, tt.got, tt.want)
		}
	}
	if usage.Blind() {
		t.Error("blind although every bucket was seen")
	}
	usage.Add(client(7, func(s *port.Socket) { s.Hold = port.HoldUnknown }))
	if !usage.Blind() {
		t.Error("not blind although a bucket was not seen")
	}
}

func TestUsageTellsServedPorts(t *testing.T) {
	usage := NewUsage(Settings{})
	bound := func(s *port.Socket) { s.Hold = port.BindHeld }
	peer := func(s *port.Socket) { bound(s); s.Remote = netip.MustParseAddrPort("10.0.0.9:5555") }
	usage.Add(client(1, bound))
	usage.Add(client(1, bound)) // the same once more
	usage.Add(client(2, bound))
	usage.Add(client(2, peer))
	if usage.Bound.String() != "1-2" || usage.Served.String() != "2" || len(usage.Tuples) != 0 {
		t.Errorf("bound %s, served %s, %d tuples; want 1-2, 2 and none", &usage.Bound, &usage.Served, len(usage.Tuples))
	}
}

// TestBindings: the tuples that matter where bound ports are shared.
func TestBindings(t *testing.T) {
	reuses := func(s *port.Socket) { s.Hold, s.Reuse = port.BindHeld, true }
	settings := Settings{Range: port.Range{Low: 40000, High: 40009}, AutobindReuse: true}
	usage := NewUsage(settings)
	for _, s := range []*port.Socket{
		client(40000, reuses), client(40009, reuses), client(39999, reuses), client(40010, reuses),
		client(40001, bound), client(40002, func(s *port.Socket) { s.Reuse = true }),
		client(40003, waiting(true, 0), reuses), client(40004, waiting(false, 0), reuses),
	} {
		usage.Add(s)
	}
	got := &port.Set{}
	usage.Bindings[client(1).Tuple()].AddTo(got)
	if len(usage.Bindings) != 1 || got.String() != "40000,40004,40009" {
		t.Errorf("bindings %v with %v", usage.Bindings, got)
	}
	settings.AutobindReuse = false
	usage = NewUsage(settings)
	if usage.Add(client(40000, reuses)); usage.Bindings != nil {
		t.Errorf("not switched on: %v", usage.Bindings)
	}
}

// TestOfBound: a port with one connection tells whose it is.
func TestOfBound(t *testing.T) {
	usage := NewUsage(Settings{})
	elsewhere := func(s *port.Socket) { s.Remote = netip.MustParseAddrPort("10.0.0.6:80") }
	for _, s := range []*port.Socket{client(1, bound), client(2, bound), client(2, bound, elsewhere), client(3)} {
		usage.Add(s)
	}
	for p, want := range map[uint16]bool{1: true, 2: false, 3: false} {
		if tuple, found := usage.OfBound(p); found != want || found && tuple != client(1).Tuple() {
			t.Errorf("port %d: %v, %v", p, tuple, found)
		}
	}
}

func TestUsageKeepsLocalsApart(t *testing.T) {
	usage := NewUsage(Settings{})
	any6 := func(v6only bool) func(*port.Socket) {
		return func(s *port.Socket) {
			s.Proto, s.Hold, s.Family6, s.V6Only = port.UDP, port.HoldUnknown, true, v6only
			s.Local = netip.AddrPortFrom(netip.IPv6Unspecified(), s.Local.Port())
		}
	}
	usage.Add(client(1, any6(true)))
	usage.Add(client(2, any6(false)))
	usage.Add(client(3, any6(true)))
	if len(usage.Locals) != 2 || len(usage.Tuples) != 0 {
		t.Fatalf("%d locals and %d tuples, want 2 and 0", len(usage.Locals), len(usage.Tuples))
	}
	only := usage.Locals[Local{Proto: port.UDP, Addr: netip.IPv6Unspecified(), Family6: true, V6Only: true}]
	if got := only.Set().String(); got != "1,3" {
		t.Errorf("V6Only ports %q, want 1,3", got)
	}
}

func TestHoldings(t *testing.T) {
	holdings := NewHoldings(port.Range{Low: 40000, High: 40010}.Set())
	hold := func(pid int, s *port.Socket) {
		holdings.Add(&Holder{Socket: *s, Process: Process{PID: pid, Command: "haproxy"}})
	}
	hold(1, client(40000))
	hold(1, client(40001))
	hold(2, client(40001))
	hold(1, client(1024)) // out of the range
	hold(2, client(40002, func(s *port.Socket) { s.Hold = port.BindHeld }))
	hold(3, client(40003, func(s *port.Socket) { s.Hold, s.State, s.Remote = port.BindHeld, port.Listen, netip.AddrPort{} }))
	hold(4, client(40004, func(s *port.Socket) { s.Proto, s.Hold, s.Remote = port.UDP, port.HoldUnknown, netip.AddrPort{} }))
	owners := holdings.Owners[client(1).Tuple()]
	if len(owners) != 2 || owners[1] != 2 || owners[2] != 1 {
		t.Errorf("owners %v, want 2 sockets of process 1 and 1 of process 2", owners)
	}
	if got := holdings.Held[client(1).Tuple()].Set().String(); got != "40000-40001" {
		t.Errorf("held ports %q, want each once", got)
	}
	if got := holdings.Bound[2].Set().String() + " " + holdings.Bound[3].Set().String(); got != "40002 40003" {
		t.Errorf("bound ports of processes 2 and 3 %q", got)
	}
	if holdings.Commands[1] != "haproxy" || len(holdings.Commands) != 3 {
		t.Errorf("commands %v", holdings.Commands)
	}
}

func TestStateNames(t *testing.T) {
	if got := port.Established.String() + " " + port.FinWait2.String() + " " + port.BoundInactive.String(); got != "established fin_wait2 bound_inactive" {
		t.Errorf("names %q", got)
	}
	if port.State(99).String() != "unknown" || port.TimerKind(99).String() != "off" {
		t.Error("numbers out of bounds have no safe name")
	}
}

func TestUsesCountEveryState(t *testing.T) {
	usage := NewUsage(Settings{})
	usage.Add(client(40000))
	usage.Add(client(40001, waiting(true, time.Minute)))
	usage.Add(client(40002, waiting(true, time.Minute)))
	uses, all := usage.Tuples[client(1).Tuple()], &port.Set{}
	if got := uses.CountIn(port.Range{Low: 40000, High: 40001}.Set()); got != 2 {
		t.Errorf("%d ports of two, one in each state", got)
	}
	if uses.AddTo(all); all.String() != "40000-40002" {
		t.Errorf("ports %s, want 40000-40002", all)
	}
}
