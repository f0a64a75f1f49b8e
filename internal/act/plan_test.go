package act

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"portrange/internal/act/journal"
	"portrange/internal/boot"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/port"
)

func finding(p *Plan, code string) *judge.Finding {
	all := p.allFindings()
	at := slices.IndexFunc(all, func(f judge.Finding) bool { return f.Code == code })
	if at < 0 {
		return nil
	}
	return &all[at]
}

func held(p uint16, proto port.Proto, state port.State) Hold {
	return Hold{Port: p, Proto: proto, State: state, Processes: []host.Process{{PID: 812, Command: "nginx"}}}
}

func withHolds(holds ...Hold) func(*Facts) {
	return func(f *Facts) { f.Namespaces[0].Holds = holds }
}

func withReserved(t *testing.T, list string) func(*Facts) {
	return func(f *Facts) { f.Namespaces[0].Now.Settings.Reserved = ports(t, list) }
}

func TestPlanOfAWiderRange(t *testing.T) {
	p := plan(t, Wish{Range: wide()}, facts())
	c := p.Changes[0]
	if c.Gained != 49002-28232 || c.Lost != 0 {
		t.Errorf("gained %d, lost %d", c.Gained, c.Lost)
	}
	want := []journal.Setting{{Namespace: place, Key: port.KeyRange, Before: "32768 60999", After: "15000 64001"}}
	if !slices.Equal(c.Settings, want) {
		t.Errorf("writes %v, want %v", c.Settings, want)
	}
	if p.Warns() || p.Empty() || len(p.Files) != 0 {
		t.Errorf("findings %v, files %v", p.allFindings(), p.Files)
	}
}

func TestPlanOfWhatHoldsAlreadyIsEmpty(t *testing.T) {
	r := port.DefaultRange
	if p := plan(t, Wish{Range: &r}, facts()); !p.Empty() || p.Warns() {
		t.Errorf("plan %+v", p)
	}
}

// TestIntruders sets 15000-64001 with various needs for ports.
func TestIntruders(t *testing.T) {
	for _, tt := range []struct {
		name     string
		facts    func(*Facts)
		code     string // of the finding that is expected, "" for none
		evidence string
	}{
		{"listener", withHolds(held(20000, port.TCP, port.Listen)), Listener, "listens on 20000: comes into the range"},
		{"listeners of one process", withHolds(held(20000, port.TCP, port.Listen), held(20002, port.TCP, port.Listen)), Listener, "listens on 20000,20002 (2 ports): come into"},
		{"idle bind", withHolds(held(20000, port.TCP, port.BoundInactive)), BindHeld, "took through bind() 20000"},
		{"udp", withHolds(held(20000, port.UDP, port.Close)), BindHeld, "20000"},
		{"listener in range all along", withHolds(held(40000, port.TCP, port.Listen)), "", ""},
		{"listener below", withHolds(held(8080, port.TCP, port.Listen)), "", ""},
		{"reserved listener", func(f *Facts) {
			withHolds(held(20000, port.TCP, port.Listen))(f)
			withReserved(t, "20000")(f)
		}, "", ""},
		{"node ports", func(f *Facts) {
			f.Namespaces[0].Claims = []Claim{{Code: NodePorts, Who: "Kubernetes NodePorts", Ports: ports(t, "30000-32767"), Evidence: "kubelet (pid 9) runs"}}
		}, NodePorts, "30000-32767 (2768 ports): come into the range; kubelet (pid 9) runs"},
		{"node ports half in range", func(f *Facts) {
			f.Namespaces[0].Now.Settings.Range = port.Range{Low: 31000, High: 60999}
			f.Namespaces[0].Claims = []Claim{{Code: NodePorts, Who: "Kubernetes NodePorts", Ports: ports(t, "30000-32767"), Evidence: "kubelet (pid 9) runs"}}
		}, NodePorts, "30000-30999"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := plan(t, Wish{Range: wide()}, facts(tt.facts))
			f := finding(p, tt.code)
			if tt.code == "" {
				if p.Warns() {
					t.Errorf("findings %v, want none", p.allFindings())
				}
				return
			}
			if f == nil || f.Severity != judge.Warning || !strings.Contains(f.Evidence, tt.evidence) {
				t.Fatalf("finding %+v, want a warning with %q", f, tt.evidence)
			}
			p = plan(t, Wish{Range: wide(), ReserveFound: true}, facts(tt.facts))
			if p.Warns() {
				t.Errorf("with --reserve still a warning: %v", p.allFindings())
			}
			if c := p.Changes[0]; len(c.Settings) != 2 || c.Settings[0].Key != port.KeyReserved || c.Settings[1].Key != port.KeyRange {
				t.Errorf("writes %v, want reserved ports before the range", c.Settings)
			}
		})
	}
}

