package rules

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/port"
)

func reserving(list string) func(*host.Settings) {
	return func(s *host.Settings) { s.Reserved = set(list) }
}

// listening are listeners on n ports from first up.
func listening(first, n int, edit ...func(*port.Socket)) []*port.Socket {
	return crowd(first, n, "0.0.0.0", "0.0.0.0:0", append([]func(*port.Socket){listens}, edit...)...)
}

func chosen(s *port.Socket) { s.Chosen = true }
func unseen(s *port.Socket) { s.Hold = port.HoldUnknown }

// holding has processes hold a port.
func (p *patient) holding(proto port.Proto, at uint16, state port.State, processes ...host.Process) *patient {
	p.ns().Holds = append(p.ns().Holds, host.Hold{Proto: proto, Port: at, State: state, Processes: processes})
	return p
}

// claimed has somebody need ports for a protocol, 0 for one that is not known.
func (p *patient) claimed(kind host.ClaimKind, list string, proto port.Proto) *patient {
	p.ns().Claims = append(p.ns().Claims, host.Claim{
		Kind: kind, Who: "thing.service", Ports: set(list), Evidence: "its file says so", Proto: proto,
	})
	return p
}

var (
	java = host.Process{PID: 812, Command: "java"}
	curl = host.Process{PID: 44, Command: "curl"}
)

func heldSymptoms() map[string]symptom {
	claim := func(kind host.ClaimKind, inside, outside string, evidence ...string) symptom {
		return symptom{healthy().claimed(kind, inside, 0), healthy().claimed(kind, outside, 0), finding.Warning, append(evidence, "its file says so")}
	}
	return map[string]symptom{
		"listener-in-range": {
			healthy().with(listening(40010, 1)...).holding(port.TCP, 40010, port.Listen, java),
			healthy().set(reserving("40010")).with(append(listening(40010, 1), listening(40020, 1, chosen)...)...),
			finding.Warning, []string{"listens on port 40010", "40000 40099", "not reserved"}},
		"reserved-outside-range": {
			healthy().set(reserving("39999,40000,40099,40100")), healthy().set(reserving("40000,40099")), finding.Info, []string{"2 ports (39999,40100)"}},
		"reserved-unused": {
			healthy().set(reserving("40000-40009")), healthy().set(reserving("40010")).with(listening(40010, 1)...),
			finding.Info, []string{"10 ports (40000-40009)", "10 of 100 ports less"}},
		"port-taken": {
			healthy().with(clients(5)...).claimed(host.SocketUnit, "40003", 0).holding(port.TCP, 40003, port.Established, curl),
			healthy().with(clients(5)...).claimed(host.SocketUnit, "40005", 0),
			finding.Critical, []string{"port 40003 is held now by one outgoing connection of curl (pid 44)"}},
		"lost-address": {
			healthy().with(clients(5)...).held(curl, clients(3)...).foreign("10.0.0.2"), healthy().with(clients(5)...).foreign("10.0.0.3"),
			finding.Warning, []string{"5 ports", "from 10.0.0.2", "EADDRNOTAVAIL", "curl (pid 44): 3"}},
		"self-connect": {
			healthy().with(crowd(40010, 1, "127.0.0.1", "127.0.0.1:40010")...).held(curl, crowd(40010, 1, "127.0.0.1", "127.0.0.1:40010")...),
			healthy().with(crowd(40010, 5, "127.0.0.1", "127.0.0.1:40009")...),
			finding.Warning, []string{"127.0.0.1:40010", "port 40010 cannot start", "curl (pid 44)"}},
		"socket-unit":     claim(host.SocketUnit, "40000", "39999", "port 40000 in the range"),
		"service-port":    claim(host.ServicePort, "40099", "40100", "port 40099"),
		"node-ports":      claim(host.NodePorts, "30000-40009", "30000-32767", "10 ports (40000-40009)"),
		"published-ports": claim(host.PublishedPorts, "40003,40005", "8080", "2 ports (40003,40005)"),
	}
}

// foreign takes an address away from the host.
func (p *patient) foreign(addr string) *patient {
	p.ns().Foreign = []netip.Addr{netip.MustParseAddr(addr)}
	return p
}

