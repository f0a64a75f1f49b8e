package doctor

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"portrange/internal/boot"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/port"
)

// patient builds the facts of one namespace, healthy unless a test says otherwise.
type patient struct {
	Facts
	settings host.Settings
}

// healthy has the range 40000 to 40099, which nobody calls narrow here: the
// findings about its size are filtered out where they are not the point.
func healthy() *patient {
	return &patient{
		Facts: Facts{Kernel: "6.18.0", Namespaces: []Patient{{}}},
		settings: host.Settings{
			Range: port.Range{Low: 40000, High: 40099}, Reserved: &port.Set{},
			UnprivilegedStart: 1024, TWReuseDelay: time.Second, HasTWReuseDelay: true, Timestamps: 1, MaxTWBuckets: 262144, FinTimeout: time.Minute,
		},
	}
}

func (p *patient) ns() *Patient { return &p.Namespaces[0] }

// with adds sockets to the namespace as it is now.
func (p *patient) with(sockets ...*port.Socket) *patient {
	p.ns().Now = p.snapshot(sockets...)
	return p
}

func (p *patient) snapshot(sockets ...*port.Socket) host.Namespace {
	ns := host.Namespace{ID: 7, Name: "lb1", Source: "bpf", Settings: p.settings, Usage: host.NewUsage(p.settings)}
	for _, s := range sockets {
		ns.Usage.Add(s)
	}
	return ns
}

// before sets what an earlier look saw.
func (p *patient) before(elapsed time.Duration, sockets ...*port.Socket) *patient {
	earlier := p.snapshot(sockets...)
	p.ns().Earlier, p.ns().Elapsed = &earlier, elapsed
	return p
}

func (p *patient) but(edit func(*patient)) *patient {
	edit(p)
	return p
}

// set changes the settings; sockets are to be added after it.
func (p *patient) set(edit func(*host.Settings)) *patient {
	edit(&p.settings)
	return p
}

func examine(p *patient) []Finding {
	if p.ns().Now.Usage == nil {
		p.with()
	}
	return Examine(&p.Facts)
}

