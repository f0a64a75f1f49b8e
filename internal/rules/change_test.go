package rules

import (
	"slices"
	"strings"
	"testing"
	"time"

	"portrange/internal/boot"
	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/port"
)

// becoming is a change of the patient's settings.
func (p *patient) becoming(edit func(*host.Settings)) *Change {
	after := *p.ns()
	edit(&after.Settings)
	return &Change{Before: p.ns(), After: &after}
}

// alteration is a case of a rule about changes: one that must have the finding,
// one that must not.
type alteration struct {
	sick, well *Change
	severity   finding.Severity
	evidence   []string
}

func alterations() map[string]alteration {
	up := as(40000, 40199)
	claim := func(kind host.ClaimKind) alteration {
		return alteration{
			healthy().claimed(kind, "40099-40101", port.UDP).becoming(up), healthy().claimed(kind, "40200", 0).becoming(up),
			finding.Warning, []string{"2 ports (40100-40101), which come into the range", "its file says so"}}
	}
	held := func(at uint16, state port.State) *patient { return healthy().holding(port.TCP, at, state, java) }
	limited := func(max uint64) *Change {
		c := tracking(host.Conntrack{Max: max}).becoming(up)
		c.Files = &host.Files{Max: 200, PerProcess: 200}
		return c
	}
	return map[string]alteration{
		"listener-in-range": {
			held(40100, port.Listen).becoming(up), held(40099, port.Listen).becoming(up), finding.Warning,
			[]string{"listens on port 40100, which comes into the range"}},
		"bind-held-in-range": {
			held(40100, port.BoundInactive).becoming(up), held(40200, port.BoundInactive).becoming(up), finding.Warning,
			[]string{"took port 40100 through bind(), which comes into the range"}},
		"node-ports": claim(host.NodePorts), "published-ports": claim(host.PublishedPorts),
		"socket-unit": claim(host.SocketUnit), "service-port": claim(host.ServicePort),
		"same-parity": {healthy().becoming(as(40000, 40100)), healthy().becoming(as(40000, 40101)), finding.Info, []string{"101 ports"}},
		"no-port-left": {
			healthy().becoming(reserving("40000-40099")), healthy().becoming(reserving("40000-40098")), finding.Critical, []string{"100 of them"}},
		"small-range": {
			healthy().becoming(as(40000, 40998)), healthy().becoming(as(40000, 40999)), finding.Warning, []string{"999 ports", "60 s", "16.6/s"}},
		"reserved-in-range": {
			healthy().set(reserving("40100")).becoming(up), healthy().set(reserving("40200")).becoming(up), finding.Info,
			[]string{"port 40100 of the range reserved", "the other 199"}},
		"sockets-outside": {
			healthy().with(clients(10)...).becoming(as(40009, 40199)), healthy().with(clients(10)...).becoming(up), finding.Info,
			[]string{"9 connections"}},
		"limit-too-small": {limited(199), limited(200), finding.Info, []string{"it is 199", "200 connections", "an entry of netfilter's table"}},
		"pool-full": {
			healthy().with(clients(10)...).becoming(as(40000, 40009)), healthy().with(clients(10)...).becoming(as(40000, 40010)),
			finding.Critical, []string{"10 of 10 ports", "0 left"}},
		"pool-near-full": {
			healthy().with(clients(17)...).becoming(as(40000, 40019)), healthy().with(clients(17)...).becoming(as(40000, 40020)),
			finding.Critical, []string{"17 of 20"}},
		"local-pool-full": {
			healthy().with(clients(10, udp)...).becoming(as(40000, 40009)), healthy().with(clients(10, udp)...).becoming(as(40000, 40010)),
			finding.Critical, []string{"10 of 10 ports", "0 left"}},
		"local-pool-near-full": {
			healthy().with(clients(17, udp)...).becoming(as(40000, 40019)), healthy().with(clients(17, udp)...).becoming(as(40000, 40020)),
			finding.Critical, []string{"17 of 20"}},
		"range-withheld": {
			healthy().with(clients(1)...).becoming(reserving("40000-40049")), healthy().with(clients(1)...).becoming(reserving("40000-40048")),
			finding.Warning, []string{"50 of the range's 100 ports usable: 50 reserved, 0 bind-held", "now 100 are usable"}},
		"pool-past-half": {
			healthy().with(clients(10)...).becoming(as(40000, 40019)), healthy().with(clients(10)...).becoming(as(40000, 40020)),
			finding.Warning, []string{"10 of 20"}},
		"local-pool-past-half": {
			healthy().with(clients(10, udp)...).becoming(as(40000, 40019)), healthy().with(clients(10, udp)...).becoming(as(40000, 40020)),
			finding.Warning, []string{"10 of 20"}},
	}
}