func TestReserveWish(t *testing.T) {
	p := plan(t, Wish{Add: ports(t, "9000-9001"), Remove: ports(t, "22")}, facts(withReserved(t, "22,8080")))
	want := []journal.Setting{{Namespace: place, Key: port.KeyReserved, Before: "22,8080", After: "8080,9000-9001"}}
	if got := p.Changes[0].Settings; !slices.Equal(got, want) {
		t.Errorf("writes %v, want %v", got, want)
	}
}

func TestUnreservedPortOfAListenerIsAWarning(t *testing.T) {
	f := facts(withReserved(t, "40000"), withHolds(held(40000, port.TCP, port.Listen)))
	p := plan(t, Wish{Remove: ports(t, "40000")}, f)
	if got := finding(p, Listener); got == nil || !strings.Contains(got.Evidence, "no longer reserved") {
		t.Errorf("finding %+v", got)
	}
}

func TestEverythingReservedIsCritical(t *testing.T) {
	p := plan(t, Wish{Add: ports(t, "32768-60999")}, facts())
	if got := finding(p, NoPortLeft); got == nil || got.Severity != judge.Critical {
		t.Errorf("finding %+v", got)
	}
}

func TestFindingsOfARange(t *testing.T) {
	for _, tt := range []struct {
		r        port.Range
		edit     func(*Facts)
		code     string
		severity judge.Severity
		text     string
	}{
		{port.Range{Low: 15000, High: 64000}, nil, SameParity, judge.Info, "15000 64001"},
		{port.Range{Low: 40000, High: 40000}, nil, SmallRange, judge.Warning, "1 port, of which"},
		{port.Range{Low: 15000, High: 64001}, withReserved(t, "20000-20009"), Reserved, judge.Info, "10 ports of the range reserved"},
		{port.Range{Low: 15000, High: 64001}, func(f *Facts) {
			f.Namespaces[0].Limits = []Limit{{"net.netfilter.nf_conntrack_max", 32768, "an entry"}, {"fs.nr_open", 1 << 20, "a file"}}
		}, LimitTooSmall, judge.Info, "it is 32768"},
	} {
		f := facts()
		if tt.edit != nil {
			tt.edit(&f)
		}
		got := finding(plan(t, Wish{Range: &tt.r}, f), tt.code)
		if got == nil || got.Severity != tt.severity || !strings.Contains(got.Evidence+got.Advice, tt.text) {
			t.Errorf("%v: %s finding %+v, want %s with %q", tt.r, tt.code, got, tt.severity, tt.text)
		}
	}
}

// TestNarrowing takes a range away from connections.
func TestNarrowing(t *testing.T) {
	f := facts(func(f *Facts) {
		for p := uint16(40000); p < 42000; p++ {
			f.Namespaces[0].Now.Usage.Add(&port.Socket{
				Proto: port.TCP, State: port.Established, Hold: port.ConnectHeld,
				Local: netip.AddrPortFrom(netip.MustParseAddr("10.0.0.2"), p), Remote: netip.MustParseAddrPort("10.0.0.5:80"),
			})
		}
	})
	p := plan(t, Wish{Range: &port.Range{Low: 41000, High: 42099}}, f)
	if got := finding(p, Outside); got == nil || !strings.Contains(got.Evidence, "1000 connections") {
		t.Errorf("finding %+v, want 1000 connections outside", got)
	}
	if got := finding(p, judge.PoolNearFull); got == nil || !strings.Contains(got.Evidence, "after this change 1000 of 1100") {
		t.Errorf("finding %+v, want a pool near full", got)
	}
	if p := plan(t, Wish{Range: wide()}, f); p.Warns() {
		t.Errorf("widening warns: %v", p.allFindings())
	}
}

func TestPersist(t *testing.T) {
	p := plan(t, Wish{Range: wide(), Persist: true}, facts())
	if len(p.Files) != 1 || p.Files[0].Path != "/etc/sysctl.d/zz-portrange.conf" || p.Files[0].Before != nil || p.Files[0].After.Mode != 0o644 {
		t.Fatalf("files %+v", p.Files)
	}
	text := string(p.Files[0].After.Data)
	for _, want := range []string{"# Written by portrange.", "root ran `portrange set 15000 64001`", "2026-11-22T20:43:44Z", "\nnet.ipv4.ip_local_port_range = 15000 64001\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("drop-in lacks %q:\n%s", want, text)
		}
	}
	// A second time there is nothing to do, whatever the header says.
	f := facts(func(f *Facts) {
		f.Files[DropIn] = p.Files[0].After
		f.Namespaces[0].Now.Settings.Range = *wide()
	})
	if p := plan(t, Wish{Range: wide(), Persist: true, Origin: Origin{User: "another"}}, f); !p.Empty() {
		t.Errorf("second plan writes %v %v", p.Files, p.Changes)
	}
}