func find(found []Finding, code string) []Finding {
	return slices.DeleteFunc(slices.Clone(found), func(f Finding) bool { return f.Code != code })
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

func text(s string) *string { return &s }

// booted is a forecast for one key.
func booted(s boot.Setting) *boot.Report { return &boot.Report{Settings: []boot.Setting{s}} }

func line(file string, n int, value string) *boot.Decision {
	return &boot.Decision{Value: value, Line: boot.Line{File: file, Line: n}}
}

func set(list string) *port.Set {
	s, err := port.ParseSet(list)
	if err != nil {
		panic(err)
	}
	return s
}

// symptom is one finding: a patient that must have it, one that must not, and
// numbers that the evidence must contain.
type symptom struct {
	sick, well *patient
	severity   judge.Severity
	evidence   []string
}

func TestEveryFindingAppearsAndDoesNot(t *testing.T) {
	cases := symptoms()
	for _, code := range Codes() {
		s, known := cases[code]
		if !known {
			t.Errorf("%s has no test", code)
			continue
		}
		found := find(examine(s.sick), code)
		if len(found) != 1 {
			t.Errorf("%s: found %d times, want once, in %+v", code, len(found), examine(s.sick))
			continue
		}
		f := found[0]
		if f.Severity != s.severity {
			t.Errorf("%s: %s, want %s", code, f.Severity, s.severity)
		}
		for _, want := range s.evidence {
			if !strings.Contains(f.Evidence, want) {
				t.Errorf("%s: evidence %q does not contain %q", code, f.Evidence, want)
			}
		}
		if len(s.evidence) == 0 || f.Subject == "" || f.Advice == "" {
			t.Errorf("%s: a finding without evidence, subject or advice: %+v", code, f)
		}
		if strings.Contains(f.Evidence+f.Advice+f.Subject, "%!") {
			t.Errorf("%s: a broken format: %+v", code, f)
		}
		if found := find(examine(s.well), code); len(found) != 0 {
			t.Errorf("%s: must not appear: %+v", code, found)
		}
	}
}

func symptoms() map[string]symptom {
	all := map[string]symptom{}
	for _, some := range []map[string]symptom{poolSymptoms(), rangeSymptoms(), portSymptoms(), timeWaitSymptoms(), limitSymptoms(), kernelSymptoms()} {
		for code, s := range some {
			all[code] = s
		}
	}
	return all
}

func poolSymptoms() map[string]symptom {
	return map[string]symptom{
		judge.PoolFull:     {healthy().with(clients(100)...), healthy().with(clients(99)...), judge.Critical, []string{"100 of 100", "0 left"}},
		judge.PoolNearFull: {healthy().with(clients(85)...), healthy().with(clients(84)...), judge.Warning, []string{"85 of 100"}},
		judge.PoolPastHalf: {healthy().with(clients(50)...), healthy().with(clients(49)...), judge.Warning, []string{"50 of 100"}},
		judge.LocalPoolFull: {
			healthy().with(clients(100, udp)...), healthy().with(clients(99, udp)...), judge.Critical, []string{"100 of 100"}},
		judge.LocalPoolNearFull: {
			healthy().with(clients(90, udp)...), healthy().with(clients(80, udp)...), judge.Warning, []string{"90 of 100"}},
		judge.RangeWithheld: {healthy().with(clients(100, listens)...), healthy().with(clients(40, listens)...), judge.Critical,
			[]string{"0 of the range's 100 ports usable", "100 bind-held"}},
		judge.BindBeforeConnect: {healthy().with(clients(20, binds)...), healthy().with(clients(20)...), judge.Warning, []string{"20 ports"}},
		ConnectionRate: {
			healthy().with(clients(30, waits)...).before(10*time.Second, clients(10, waits)...),
			healthy().with(clients(30)...).before(10*time.Second, clients(30)...),
			judge.Warning, []string{"2.0 new connections a second over 10s", "allows 2 a second", "120 %", "70 ports left", "35 s"}},
		PoolFilling: {
			healthy().with(clients(60)...).before(5*time.Second, clients(10)...),
			healthy().with(clients(10)...).before(5*time.Second, clients(60)...),
			judge.Critical, []string{"10.0 ports a second", "40 of 100 left", "4 s"}},
	}
}

func rangeSymptoms() map[string]symptom {
	busyDefault := func(n int) *patient {
		return healthy().set(as(32768, 60999)).with(crowd(33000, n, "10.0.0.2", "10.0.0.5:80")...)
	}
	hosts := func(p *patient, r port.Range) *patient {
		p.ns().Host = &r
		return p
	}
	drift := func(s boot.Setting) *patient {
		return healthy().but(func(p *patient) { p.ns().Boot = booted(s) })
	}
	same := boot.Setting{Key: "net.ipv4.ip_local_port_range", Running: text("32768 60999"), Boot: text("32768 60999")}
	lost := boot.Setting{Key: "net.ipv4.ip_local_port_range", Running: text("15000 64001"), Boot: text("32768 60999"), Drift: true}
	other := lost
	other.Systemd = line("/etc/sysctl.d/10-old.conf", 3, "32768 60999")
	return map[string]symptom{
		RangeNarrow: {
			healthy().with(clients(25)...), busyDefault(0), judge.Warning, []string{"100 ports, 28132 fewer", "75 of 100 left"}},
		RangeDefaultBusy: {busyDefault(7058), busyDefault(7040), judge.Info, []string{"28232 ports", "21174 of 28232 left"}},
		SameParity: {
			healthy().set(as(40000, 40100)), healthy(), judge.Info, []string{"101 ports"}},
		OtherRange: {
			hosts(healthy(), port.Range{Low: 15000, High: 64001}), hosts(healthy(), port.Range{Low: 40000, High: 40099}),
			judge.Info, []string{"40000 40099 (100 ports)", "15000 64001 (49002 ports)"}},
		NotPersisted: {drift(lost), drift(same), judge.Warning, []string{`"15000 64001"`, `"32768 60999"`}},
		BootDrift:    {drift(other), drift(lost), judge.Warning, []string{`"15000 64001"`, `"32768 60999"`, "/etc/sysctl.d/10-old.conf:3"}},
	}
}

func portSymptoms() map[string]symptom {
	reserve := func(list string) func(*host.Settings) {
		return func(s *host.Settings) { s.Reserved = set(list) }
	}
	listener := func() *patient {
		p := healthy().with(crowd(40010, 1, "0.0.0.0", "0.0.0.0:0", listens)...)
		p.ns().Holds = []Hold{{Proto: port.TCP, Port: 40010, Listening: true, Processes: []host.Process{{PID: 812, Command: "java"}}}}
		return p
	}
	claiming := func(code, list string, sockets ...*port.Socket) *patient {
		p := healthy().with(sockets...)
		p.ns().Claims = []Claim{{Code: code, Who: "thing.service", Ports: set(list), Evidence: "its file says so"}}
		return p
	}
	taken := claiming(SocketUnit, "40003", clients(5)...)
	taken.ns().Holds = []Hold{{Proto: port.TCP, Port: 40003, Processes: []host.Process{{PID: 44, Command: "curl"}}}}
	return map[string]symptom{
		ListenerInRange: {
			listener(), healthy().set(reserve("40010")).with(crowd(40010, 1, "0.0.0.0", "0.0.0.0:0", listens)...).
				with(crowd(40020, 1, "0.0.0.0", "0.0.0.0:0", listens, func(s *port.Socket) { s.Chosen = true })...),
			judge.Warning, []string{"port 40010", "40000 40099"}},
		ReservedOutside: {healthy().set(reserve("80,40001")), healthy().set(reserve("40001")), judge.Info, []string{"port 80"}},
		ReservedUnused: {
			healthy().set(reserve("40000-40009")), healthy().set(reserve("40010")).with(crowd(40010, 1, "0.0.0.0", "0.0.0.0:0", listens)...),
			judge.Info, []string{"10 ports (40000-40009)", "10 of 100 ports less"}},
		PortTaken: {taken, claiming(SocketUnit, "40050", clients(5)...), judge.Critical, []string{"port 40003", "one outgoing connection", "curl (pid 44)"}},
		SocketUnit: {
			claiming(SocketUnit, "40003"), claiming(SocketUnit, "8080"), judge.Warning, []string{"port 40003", "its file says so"}},
		ServicePort: {claiming(ServicePort, "40003"), claiming(ServicePort, "8080"), judge.Warning, []string{"port 40003"}},
		NodePorts:   {claiming(NodePorts, "30000-40009"), claiming(NodePorts, "30000-32767"), judge.Warning, []string{"10 ports (40000-40009)"}},
		PublishedPorts: {
			claiming(PublishedPorts, "40003,40005"), claiming(PublishedPorts, "8080"), judge.Warning, []string{"2 ports (40003,40005)"}},
	}
}

func timeWaitSymptoms() map[string]symptom {
	reuse := func(mode int) func(*host.Settings) { return func(s *host.Settings) { s.TWReuse = mode } }
	silent := func(s *host.Settings) { s.TWReuse, s.Timestamps = 1, 0 }
	patientlyReused := func(s *host.Settings) { s.TWReuse, s.TWReuseDelay = 1, 20*time.Second }
	waiting := func(w host.TimeWait, earlier ...host.TimeWait) *patient {
		return healthy().but(func(p *patient) {
			p.ns().TimeWait = &w
			if len(earlier) > 0 {
				p.ns().TimeWaitEarlier, p.ns().Elapsed = &earlier[0], 5*time.Second
			}
		})
	}
	waitingOf := func(buckets, seconds int, w host.TimeWait) *patient {
		return waiting(w).set(func(s *host.Settings) {
			s.MaxTWBuckets, s.FinTimeout = buckets, time.Duration(seconds)*time.Second
		})
	}
	recycle := healthy().but(func(p *patient) {
		p.ns().Boot = booted(boot.Setting{Key: port.KeyTWRecycle, Procps: line("/etc/sysctl.conf", 12, "1")})
	})
	fine := host.TimeWait{}
	return map[string]symptom{
		CloseWaitLeak: {
			healthy().with(clients(10, lingers)...), healthy().with(clients(9, lingers)...), judge.Warning, []string{"10 of 10"}},
		TimeWaitShare: {
			healthy().with(clients(30, waits)...), healthy().with(clients(30)...), judge.Info, []string{"30 of 30", "100 %"}},
		ReuseOff: {
			healthy().with(clients(60, waits)...), healthy().set(reuse(1)).with(clients(60, waits)...),
			judge.Warning, []string{"60 ports", "40 of 100 left", "0 is off"}},
		TimestampsOff: {
			healthy().set(silent).with(clients(60, waits)...), healthy().set(reuse(1)).with(clients(60, waits)...),
			judge.Warning, []string{"tcp_tw_reuse is 1", "0 of the 60 ports"}},
		ReuseDelay: {
			healthy().set(patientlyReused).with(clients(60, waits)...), healthy().set(reuse(1)).with(clients(60, waits)...),
			judge.Info, []string{"20s instead of 1 s", "of the 60 of", "is 0 now"}},
		BucketsLow: {
			waitingOf(99, 60, host.TimeWait{Sockets: 80}), waiting(fine), judge.Warning, []string{"80 timewait sockets now", "leave 100"}},
		BucketsOverflow: {
			waiting(host.TimeWait{Overflows: 9}, host.TimeWait{Overflows: 4}), waiting(fine),
			judge.Warning, []string{"TCPTimeWaitOverflow is 9", "5 of them in the last 5s"}},
		CureRecycle:    {recycle, waiting(fine), judge.Warning, []string{"/etc/sysctl.conf:12"}},
		CureFinTimeout: {waitingOf(262144, 15, host.TimeWait{Sockets: 3}), waiting(fine), judge.Info, []string{"15 s", "3 sockets"}},
	}
}

func limitSymptoms() map[string]symptom {
	process := func(open, soft uint64) *patient {
		return healthy().but(func(p *patient) {
			p.ns().Process = &Process{Process: host.Process{PID: 812, Command: "haproxy"}, Ports: 90, Files: host.ProcessFiles{Open: open, Soft: soft}}
		})
	}
	machine := func(m Machine) *patient { return healthy().but(func(p *patient) { p.Machine = m }) }
	conntrack := func(c host.Conntrack) *patient {
		return healthy().but(func(p *patient) { p.ns().Conntrack = &c })
	}
	rules := func(list ...host.NATRules) *patient {
		return healthy().but(func(p *patient) { p.ns().SourceNAT = list })
	}
	return map[string]symptom{
		ProcessFiles:      {process(960, 1000), process(700, 1000), judge.Critical, []string{"960 of 1000", "96 %", "90 ports"}},
		MachineFiles:      {machine(Machine{Files: &host.Files{Allocated: 85, Max: 100, PerProcess: 50}}), machine(Machine{Files: &host.Files{Allocated: 79, Max: 100}}), judge.Warning, []string{"85 of 100"}},
		ConntrackNearFull: {conntrack(host.Conntrack{Count: 96, Max: 100}), conntrack(host.Conntrack{Count: 79, Max: 100}), judge.Critical, []string{"96 of 100"}},
		ConntrackDrops: {
			conntrack(host.Conntrack{Count: 1, Max: 100, Dropped: 5, InsertFailed: 2}), conntrack(host.Conntrack{Count: 1, Max: 100}),
			judge.Warning, []string{"3 packets dropped for want of room", "2 because another entry"}},
		Orphans: {
			machine(Machine{TCP: &host.TCP{Orphans: 50, MaxOrphans: 100}}), machine(Machine{TCP: &host.TCP{Orphans: 49, MaxOrphans: 100}}),
			judge.Warning, []string{"50 connections"}},
		TCPMemory: {
			machine(Machine{TCP: &host.TCP{Pages: 300, PressurePages: 200, MaxPages: 300}}),
			machine(Machine{TCP: &host.TCP{Pages: 199, PressurePages: 200, MaxPages: 300}}), judge.Critical, []string{"300 pages"}},
		SourceNAT: {
			rules(host.NATRules{Backend: "nftables", Family: "ip", Table: "nat", Chain: "POSTROUTING", Count: 3}), rules(),
			judge.Info, []string{"nftables ip nat POSTROUTING (3)"}},
		CloudNAT: {
			healthy().with(crowd(40000, 64, "10.0.0.2", "8.8.8.8:443")...), healthy().with(clients(90)...), judge.Info, []string{"64 connections"}},
	}
}

func kernelSymptoms() map[string]symptom {
	on := func(p *patient, f host.Features) *patient {
		p.Features = f
		return p
	}
	modern := host.Features{SocketRange: host.Yes, WholeSearch: host.Yes, RCULookup: host.Yes, BucketRecalculation: host.Yes}
	old := host.Features{SocketRange: host.No, WholeSearch: host.No, RCULookup: host.No, BucketRecalculation: host.No}
	stepping := func(width int) *patient {
		p := healthy().set(func(s *host.Settings) { s.StepWidth = width }).with(clients(50)...)
		p.ns().HasStepWidth = true
		return p
	}
	probed := func(sockets int) *patient {
		p := healthy().with(clients(sockets)...)
		p.ns().Cost = &Cost{Ports: 4000, Failing: 500 * time.Microsecond, Steps: []Step{{0.1, 15 * time.Microsecond}, {0.45, 15 * time.Microsecond}, {0.55, 233 * time.Microsecond}}}
		return p
	}
	return map[string]symptom{
		WholeSearch:   {on(healthy().with(clients(50)...), modern), on(healthy().with(clients(49)...), modern), judge.Info, []string{"IP_LOCAL_PORT_RANGE", "50 of 100 left"}},
		LockedSearch:  {on(healthy().with(clients(50)...), old), on(healthy().with(clients(50)...), modern), judge.Info, []string{"50 of 100"}},
		StickyBuckets: {on(healthy().with(clients(5, binds)...), old), on(healthy().with(clients(5, binds)...), modern), judge.Info, []string{"5 ports (40000-40004)"}},
		StepWidth:     {stepping(0), stepping(128), judge.Info, []string{"50 of 100 left"}},
		ConnectCost:   {probed(50), healthy().with(clients(50)...), judge.Warning, []string{"4000 ports", "15µs at 10 %", "233µs at 55 %", "500µs for one", "15.5 times"}},
	}
}

func TestUnknownFeaturesMakeNoFinding(t *testing.T) {
	p := healthy().with(append(clients(60), crowd(40070, 5, "10.0.0.2", "10.0.0.5:80", binds)...)...)
	for _, code := range []string{WholeSearch, LockedSearch, StickyBuckets, StepWidth} {
		if found := find(examine(p), code); len(found) > 0 {
			t.Errorf("%s although the kernel could not be asked: %+v", code, found)
		}
	}
}

func TestWorstFirst(t *testing.T) {
	p := healthy().with(clients(100)...)
	p.Machine.Files = &host.Files{Allocated: 96, Max: 100}
	p.ns().SourceNAT = []host.NATRules{{Backend: "nftables", Count: 1}}
	found := examine(p)
	order := func(a, b Finding) int { return judge.CompareSeverity(a.Severity, b.Severity) }
	if !slices.IsSortedFunc(found, order) || found[0].Severity != judge.Critical {
		t.Errorf("findings out of order: %+v", found)
	}
	for _, f := range found {
		machineWide := f.Code == MachineFiles
		if (f.Namespace == 0) != machineWide || (f.Name == "") != machineWide {
			t.Errorf("%s is in namespace %d %q", f.Code, f.Namespace, f.Name)
		}
	}
}

func TestAHealthyNamespaceHasNothing(t *testing.T) {
	p := healthy().set(as(15000, 64001)).with(crowd(20000, 100, "10.0.0.2", "10.0.0.5:80")...)
	p.Features = host.Features{SocketRange: host.Yes, WholeSearch: host.Yes, RCULookup: host.No, BucketRecalculation: host.No}
	if found := examine(p); len(found) != 0 {
		t.Errorf("findings %+v, want none", found)
	}
	if found := Examine(&Facts{}); found == nil || len(found) != 0 {
		t.Errorf("findings of no namespace %#v, want an empty list", found)
	}
}

func TestLongListsAreCutShort(t *testing.T) {
	odd := &port.Set{}
	for p := uint16(40001); p < 40099; p += 2 {
		odd.Add(p)
	}
	advice := (&chart{Patient: &Patient{Now: host.Namespace{Ref: "lb1"}}}).unreserve(odd)
	if want := "`portrange reserve list --netns lb1` lists all, for `portrange reserve remove`"; advice != want {
		t.Errorf("advice %q, want %q", advice, want)
	}
	got := portsText(odd)
	if len(got) > 120 || !strings.HasPrefix(got, "49 ports (40001,40003,") || !strings.HasSuffix(got, ",…)") {
		t.Errorf("ports %q", got)
	}
}

func TestRatesOfReusedPorts(t *testing.T) {
	// A port that leaves TIME_WAIT for a connection is a new connection; one
	// that enters it is the old one.
	before := append(clients(10, waits), crowd(40010, 10, "10.0.0.2", "10.0.0.5:80")...)
	now := append(clients(10), crowd(40010, 10, "10.0.0.2", "10.0.0.5:80", waits)...)
	p := healthy().with(now...).before(10*time.Second, before...)
	found := find(examine(p), ConnectionRate)
	if len(found) != 1 || !strings.Contains(found[0].Evidence, "at least 1.0 new connections a second") {
		t.Errorf("findings %+v, want one with 1.0 connections a second", found)
	}
}

// command is what advice has in backquotes to look at one namespace or change it.
var command = regexp.MustCompile("`[^`]*(portrange|sysctl -w) [^`]+`")

// elsewhere are commands that concern all namespaces, or always the host.
var elsewhere = regexp.MustCompile(`portrange doctor --explain|portrange boot|--persist|--netns all|sysctl -w (fs|net\.netfilter)\.`)

// TestCommandsNameTheNamespace types the advice of every finding about another
// namespace than the caller's: it must not change the caller's.
func TestCommandsNameTheNamespace(t *testing.T) {
	for code, s := range symptoms() {
		examine(s.sick)
		s.sick.ns().Now.Ref = "lb1"
		for _, f := range find(Examine(&s.sick.Facts), code) {
			for _, typed := range command.FindAllString(f.Advice, -1) {
				reaches := strings.Contains(typed, " --netns lb1") || strings.HasPrefix(typed, "`ip netns exec lb1 ")
				if !reaches && !elsewhere.MatchString(typed) {
					t.Errorf("%s: %s does not name the namespace", code, typed)
				}
			}
		}
	}
}

// TestNoAlarmOnAQuietMachine holds what a fresh system shows: little memory, and
// thereby few slots for timewait sockets, and a container with a range of its own.
func TestNoAlarmOnAQuietMachine(t *testing.T) {
	p := healthy().set(as(15000, 64001)).with(crowd(20000, 3, "10.0.0.2", "10.0.0.5:80", waits)...)
	p.settings.MaxTWBuckets = 4096
	p.ns().Now.Settings = p.settings
	p.ns().TimeWait = &host.TimeWait{Sockets: 3}
	if found := examine(p); len(found) != 0 {
		t.Errorf("findings %+v, want none", found)
	}
	p.ns().Boot = booted(boot.Setting{Key: port.KeyMaxTWBuckets, Systemd: line("/etc/sysctl.d/10-old.conf", 3, "4096")})
	if found := examine(p); len(find(found, BucketsLow)) != 1 {
		t.Errorf("findings %+v, want the limit that a file sets", found)
	}
}

func TestANamespaceWithoutSocketsNeedsNoOtherRange(t *testing.T) {
	wide := port.Range{Low: 15000, High: 64001}
	for name, tt := range map[string]struct {
		sockets []*port.Socket
		want    int
	}{
		"nothing":      {nil, 0},
		"a connection": {crowd(33000, 1, "10.0.0.2", "10.0.0.5:80"), 1},
		"a listener":   {crowd(80, 1, "0.0.0.0", "0.0.0.0:0", listens), 1},
		"UDP":          {crowd(33000, 1, "10.0.0.2", "10.0.0.5:53", udp), 1},
	} {
		p := healthy().set(as(32768, 60999)).with(tt.sockets...)
		p.ns().Host = &wide
		if found := find(examine(p), OtherRange); len(found) != tt.want {
			t.Errorf("%s: findings %+v, want %d", name, found, tt.want)
		}
	}
}

func TestAWiderRangeThanTheHostsIsNotTakenBack(t *testing.T) {
	p := healthy().set(as(15000, 64001)).with()
	p.ns().Host = &port.DefaultRange
	found := find(examine(p), OtherRange)
	if len(found) != 1 || found[0].Severity != judge.Info || strings.Contains(found[0].Advice, "portrange set") ||
		!strings.Contains(found[0].Advice, "15000 64001") {
		t.Errorf("findings %+v, want one that keeps 15000 64001", found)
	}
}

func TestPortOfADatagramUnit(t *testing.T) {
	claim := Claim{Code: SocketUnit, Who: "syslog.socket", Ports: set("40003"), Evidence: "its file says so", Proto: port.UDP}
	for name, tt := range map[string]struct {
		sockets []*port.Socket
		taken   bool
	}{
		"a UDP socket":                    {clients(5, udp), true},
		"a connection, which is no hitch": {clients(5), false},
		"nothing":                         {nil, false},
	} {
		p := healthy().with(tt.sockets...)
		p.ns().Claims = []Claim{claim}
		p.ns().Holds = []Hold{{Proto: port.UDP, Port: 40003, Processes: []host.Process{{PID: 44, Command: "dig"}}}}
		found := find(examine(p), PortTaken)
		if (len(found) == 1) != tt.taken {
			t.Errorf("%s: findings %+v, want the port taken: %v", name, found, tt.taken)
		}
		if tt.taken && found[0].Evidence != "port 40003 is held now by a UDP socket of dig (pid 44)" {
			t.Errorf("%s: evidence %q", name, found[0].Evidence)
		}
	}
}

func TestTimeWaitThatLevelsOffFillsNoPool(t *testing.T) {
	p := healthy().with(clients(2, waits)...).before(6*time.Second, clients(1, waits)...)
	if found := find(examine(p), PoolFilling); len(found) != 0 {
		t.Errorf("findings %+v, want none: TIME_WAIT grows to 10 of 100 ports", found)
	}
	found := find(examine(p), ConnectionRate)
	if len(found) != 1 || !strings.Contains(found[0].Evidence, "TIME_WAIT grows to about 10 ports and no further") {
		t.Errorf("findings %+v, want one that says where TIME_WAIT levels off", found)
	}
}

func TestSpans(t *testing.T) {
	for d, want := range map[time.Duration]string{
		4 * time.Second: "4 s", 90 * time.Second: "2 min", 90 * time.Minute: "1.5 h", 72 * time.Hour: "3 days",
	} {
		if got := span(d); got != want {
			t.Errorf("span(%v) = %q, want %q", d, got, want)
		}
	}
}

func ExampleExamine() {
	p := healthy().with(clients(100)...)
	f := examine(p)[0]
	fmt.Println(f.Severity, f.Code, f.Subject)
	// Output: critical pool-full tcp 10.0.0.2 → 10.0.0.5:80
}