func TestEveryRuleOfAChangeFindsAndDoesNot(t *testing.T) {
	cases := alterations()
	for _, rule := range All() {
		tt, known := cases[rule.Code]
		if rule.Change == nil {
			continue
		}
		if !known {
			t.Errorf("%s has no case", rule.Code)
			continue
		}
		found := find(ExamineChange(tt.sick), rule.Code)
		if len(found) != 1 || found[0].Severity != tt.severity {
			t.Errorf("%s: found %+v, want one, %s", rule.Code, found, tt.severity)
			continue
		}
		checkWords(t, &found[0], tt.evidence)
		if found := find(ExamineChange(tt.well), rule.Code); len(found) != 0 {
			t.Errorf("%s: must not appear: %q", rule.Code, found[0].Evidence())
		}
	}
}

// TestReservedIntrudersAreNoWarning has a change reserve what it finds.
func TestReservedIntrudersAreNoWarning(t *testing.T) {
	p := healthy().holding(port.TCP, 40100, port.Listen, java, curl).holding(port.UDP, 40101, port.Close).claimed(host.NodePorts, "40050-40110", 0)
	c := p.becoming(as(40000, 40199))
	c.Reserving = Intruders(c.Before, c.After)
	if got := c.Reserving.String(); got != "40100-40110" {
		t.Fatalf("intruders %s", got)
	}
	c.After.Settings.Reserved = c.Reserving
	found := ExamineChange(c)
	for _, want := range []struct{ code, evidence string }{
		{"listener-in-range", "together with another process listens on port 40100, which comes into the range; reserved in this plan, before the range moves"},
		{"bind-held-in-range", "a process that could not be seen took port 40101 through bind(), which comes into the range; reserved in this plan, before the range moves"},
		{"node-ports", "11 ports (40100-40110), which come into the range; reserved in this plan, before the range moves: its file says so"},
	} {
		f := find(found, want.code)
		if len(f) != 1 || f[0].Severity != finding.Info || f[0].Evidence() != want.evidence {
			t.Errorf("%s: %+v, want %q", want.code, f, want.evidence)
		}
	}
}

func TestPortsThatAreNoLongerReserved(t *testing.T) {
	p := healthy().set(reserving("40010-40012")).holding(port.TCP, 40010, port.Listen, java).claimed(host.ServicePort, "40011-40012", 0)
	found := ExamineChange(p.becoming(func(s *host.Settings) { s.Reserved = &port.Set{} }))
	for code, want := range map[string]string{
		"listener-in-range": "listens on port 40010, which is no longer reserved",
		"service-port":      "2 ports (40011-40012), which are no longer reserved: its file says so",
	} {
		if f := find(found, code); len(f) != 1 || f[0].Evidence() != want || f[0].Severity != finding.Warning {
			t.Errorf("%s: %+v, want %q", code, f, want)
		}
	}
}

// TestAnotherChangeSaysNothingOfTheRange reserves ports in a small range with odd ends.
func TestAnotherChangeSaysNothingOfTheRange(t *testing.T) {
	p := healthy().set(as(40001, 40099)).set(reserving("40010"))
	if found := ExamineChange(p.becoming(reserving("40010-40011"))); len(found) > 0 {
		t.Errorf("findings %v", codesOf(found))
	}
}

// TestAPartOfThePortsReserved leaves one for a warning.
func TestAPartOfThePortsReserved(t *testing.T) {
	c := healthy().holding(port.TCP, 40100, port.Listen, java).holding(port.TCP, 40101, port.Listen, java).becoming(as(40000, 40199))
	c.Reserving = set("40100")
	c.After.Settings.Reserved = c.Reserving
	if found := find(ExamineChange(c), "listener-in-range"); len(found) != 1 || found[0].Severity != finding.Warning {
		t.Errorf("findings %+v", found)
	}
}

