package collect

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"portrange/internal/host"
	"portrange/internal/port"
)

func tcp(p uint16, state port.State, edit func(*port.Socket)) *port.Socket {
	s := &port.Socket{Proto: port.TCP, State: state, Hold: port.BindHeld, Local: netip.AddrPortFrom(netip.MustParseAddr("10.0.0.2"), p)}
	if state == port.Established {
		s.Remote = netip.MustParseAddrPort("10.0.0.5:80")
	}
	if edit != nil {
		edit(s)
	}
	return s
}

var (
	nginx  = host.Process{PID: 7, Command: "nginx"}
	worker = host.Process{PID: 8, Command: "worker"}
)

func byConnect(s *port.Socket) { s.Hold = port.ConnectHeld }
func isUDP(s *port.Socket)     { s.Proto, s.Hold = port.UDP, port.HoldUnknown }

// TestCensus brings sockets of a walk together with those of processes, which a
// pass beside it saw.
func TestCensus(t *testing.T) {
	s := &site{ns: host.Namespace{Settings: host.Settings{Range: port.DefaultRange, Reserved: &port.Set{}}}}
	s.begin(host.WantHolds)
	s.contested = port.Range{Low: 82, High: 85}.Set()
	for socket, processes := range map[*port.Socket][]host.Process{
		tcp(80, port.Established, nil):                                      {worker},
		tcp(80, port.Listen, nil):                                           {nginx},
		tcp(81, port.BoundInactive, nil):                                    {nginx},
		tcp(82, port.Established, byConnect):                                {worker, nginx},
		tcp(83, port.TimeWait, func(s *port.Socket) { s.Mini = true }):      nil,
		tcp(84, port.Close, isUDP):                                          {nginx},
		tcp(86, port.Established, byConnect):                                {worker},
		tcp(87, port.Established, nil):                                      nil, // of a process that may not be seen
		tcp(85, port.Close, func(s *port.Socket) { s.Hold = port.NotHeld }): nil,
	} {
		s.see(socket)
		for _, process := range processes {
			s.credit(&host.Holder{Socket: *socket, Process: process})
		}
	}
	(&pass{want: host.WantHolds}).finish(s)
	want := []host.Hold{
		{Port: 80, Proto: port.TCP, State: port.Listen, Processes: []host.Process{nginx}},
		{Port: 81, Proto: port.TCP, State: port.BoundInactive, Processes: []host.Process{nginx}},
		{Port: 84, Proto: port.UDP, State: port.Close, Processes: []host.Process{nginx}},
		{Port: 87, Proto: port.TCP, State: port.Established},
	}
	if diff := cmp.Diff(want, s.ns.Holds); diff != "" {
		t.Errorf("holds (-want +got):\n%s", diff)
	}
	taken := []host.Hold{{Port: 82, Proto: port.TCP, State: port.Established, Processes: []host.Process{worker, nginx}}}
	if diff := cmp.Diff(taken, s.ns.Takers); diff != "" {
		t.Errorf("takers (-want +got):\n%s", diff)
	}
}

// TestCensusInAnyOrder: a listener speaks for its port, be it seen last.
func TestCensusInAnyOrder(t *testing.T) {
	listener, accepted := tcp(80, port.Listen, nil), tcp(80, port.Established, nil)
	for name, order := range map[string][]*port.Socket{"first": {listener, accepted}, "last": {accepted, listener}} {
		c := newCensus()
		for _, s := range order {
			if s == listener {
				c.add(s, nginx)
			} else {
				c.add(s, worker)
			}
		}
		want := []host.Hold{{Port: 80, Proto: port.TCP, State: port.Listen, Processes: []host.Process{nginx}}}
		if diff := cmp.Diff(want, c.list()); diff != "" {
			t.Errorf("the listener %s:\n%s", name, diff)
		}
	}
}

func TestCensusRemembersSomeProcesses(t *testing.T) {
	c := newCensus()
	for pid := range 2 * maxProcesses {
		c.add(tcp(80, port.Listen, nil), host.Process{PID: pid}, host.Process{PID: pid})
	}
	if n := len(c.list()[0].Processes); n != maxProcesses {
		t.Errorf("%d processes, want %d", n, maxProcesses)
	}
}

func TestMostPorts(t *testing.T) {
	settings := host.Settings{Range: port.Range{Low: 80, High: 89}, Reserved: &port.Set{}}
	ns := &host.Namespace{Settings: settings}
	if most := mostPorts(ns); most.Ports != 0 {
		t.Errorf("without owners: %+v", most)
	}
	ns.Holdings = host.NewHoldings(settings.Range.Set())
	hold := func(process host.Process, sockets ...*port.Socket) {
		for _, s := range sockets {
			ns.Holdings.Add(&host.Holder{Socket: *s, Process: process})
		}
	}
	hold(nginx, tcp(81, port.Listen, nil), tcp(82, port.Listen, nil), tcp(95, port.Listen, nil), tcp(96, port.Listen, nil))
	hold(worker, tcp(83, port.Established, byConnect), tcp(84, port.Established, byConnect))
	if most := mostPorts(ns); most.Process != nginx || most.Ports != 2 {
		t.Errorf("most %+v, want the first of two with as many in the range", most)
	}
	hold(worker, tcp(85, port.Established, byConnect))
	if most := mostPorts(ns); most.Process != worker || most.Ports != 3 {
		t.Errorf("most %+v", most)
	}
}
