package port

import (
	"net/netip"
	"testing"
	"time"
)

func client(p uint16, edit ...func(*Socket)) *Socket {
	s := &Socket{
		Proto: TCP, State: Established, Hold: ConnectHeld,
		Local:  netip.AddrPortFrom(netip.MustParseAddr("10.0.0.2"), p),
		Remote: netip.MustParseAddrPort("10.0.0.5:8080"),
	}
	for _, e := range edit {
		e(s)
	}
	return s
}

func waiting(stamped bool, quiet time.Duration) func(*Socket) {
	return func(s *Socket) { s.State, s.Mini, s.Stamped, s.Quiet = TimeWait, true, stamped, quiet }
}

func TestTallyCountsASocketOnce(t *testing.T) {
	tally := NewTally(Settings{TWReuseDelay: time.Second})
	tally.Add(client(40000))
	tally.Add(client(40000, waiting(true, time.Minute))) // it moved on while the walk went by
	tally.Add(client(40001))
	uses := tally.Tuples[client(1).Tuple()]
	if len(uses.States) != 1 || uses.States[0].Ports.Len() != 2 || uses.Ripe.Len() != 0 {
		t.Errorf("uses %+v, want two established ports and nothing else", uses)
	}
}

func TestTallyRipe(t *testing.T) {
	tally := NewTally(Settings{TWReuseDelay: time.Second})
	tally.Add(client(1, waiting(true, 1001*time.Millisecond)))
	tally.Add(client(2, waiting(true, time.Second))) // time_after32 is strict
	tally.Add(client(3, waiting(false, time.Minute)))
	tally.Add(client(4, waiting(true, time.Minute), func(s *Socket) { s.State = FinWait2 }))
	if got := tally.Tuples[client(1).Tuple()].Ripe.Set().String(); got != "1" {
		t.Errorf("ripe ports %q, want 1", got)
	}
}

func TestTallyBuckets(t *testing.T) {
	tally := NewTally(Settings{})
	bound := func(s *Socket) { s.Hold = BindHeld }
	tally.Add(client(1))
	tally.Add(client(2, bound))
	tally.Add(client(3, bound, func(s *Socket) { s.State, s.Remote = Listen, netip.AddrPort{} }))
	tally.Add(client(4, bound, func(s *Socket) { s.State, s.Remote = BoundInactive, netip.AddrPort{} }))
	tally.Add(client(5, bound, func(s *Socket) { s.L3Mdev = 7 }))
	tally.Add(client(6, func(s *Socket) { s.Hold, s.State = NotHeld, NewSynRecv }))
	for _, tt := range []struct{ name, got, want string }{
		{"bind-held", tally.BindHeld.String(), "2-4"},
		{"listening", tally.Listening.String(), "3"},
		{"bound", tally.Bound.String(), "2"},
		{"local", tally.Locals[Local{Proto: TCP, Addr: client(1).Local.Addr()}].Set().String(), "1-4"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s ports %q, want %q", tt.name, tt.got, tt.want)
		}
	}
	if got := tally.InVRF.String(); got != "5" {
		t.Errorf("ports within a VRF %q, want 5", got)
	}
	if tally.Blind {
		t.Error("blind although every bucket was seen")
	}
	tally.Add(client(7, func(s *Socket) { s.Hold = HoldUnknown }))
	if !tally.Blind {
		t.Error("not blind although a bucket was not seen")
	}
}

func TestTallyTellsServedPorts(t *testing.T) {
	tally := NewTally(Settings{})
	bound := func(s *Socket) { s.Hold = BindHeld }
	peer := func(s *Socket) { bound(s); s.Remote = netip.MustParseAddrPort("10.0.0.9:5555") }
	tally.Add(client(1, bound))
	tally.Add(client(1, bound)) // the same once more
	tally.Add(client(2, bound))
	tally.Add(client(2, peer))
	if tally.Bound.String() != "1-2" || tally.Served.String() != "2" || len(tally.Tuples) != 0 {
		t.Errorf("bound %s, served %s, %d tuples; want 1-2, 2 and none", &tally.Bound, &tally.Served, len(tally.Tuples))
	}
}

func TestTallyKeepsLocalsApart(t *testing.T) {
	tally := NewTally(Settings{})
	any6 := func(v6only bool) func(*Socket) {
		return func(s *Socket) {
			s.Proto, s.Hold, s.Family6, s.V6Only = UDP, HoldUnknown, true, v6only
			s.Local = netip.AddrPortFrom(netip.IPv6Unspecified(), s.Local.Port())
		}
	}
	tally.Add(client(1, any6(true)))
	tally.Add(client(2, any6(false)))
	tally.Add(client(3, any6(true)))
	if len(tally.Locals) != 2 || len(tally.Tuples) != 0 {
		t.Fatalf("%d locals and %d tuples, want 2 and 0", len(tally.Locals), len(tally.Tuples))
	}
	only := tally.Locals[Local{Proto: UDP, Addr: netip.IPv6Unspecified(), Family6: true, V6Only: true}]
	if got := only.Set().String(); got != "1,3" {
		t.Errorf("V6Only ports %q, want 1,3", got)
	}
}

func TestHoldings(t *testing.T) {
	holdings := NewHoldings(Range{40000, 40010}.Set())
	hold := func(pid int, s *Socket) {
		holdings.Add(&Holder{Socket: *s, Process: Process{PID: pid, Command: "haproxy"}})
	}
	hold(1, client(40000))
	hold(1, client(40001))
	hold(2, client(40001))
	hold(1, client(1024)) // out of the range
	hold(2, client(40002, func(s *Socket) { s.Hold = BindHeld }))
	hold(3, client(40003, func(s *Socket) { s.Hold, s.State, s.Remote = BindHeld, Listen, netip.AddrPort{} }))
	hold(4, client(40004, func(s *Socket) { s.Proto, s.Hold, s.Remote = UDP, HoldUnknown, netip.AddrPort{} }))
	owners := holdings.Owners[client(1).Tuple()]
	if len(owners) != 2 || owners[1] != 2 || owners[2] != 1 {
		t.Errorf("owners %v, want 2 sockets of process 1 and 1 of process 2", owners)
	}
	if got := holdings.Bound[2].Set().String() + " " + holdings.Bound[3].Set().String(); got != "40002 40003" {
		t.Errorf("bound ports of processes 2 and 3 %q", got)
	}
	if holdings.Commands[1] != "haproxy" || len(holdings.Commands) != 3 {
		t.Errorf("commands %v", holdings.Commands)
	}
}

func TestStateNames(t *testing.T) {
	if got := Established.String() + " " + FinWait2.String() + " " + BoundInactive.String(); got != "established fin_wait2 bound_inactive" {
		t.Errorf("names %q", got)
	}
	if State(99).String() != "unknown" || TimerKind(99).String() != "off" {
		t.Error("numbers out of bounds have no safe name")
	}
}

func TestUsesCountEveryState(t *testing.T) {
	tally := NewTally(Settings{})
	tally.Add(client(40000))
	tally.Add(client(40001, waiting(true, time.Minute)))
	tally.Add(client(40002, waiting(true, time.Minute)))
	uses, all := tally.Tuples[client(1).Tuple()], &Set{}
	if got := uses.CountIn(Range{Low: 40000, High: 40001}.Set()); got != 2 {
		t.Errorf("%d ports of two, one in each state", got)
	}
	if uses.AddTo(all); all.String() != "40000-40002" {
		t.Errorf("ports %s, want 40000-40002", all)
	}
}
