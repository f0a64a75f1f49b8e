package rules

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"portrange/internal/boot"
	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/port"
)

// patient builds the facts of one namespace, healthy unless a test says otherwise.
type patient struct {
	Facts
	settings host.Settings
}

// healthy has the range 40000 to 40099, which nobody calls narrow here: the
// findings about its size are passed over where they are not the point.
func healthy() *patient {
	p := &patient{
		Facts: Facts{Now: &host.State{TakenAt: time.Unix(1000, 0), Kernel: "6.18.0"}},
		settings: host.Settings{
			Range: port.Range{Low: 40000, High: 40099}, Reserved: &port.Set{},
			UnprivilegedStart: 1024, TWReuseDelay: time.Second, HasTWReuseDelay: true, Timestamps: 1,
			MaxTWBuckets: 262144, FinTimeout: time.Minute,
		},
	}
	return p.with()
}

// ns is the only namespace as it is now.
func (p *patient) ns() *host.Namespace { return &p.Now.Namespaces[0] }

// with replaces the sockets of the namespace as it is now.
func (p *patient) with(sockets ...*port.Socket) *patient {
	p.Now.Namespaces = []host.Namespace{p.namespace(sockets...)}
	return p
}

func (p *patient) namespace(sockets ...*port.Socket) host.Namespace {
	ns := host.Namespace{ID: 7, Name: "lb1", Source: "bpf", Settings: p.settings, Usage: host.NewUsage(p.settings)}
	for _, s := range sockets {
		ns.Usage.Add(s)
	}
	return ns
}

// before sets what a look so long before saw.
func (p *patient) before(elapsed time.Duration, sockets ...*port.Socket) *patient {
	p.Earlier = &host.State{TakenAt: p.Now.TakenAt.Add(-elapsed), Namespaces: []host.Namespace{p.namespace(sockets...)}}
	return p
}

// held has a process hold all sockets that are given.
func (p *patient) held(by host.Process, sockets ...*port.Socket) *patient {
	ns := p.ns()
	if ns.Holdings == nil {
		ns.Holdings = host.NewHoldings(ns.Settings.Range.Set())
	}
	for _, s := range sockets {
		ns.Holdings.Add(&host.Holder{Socket: *s, Process: by, NetNS: ns.ID})
	}
	return p
}

func (p *patient) but(edit func(*patient)) *patient {
	edit(p)
	return p
}

// set changes the settings; sockets are to be added after it.
func (p *patient) set(edit func(*host.Settings)) *patient {
	edit(&p.settings)
	return p.with()
}

func examine(p *patient) []finding.Finding { return Examine(&p.Facts) }

func find(found []finding.Finding, code string) []finding.Finding {
	return slices.DeleteFunc(slices.Clone(found), func(f finding.Finding) bool { return f.Code() != code })
}

// crowd is n connections from local to remote, from port first up.
func crowd(first, n int, local, remote string, edit ...func(*port.Socket)) []*port.Socket {
	sockets := make([]*port.Socket, n)
	for i := range sockets {
		s := &port.Socket{
			Proto: port.TCP, State: port.Established, Hold: port.ConnectHeld,
			Local:  netip.AddrPortFrom(netip.MustParseAddr(local), uint16(first+i)),
			Remote: netip.MustParseAddrPort(remote),
		}
		for _, e := range edit {
			e(s)
		}
		sockets[i] = s
	}
	return sockets
}

func clients(n int, edit ...func(*port.Socket)) []*port.Socket {
	return crowd(40000, n, "10.0.0.2", "10.0.0.5:80", edit...)
}

func waits(s *port.Socket)   { s.State, s.Mini, s.Stamped = port.TimeWait, true, true }
func lingers(s *port.Socket) { s.State = port.CloseWait }
func binds(s *port.Socket)   { s.Hold = port.BindHeld }
func listens(s *port.Socket) {
	s.Hold, s.State, s.Remote = port.BindHeld, port.Listen, netip.AddrPort{}
}
func udp(s *port.Socket) { s.Proto, s.Hold = port.UDP, port.HoldUnknown }

// as sets another range.
func as(low, high uint16) func(*host.Settings) {
	return func(s *host.Settings) { s.Range = port.Range{Low: low, High: high} }
}

// booted is a forecast for one key, of the namespace under examination.
func (p *patient) booted(s boot.Setting) *patient {
	p.Boot, p.Booted = &boot.Report{Settings: []boot.Setting{s}}, p.ns().ID
	return p
}

func set(list string) *port.Set {
	s, err := port.ParseSet(list)
	if err != nil {
		panic(err)
	}
	return s
}

// symptom is a case of one rule: a patient that must have the finding, one that
// must not, the severity, and what the evidence must say.
type symptom struct {
	sick, well *patient
	severity   finding.Severity
	evidence   []string
}

// check holds one case against the rule with a code.
func (s symptom) check(t *testing.T, code string) {
	t.Helper()
	found := find(examine(s.sick), code)
	if len(found) != 1 {
		t.Fatalf("%s: found %d times, want once, in %v", code, len(found), codesOf(examine(s.sick)))
	}
	f := found[0]
	if f.Severity != s.severity {
		t.Errorf("%s: %s, want %s", code, f.Severity, s.severity)
	}
	checkWords(t, &f, s.evidence)
	if found := find(examine(s.well), code); len(found) != 0 {
		t.Errorf("%s: must not appear: %q", code, found[0].Evidence())
	}
}