// TestProtocolsAreApart: a process may hold the same port for TCP and for UDP.
func TestProtocolsAreApart(t *testing.T) {
	p := healthy().holding(port.TCP, 40100, port.BoundInactive, java).holding(port.UDP, 40101, port.Close, java)
	found := find(ExamineChange(p.becoming(as(40000, 40199))), "bind-held-in-range")
	if len(found) != 2 || found[0].Subject.Proto != "tcp" || found[1].Subject.Proto != "udp" {
		t.Errorf("findings %+v", found)
	}
}

func enslaved(s *port.Socket) { s.L3Mdev = 9 }

// TestConnectionsAreNoIntruders: a port that connect() picked is shared.
func TestConnectionsAreNoIntruders(t *testing.T) {
	held := func(edit ...func(*port.Socket)) *Change {
		p := healthy().with(crowd(40100, 1, "10.0.0.2", "10.0.0.5:80", edit...)...)
		return p.holding(port.TCP, 40100, port.Established, java).becoming(as(40000, 40199))
	}
	c, bound := held(), held(binds)
	mixed := healthy().with(append(crowd(40100, 1, "10.0.0.2", "10.0.0.5:80"), crowd(40100, 1, "10.0.0.2", "10.0.0.6:80", binds)...)...)
	if c := mixed.holding(port.TCP, 40100, port.Established, java).becoming(as(40000, 40199)); Intruders(c.Before, c.After).Len() != 1 {
		t.Error("a port that is bound as well is no intruder")
	}
	inVRF := healthy().with(append(crowd(40100, 1, "10.0.0.2", "10.0.0.5:80"), crowd(40100, 1, "10.0.0.2", "10.0.0.6:80", binds, enslaved)...)...)
	if c := inVRF.holding(port.TCP, 40100, port.Established, java).becoming(as(40000, 40199)); Intruders(c.Before, c.After).Len() != 1 {
		t.Error("a port that is bound in a VRF as well is no intruder")
	}
	served := healthy().with(crowd(40100, 1, "10.0.0.2", "10.0.0.5:80", unseen)...) // accepted, as netlink sees it
	if c := served.holding(port.TCP, 40100, port.Listen, java).becoming(as(40000, 40199)); Intruders(c.Before, c.After).Len() != 1 {
		t.Error("a listener is no intruder")
	}
	if found := find(ExamineChange(c), "bind-held-in-range"); len(found) > 0 || Intruders(c.Before, c.After).Len() > 0 {
		t.Errorf("a connection: %+v", found)
	}
	if found := find(ExamineChange(bound), "bind-held-in-range"); len(found) != 1 || Intruders(bound.Before, bound.After).Len() != 1 {
		t.Errorf("a bound connection: %+v", found)
	}
}

// TestOneClaimOfTwoProtocolsIsOneFinding merges what a unit needs for TCP and UDP.
func TestOneClaimOfTwoProtocolsIsOneFinding(t *testing.T) {
	p := healthy().claimed(host.SocketUnit, "40100", port.TCP).claimed(host.SocketUnit, "40100-40101", port.UDP)
	found := find(ExamineChange(p.becoming(as(40000, 40199))), "socket-unit")
	if len(found) != 1 || found[0].Values.Text("ports") != "40100-40101" {
		t.Errorf("findings %+v", found)
	}
	p.claimed(host.SocketUnit, "40102", 0).claimed(host.SocketUnit, "40103", 0)
	p.ns().Claims[2].Who, p.ns().Claims[3].Evidence = "another.socket", "its drop-in says so"
	if found := find(ExamineChange(p.becoming(as(40000, 40199))), "socket-unit"); len(found) != 3 {
		t.Errorf("others are merged too: %+v", found)
	}
	if got := p.ns().Claims[1].Ports.String(); got != "40100-40101" {
		t.Errorf("the claim became %s", got)
	}
}