func TestPersistKeepsTheOtherSetting(t *testing.T) {
	had := plan(t, Wish{Range: wide(), Persist: true}, facts()).Files[0].After
	f := facts(func(f *Facts) { f.Files[DropIn] = had; f.Namespaces[0].Now.Settings.Range = *wide() })
	p := plan(t, Wish{Add: ports(t, "20000"), Persist: true}, f)
	values, strange := parseDropIn(p.Files[0].After.Data)
	if values[port.KeyRange] != "15000 64001" || values[port.KeyReserved] != "20000" || len(strange) > 0 {
		t.Errorf("values %v, strange %v", values, strange)
	}
}

func TestPersistRefusesAForeignFile(t *testing.T) {
	f := facts(func(f *Facts) {
		f.Files[DropIn] = &journal.Content{Mode: 0o644, Data: []byte("net.ipv4.ip_forward = 1\n")}
	})
	if _, err := NewPlan(Wish{Range: wide(), Persist: true}, f); err == nil || !strings.Contains(err.Error(), "not from portrange") {
		t.Errorf("error %v", err)
	}
}

func TestPersistRefusesWhatIsNoFile(t *testing.T) {
	f := facts(func(f *Facts) { delete(f.Files, DropIn) }) // a link to /dev/null, or a directory
	if _, err := NewPlan(Wish{Range: wide(), Persist: true}, f); err == nil || !strings.Contains(err.Error(), "move it away") {
		t.Errorf("error %v", err)
	}
}

func TestPersistWarnsOfAnEditedDropIn(t *testing.T) {
	had := plan(t, Wish{Range: wide(), Persist: true}, facts()).Files[0].After
	edited := *had
	edited.Data = append(slices.Clone(had.Data), "net.ipv4.ip_forward = 1\n"...)
	f := facts(func(f *Facts) { f.Files[DropIn] = &edited })
	p := plan(t, Wish{Range: wide(), Persist: true}, f)
	if got := finding(p, HandEdited); got == nil || !strings.Contains(got.Evidence, "ip_forward") || len(p.Files) != 1 {
		t.Errorf("finding %+v, files %v", got, p.Files)
	}
}

func TestPersistForAnotherNamespaceIsRefused(t *testing.T) {
	f := facts(func(f *Facts) { f.Namespaces[0].Booted = false; f.Namespaces[0].Place.Name = "lb1" })
	if _, err := NewPlan(Wish{Range: wide(), Persist: true}, f); err == nil || !strings.Contains(err.Error(), "netns lb1") {
		t.Errorf("error %v", err)
	}
}