// TestWhoUsesReservedPorts has a port in use by whatever shows it.
func TestWhoUsesReservedPorts(t *testing.T) {
	for name, tt := range map[string]struct {
		p    *patient
		want string
	}{
		"nothing":                    {healthy().set(reserving("40010")), "40010"},
		"a listener":                 {healthy().set(reserving("40010")).with(listening(40010, 1)...), ""},
		"a listener of netlink":      {healthy().set(reserving("40010")).with(listening(40010, 1, unseen)...), ""},
		"an idle socket":             {healthy().set(reserving("40010")).with(crowd(40010, 1, "10.0.0.2", "10.0.0.5:80", binds)...), ""},
		"a UDP socket":               {healthy().set(reserving("40010")).with(crowd(40010, 1, "10.0.0.2", "10.0.0.5:53", udp)...), ""},
		"a UDP socket next to it":    {healthy().set(reserving("40010")).with(crowd(40011, 1, "10.0.0.2", "10.0.0.5:53", udp)...), "40010"},
		"a connection, by chance":    {healthy().set(reserving("40010")).with(crowd(40010, 1, "10.0.0.2", "10.0.0.5:80")...), "40010"},
		"a service that is down":     {healthy().set(reserving("40010")).claimed(host.ServicePort, "40010", port.TCP), ""},
		"a service of datagrams":     {healthy().set(reserving("40010")).claimed(host.SocketUnit, "40010", port.UDP), ""},
		"a service of another port":  {healthy().set(reserving("40010")).claimed(host.ServicePort, "40011", port.TCP), "40010"},
		"what is outside, is no use": {healthy().set(reserving("39999,40010")), "40010"},
	} {
		found := find(examine(tt.p), "reserved-unused")
		got := ""
		if len(found) == 1 {
			got = found[0].Values.Text("ports")
		}
		if got != tt.want {
			t.Errorf("%s: unused %q, want %q", name, got, tt.want)
		}
	}
}

// TestAClaimIsMetByItsOwnProtocol: a listener of TCP does not serve datagrams,
// and a UDP socket is no listener.
func TestAClaimIsMetByItsOwnProtocol(t *testing.T) {
	for name, tt := range map[string]struct {
		proto   port.Proto
		sockets []*port.Socket
		met     bool
	}{
		"TCP by a listener":     {port.TCP, listening(40003, 1), true},
		"TCP by a UDP socket":   {port.TCP, crowd(40003, 1, "10.0.0.2", "10.0.0.5:53", udp), false},
		"TCP by a connection":   {port.TCP, crowd(40003, 1, "10.0.0.2", "10.0.0.5:80"), false},
		"UDP by a listener":     {port.UDP, listening(40003, 1), false},
		"unknown by a listener": {0, listening(40003, 1), true},
		"unknown by nothing":    {0, nil, false},
	} {
		p := healthy().with(tt.sockets...).claimed(host.SocketUnit, "40003", tt.proto)
		if found := find(examine(p), "socket-unit"); (len(found) == 0) != tt.met {
			t.Errorf("%s: findings %v, want the claim met: %v", name, codesOf(found), tt.met)
		}
	}
}

// TestWhatIsInAClaimsWay: a connection is in the way of TCP alone, a UDP socket of UDP.
func TestWhatIsInAClaimsWay(t *testing.T) {
	for name, tt := range map[string]struct {
		kind     host.ClaimKind
		proto    port.Proto
		sockets  []*port.Socket
		evidence string // empty for none
		severity finding.Severity
	}{
		"UDP, a UDP socket":    {host.SocketUnit, port.UDP, clients(5, udp), "port 40003 is held now by one UDP socket of dig (pid 44)", finding.Critical},
		"UDP, a connection":    {host.SocketUnit, port.UDP, clients(5), "", ""},
		"UDP, nothing":         {host.SocketUnit, port.UDP, nil, "", ""},
		"TCP, a UDP socket":    {host.SocketUnit, port.TCP, clients(5, udp), "", ""},
		"TCP, bound sockets":   {host.SocketUnit, port.TCP, clients(5, binds), "", ""},
		"TCP, and one bound":   {host.SocketUnit, port.TCP, append(clients(5), crowd(40003, 1, "10.0.0.2", "10.0.0.6:80", binds)...), "", ""},
		"TCP, a connection":    {host.ServicePort, port.TCP, clients(4), "port 40003 is held now by one outgoing connection of a process that could not be seen", finding.Warning},
		"NodePorts are no one": {host.NodePorts, 0, clients(5), "", ""},
	} {
		p := healthy().with(tt.sockets...).claimed(tt.kind, "40003", tt.proto)
		p.holding(port.UDP, 40003, port.Close, host.Process{PID: 44, Command: "dig"})
		found := find(examine(p), "port-taken")
		switch {
		case tt.evidence == "" && len(found) > 0:
			t.Errorf("%s: %q", name, found[0].Evidence())
		case tt.evidence != "" && (len(found) != 1 || found[0].Evidence() != tt.evidence || found[0].Severity != tt.severity):
			t.Errorf("%s: findings %+v, want %q", name, found, tt.evidence)
		}
	}
}