// TestPoolsThatGetBetter: a wider range makes no warning of a pool that stays bad.
func TestPoolsThatGetBetter(t *testing.T) {
	full := healthy().with(clients(100)...)
	for name, c := range map[string]*Change{
		"wider":               full.becoming(as(40000, 40109)),
		"as before":           full.becoming(func(*host.Settings) {}),
		"opened out of range": healthy().with(crowd(41000, 90, "10.0.0.2", "10.0.0.5:80")...).becoming(as(40000, 41089)),
	} {
		if found := codesOf(ExamineChange(c)); slices.ContainsFunc(found, func(code string) bool {
			return code == "pool-full" || code == "pool-near-full" || code == "pool-past-half"
		}) {
			t.Errorf("%s: %v", name, found)
		}
	}
	for name, c := range map[string]*Change{
		"nothing draws on it":     healthy().with(clients(10)...).becoming(as(40000, 40009)),
		"UDP opened out of range": healthy().with(crowd(41000, 90, "10.0.0.2", "10.0.0.5:53", udp)...).becoming(as(40901, 41089)),
	} {
		if found := find(ExamineChange(c), "local-pool-full"); len(found) > 0 {
			t.Errorf("%s: %+v", name, found)
		}
	}
	worse := healthy().with(clients(90)...).becoming(as(40000, 40091))
	if found := find(ExamineChange(worse), "pool-near-full"); len(found) != 1 {
		t.Errorf("near full before, and nearer after: %v", codesOf(ExamineChange(worse)))
	}
}

func TestSharedListenersAreCounted(t *testing.T) {
	nginx := host.Process{PID: 7, Command: "nginx"}
	p := healthy().holding(port.TCP, 40100, port.Listen, nginx, java, curl).holding(port.TCP, 40101, port.Listen, nginx)
	found := find(ExamineChange(p.becoming(as(40000, 40199))), "listener-in-range")
	want := "together with 2 more processes listens on 2 ports (40100-40101), which come into the range"
	if len(found) != 1 || found[0].Evidence() != want || *found[0].Subject.Process != nginx {
		t.Errorf("findings %+v, want %q", found, want)
	}
}

func TestAChangeWithoutSockets(t *testing.T) {
	p := healthy().holding(port.TCP, 40100, port.BoundInactive, java)
	p.ns().Usage = nil
	if found := codesOf(ExamineChange(p.becoming(as(40000, 40199)))); !slices.Equal(found, []string{"small-range", "bind-held-in-range"}) &&
		!slices.Equal(found, []string{"bind-held-in-range", "small-range"}) {
		t.Errorf("findings %v", found)
	}
}

// TestEveryLimitIsCompared names the limits below 200 ports.
func TestEveryLimitIsCompared(t *testing.T) {
	p := tracking(host.Conntrack{Max: 199})
	p.ns().Busiest = &host.ProcessFiles{Process: java, Soft: 199}
	c := p.becoming(as(40000, 40199))
	c.Files = &host.Files{Max: 199, PerProcess: 199}
	var keys []string
	for _, f := range find(ExamineChange(c), "limit-too-small") {
		keys = append(keys, f.Subject.Key)
	}
	if want := []string{"net.netfilter.nf_conntrack_max", "fs.file-max", "fs.nr_open", "RLIMIT_NOFILE"}; !slices.Equal(keys, want) {
		t.Errorf("limits %v, want %v", keys, want)
	}
	c.Files = &host.Files{} // could not be read
	if found := find(ExamineChange(c), "limit-too-small"); len(found) != 2 {
		t.Errorf("of limits that are not known: %+v", found)
	}
	c.After.Settings = c.Before.Settings
	if found := find(ExamineChange(c), "limit-too-small"); len(found) > 0 {
		t.Errorf("of a range that stays: %+v", found)
	}
}