func TestPersistIsForTheHostAlone(t *testing.T) {
	pod := func(f *Facts) {
		other := f.Namespaces[0]
		other.Place, other.Booted = journal.Place{ID: 2, Name: "pod"}, false
		f.Namespaces = append(f.Namespaces, other)
	}
	p := plan(t, Wish{Range: wide(), Persist: true}, facts(pod))
	if got := finding(p, HostAlone); got == nil || got.Severity != judge.Info || got.Subject != "1 other namespace" || len(p.Files) != 1 {
		t.Errorf("finding %+v, files %v", got, p.Files)
	}
	p = plan(t, Wish{Range: wide(), Persist: true}, facts(pod, pod))
	if got := finding(p, HostAlone); got == nil || got.Subject != "2 other namespaces" {
		t.Errorf("finding %+v", got)
	}
	for name, p := range map[string]*Plan{
		"not persisted":      plan(t, Wish{Range: wide()}, facts(pod)),
		"no other namespace": plan(t, Wish{Range: wide(), Persist: true}, facts()),
	} {
		if got := finding(p, HostAlone); got != nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func overriddenBy(target string, line int) boot.Conflict {
	return boot.Conflict{
		Key: port.KeyRange, Program: boot.Systemd, Line: boot.Line{File: target, Target: target, Line: line},
		Value: "32768 60999", Why: "comes later",
	}
}

func TestConflicts(t *testing.T) {
	const conf = "/etc/sysctl.conf"
	before := &journal.Content{Mode: 0o640, Data: []byte("# local\r\nnet.ipv4.ip_local_port_range = 32768 60999\r\nkernel.panic = 1")}
	with := func(conflicts ...boot.Conflict) func(*Facts) {
		return func(f *Facts) { f.Boot = fakeBoot{conflicts: conflicts}; f.Files[conf] = before }
	}
	both := overriddenBy(conf, 2)
	both.Program = boot.Procps
	linked := overriddenBy(conf, 2)
	linked.File = "/etc/sysctl.d/99-sysctl.conf"
	p := plan(t, Wish{Range: wide(), Persist: true}, facts(with(overriddenBy(conf, 2), both)))
	got := finding(p, Overridden)
	if got == nil || got.Severity != judge.Warning || !strings.Contains(got.Evidence, "/etc/sysctl.conf:2") || !strings.Contains(got.Evidence, "systemd and procps") {
		t.Errorf("finding %+v", got)
	}
	if len(p.Files) != 1 {
		t.Errorf("%d files change without --fix-conflicts", len(p.Files))
	}
	p = plan(t, Wish{Range: wide(), Persist: true, FixConflicts: true}, facts(with(linked, overriddenBy(conf, 2))))
	if got := finding(p, CommentedOut); got == nil || !strings.Contains(got.Advice, "/var/lib/portrange/backup") {
		t.Errorf("finding %+v", got)
	}
	if p.Warns() || len(p.Files) != 2 || !p.Files[1].Foreign {
		t.Fatalf("findings %v, files %v", p.allFindings(), p.Files)
	}
	want := "# local\r\n" + takenOut + "net.ipv4.ip_local_port_range = 32768 60999\r\nkernel.panic = 1"
	if after := p.Files[1].After; string(after.Data) != want || after.Mode != 0o640 {
		t.Errorf("commented out as %q", after.Data)
	}
}

func TestConflictsOutsideEtcAreNotTouched(t *testing.T) {
	f := facts(func(f *Facts) {
		f.Boot = fakeBoot{conflicts: []boot.Conflict{overriddenBy("/usr/lib/sysctl.d/zzz.conf", 1)}}
	})
	p := plan(t, Wish{Range: wide(), Persist: true, FixConflicts: true}, f)
	if got := finding(p, Overridden); got == nil || len(p.Files) != 1 || !p.Warns() {
		t.Errorf("finding %+v, files %v", got, p.Files)
	}
}

func TestRebootIsForetold(t *testing.T) {
	value := "32768 60999"
	forecast := fakeBoot{report: boot.Report{Settings: []boot.Setting{{
		Key: port.KeyRange, Boot: &value,
		Systemd: &boot.Decision{Value: value, Line: boot.Line{File: "/etc/sysctl.d/10-net.conf", Line: 3}},
	}}}}
	f := facts(func(f *Facts) { f.Boot = forecast })
	got := finding(plan(t, Wish{Range: wide()}, f), NotAfterReboot)
	if got == nil || got.Severity != judge.Info || !strings.Contains(got.Evidence, "/etc/sysctl.d/10-net.conf:3") {
		t.Errorf("finding %+v", got)
	}
	if got := finding(plan(t, Wish{Range: wide(), Persist: true}, f), NotAfterReboot); got != nil {
		t.Errorf("persisted, and still %+v", got)
	}
}

func TestForetoldListIsShortened(t *testing.T) {
	list := strings.Repeat("8080,", 40) + "9000"
	f := facts(func(f *Facts) {
		f.Boot = fakeBoot{report: boot.Report{Settings: []boot.Setting{{Key: port.KeyReserved, Boot: &list}}}}
	})
	if got := finding(plan(t, Wish{Range: wide()}, f), NotAfterReboot); got == nil || len(got.Evidence) > 150 || !strings.Contains(got.Evidence, "8080,…") {
		t.Errorf("finding %+v", got)
	}
}

func TestInterruptedChangeIsAWarning(t *testing.T) {
	f := facts(func(f *Facts) { f.Interrupted = &journal.Entry{ID: 7, Command: "set 1 2"} })
	if got := finding(plan(t, Wish{Range: wide()}, f), Interrupted); got == nil || got.Subject != "change 7 (set 1 2)" {
		t.Errorf("finding %+v", got)
	}
}

func FuzzDropIn(f *testing.F) {
	f.Add([]byte("net.ipv4.ip_local_port_range = 15000 64001\n"))
	f.Add(renderDropIn(Origin{User: "a\nnet.ipv4.ip_forward = 1"}, map[string]string{port.KeyReserved: ""}))
	f.Fuzz(func(t *testing.T, data []byte) {
		values, _ := parseDropIn(data)
		again, strange := parseDropIn(renderDropIn(Origin{User: string(data)}, values))
		if len(strange) > 0 || len(again) != len(values) {
			t.Errorf("%q: printed and parsed again %v, strange %q", data, again, strange)
		}
		for key := range values {
			if again[key] != values[key] {
				t.Errorf("%q: %s is %q, printed and parsed again %q", data, key, values[key], again[key])
			}
		}
	})
}