// TestPortsOfOneClaimAreOneFinding counts what two destinations and two
// processes have of two ports.
func TestPortsOfOneClaimAreOneFinding(t *testing.T) {
	p := healthy().with(append(clients(5), crowd(40003, 2, "10.0.0.2", "10.0.0.6:80")...)...).claimed(host.SocketUnit, "40003-40004", port.TCP)
	p.holding(port.TCP, 40003, port.Established, curl).holding(port.TCP, 40004, port.Established, curl, java)
	found := find(examine(p), "port-taken")
	want := "2 ports (40003-40004) are held now by 4 outgoing connections of curl (pid 44) and java (pid 812)"
	if len(found) != 1 || found[0].Evidence() != want {
		t.Errorf("findings %+v, want %q", found, want)
	}
}

// TestListenersAreGroupedByProcess has several ports of one process, and one of
// nobody who could be seen.
func TestListenersAreGroupedByProcess(t *testing.T) {
	p := healthy().with(listening(40010, 4)...)
	p.holding(port.TCP, 40010, port.Listen, java).holding(port.TCP, 40012, port.Listen, java, curl).holding(port.TCP, 40013, port.Listen, curl)
	p.holding(port.UDP, 40011, port.Close, java) // of no concern to the TCP listener there
	var got []string
	for _, f := range find(examine(p), "listener-in-range") {
		got = append(got, name(f.Subject.Process)+" "+f.Evidence())
	}
	want := []string{
		" a process that could not be seen listens on port 40011 in the range 40000 40099, not reserved",
		"curl (pid 44) listens on port 40013 in the range 40000 40099, not reserved",
		"java (pid 812) listens on 2 ports (40010,40012) in the range 40000 40099, not reserved",
	}
	if !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
}

func TestOnlyBPFShowsWhoChoseAPort(t *testing.T) {
	for source, doubted := range map[string]bool{"bpf": false, "netlink": true} {
		p := healthy().with(listening(40010, 1)...)
		p.ns().Source = source
		text := find(examine(p), "listener-in-range")[0].Actions[0].Text
		if strings.Contains(text, "Leave it if it let the kernel choose") != doubted {
			t.Errorf("%s: %q", source, text)
		}
	}
}

// TestNoCommandTooLongToType gives lists that nobody types.
func TestNoCommandTooLongToType(t *testing.T) {
	odd := &port.Set{}
	for p := uint16(40001); p < 40099; p += 2 {
		odd.Add(p)
	}
	p := healthy().set(func(s *host.Settings) { s.Reserved = odd })
	p.ns().Ref = "lb1"
	f := find(examine(p), "reserved-unused")[0]
	if got := f.Actions[0].Command.String(); got != "portrange reserve list --netns lb1" {
		t.Errorf("command %q", got)
	}
	if got := f.Evidence(); len(got) > 220 || !strings.HasPrefix(got, "49 ports (40001,40003,") || !strings.Contains(got, ",…)") {
		t.Errorf("evidence %q", got)
	}
	p = healthy().claimed(host.NodePorts, odd.String(), 0)
	if action := find(examine(p), "node-ports")[0].Actions[0]; action.Command != nil || !strings.Contains(action.Text, "too long to type") {
		t.Errorf("action %+v", action)
	}
}

// TestUnusedReservationsSayWhatTheyTake predicts the fullest pool without them.
func TestUnusedReservationsSayWhatTheyTake(t *testing.T) {
	p := healthy().set(reserving("40090-40099")).with(clients(45)...)
	action := find(examine(p), "reserved-unused")[0].Actions[0]
	if e := action.Effect; e == nil || e.Size != 100 || e.Left != 55 {
		t.Errorf("effect %+v, want 55 of 100 left", e)
	}
}