// told are the findings that commands make themselves.
func told() map[string]struct {
	finding  finding.Finding
	severity finding.Severity
	evidence []string
} {
	o := Override{
		DropIn: "/etc/sysctl.d/zz-portrange.conf", Key: port.KeyRange, Programs: []string{"systemd", "procps"},
		Line: boot.Line{File: "/etc/sysctl.conf", Target: "/etc/sysctl.conf", Line: 2}, Value: "32768 60999", Why: "comes later",
	}
	s := drifting(port.KeyRange, "15000 64001", "32768 60999", atLine("/etc/sysctl.d/10-net.conf", 3, "32768 60999"))
	at := time.Date(2026, 11, 22, 20, 43, 44, 0, time.UTC)
	type told = struct {
		finding  finding.Finding
		severity finding.Severity
		evidence []string
	}
	return map[string]told{
		"change-waits":       {ChangeWaits("change 7", "set 1 2", at), finding.Info, []string{"portrange set 1 2 goes back at 2026-11-22 20:43:44 UTC unless"}},
		"change-overdue":     {ChangeOverdue("change 7", "set 1 2", at), finding.Warning, []string{"should have gone back at 2026-11-22 20:43:44 UTC and did not"}},
		"interrupted-change": {Interrupted("change 7", "set 1 2", WhileMade), finding.Warning, []string{"portrange set 1 2 was interrupted on its way"}},
		"overridden-at-boot": {o.Overridden(), finding.Warning, []string{"/etc/sysctl.conf:2 sets it to 32768 60999", "zz-portrange.conf with systemd and procps: comes later"}},
		"commented-out":      {o.CommentedOut("/var/backup"), finding.Info, []string{"/etc/sysctl.conf:2", "/var/backup"}},
		"not-after-reboot":   {NotAfterReboot(&s, "15000 64001", false), finding.Info, []string{`"32768 60999" after a reboot, by /etc/sysctl.d/10-net.conf:3`}},
		"drop-in-edited":     {DropInEdited(o.DropIn, "net.ipv4.ip_forward = 1"), finding.Warning, []string{`"net.ipv4.ip_forward = 1"`}},
		"not-the-host":       {NotTheHost(7, "lb1", "/etc/sysctl.d"), finding.Warning, []string{"at boot /etc/sysctl.d sets the values there"}},
		"boot-file-unread":   {BootFileUnread("/etc/sysctl.d/a.conf", "input/output error", "zz"), finding.Warning, []string{"input/output error", "zz"}},
		"host-alone":         {HostAlone(2, "/etc/sysctl.d"), finding.Info, []string{"2 other namespaces"}},
	}
}

// TestInterrupted tells where a change was interrupted, and what finishes it.
func TestInterrupted(t *testing.T) {
	for progress, want := range map[Progress][]string{
		WhileMade:      {"on its way", "portrange undo"},
		WhileConfirmed: {"as it was confirmed: it stays", "portrange confirm"},
		WhileTakenBack: {"as it was taken back", "portrange undo"},
	} {
		f := Interrupted("change 7", "set 1 2", progress)
		if !strings.Contains(f.Evidence(), want[0]) || f.Actions[0].Command.String() != want[1] {
			t.Errorf("%s: %q, %+v", progress, f.Evidence(), f.Actions)
		}
	}
}

// TestEveryKindThatACommandTells has those without a check.
func TestEveryKindThatACommandTells(t *testing.T) {
	cases := told()
	for _, rule := range All() {
		if rule.Namespace != nil || rule.Machine != nil || rule.Change != nil {
			continue
		}
		tt, known := cases[rule.Code]
		if !known || tt.finding.Code() != rule.Code || tt.finding.Severity != tt.severity {
			t.Errorf("%s: case %+v", rule.Code, tt)
			continue
		}
		checkWords(t, &tt.finding, tt.evidence)
	}
}

func TestOverridesByOthersThanTheAdministrator(t *testing.T) {
	o := Override{DropIn: "/etc/zz.conf", Key: port.KeyRange, Programs: []string{"systemd"}, Why: "the kernel refuses it"}
	f := o.Overridden()
	if got := f.Evidence(); got != "systemd would not set it from /etc/zz.conf: the kernel refuses it" || f.Actions[0].Command.String() != "portrange boot" {
		t.Errorf("the kernel: %q, %+v", got, f.Actions)
	}
	o.Foreign, o.Line = true, boot.Line{File: "/usr/lib/a.conf", Target: "/usr/lib/a.conf", Line: 1}
	if f := o.Overridden(); f.Actions[0].Text != "/usr/lib/a.conf does not belong to the administrator: override the file with one of its name in /etc" {
		t.Errorf("a package: %+v", f.Actions)
	}
	s := drifting(port.KeyRange, "15000 64001", "32768 60999")
	if f := NotAfterReboot(&s, "15000 64001", true); f.Actions[0].Command.String() != "portrange set 15000 64001 --persist" || f.Values.Get("file") != nil {
		t.Errorf("the kernel's default: %+v", f)
	}
}
