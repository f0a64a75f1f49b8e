package act

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"portrange/internal/act/journal"
	"portrange/internal/boot"
	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/port"
)

// allFindings are the findings of the plan and of its namespaces.
func (p *Plan) allFindings() []finding.Finding {
	all := slices.Clone(p.Findings)
	for i := range p.Changes {
		all = append(all, p.Changes[i].Findings...)
	}
	return all
}

func find(p *Plan, code string) *finding.Finding {
	all := p.allFindings()
	at := slices.IndexFunc(all, func(f finding.Finding) bool { return f.Code() == code })
	if at < 0 {
		return nil
	}
	return &all[at]
}

// advice is all that there is to do about a finding.
func advice(f *finding.Finding) string {
	var text string
	for _, action := range f.Actions {
		text += action.Command.String() + " " + action.Text + "\n"
	}
	return text
}

func held(p uint16, proto port.Proto, state port.State) host.Hold {
	return host.Hold{Port: p, Proto: proto, State: state, Processes: []host.Process{{PID: 812, Command: "nginx"}}}
}

func withHolds(holds ...host.Hold) func(*Look) {
	return func(f *Look) { f.State.Namespaces[0].Holds = holds }
}

func withReserved(t *testing.T, list string) func(*Look) {
	return func(f *Look) { f.State.Namespaces[0].Settings.Reserved = ports(t, list) }
}

func TestPlanOfAWiderRange(t *testing.T) {
	p := plan(t, Wish{Range: wide()}, seen())
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
	if p := plan(t, Wish{Range: &r}, seen()); !p.Empty() || p.Warns() {
		t.Errorf("plan %+v", p)
	}
}

// TestIntruders sets 15000-64001 with various needs for ports.
func TestIntruders(t *testing.T) {
	for _, tt := range []struct {
		name     string
		facts    func(*Look)
		code     string // of the finding that is expected, "" for none
		evidence string
	}{
		{"listener", withHolds(held(20000, port.TCP, port.Listen)), "listener-in-range", "listens on port 20000, which comes into the range"},
		{"listeners of one process", withHolds(held(20000, port.TCP, port.Listen), held(20002, port.TCP, port.Listen)), "listener-in-range", "listens on 2 ports (20000,20002), which come into the range"},
		{"idle bind", withHolds(held(20000, port.TCP, port.BoundInactive)), "bind-held-in-range", "took port 20000 through bind()"},
		{"udp", withHolds(held(20000, port.UDP, port.Close)), "bind-held-in-range", "20000"},
		{"listener in range all along", withHolds(held(40000, port.TCP, port.Listen)), "", ""},
		{"listener below", withHolds(held(8080, port.TCP, port.Listen)), "", ""},
		{"reserved listener", func(f *Look) {
			withHolds(held(20000, port.TCP, port.Listen))(f)
			withReserved(t, "20000")(f)
		}, "", ""},
		{"node ports", func(f *Look) {
			f.State.Namespaces[0].Claims = []host.Claim{{Kind: host.NodePorts, Who: "Kubernetes NodePorts", Ports: ports(t, "30000-32767"), Evidence: "kubelet (pid 9) runs"}}
		}, "node-ports", "2,768 ports (30000-32767), which come into the range: kubelet (pid 9) runs"},
		{"node ports half in range", func(f *Look) {
			f.State.Namespaces[0].Settings.Range = port.Range{Low: 31000, High: 60999}
			f.State.Namespaces[0].Claims = []host.Claim{{Kind: host.NodePorts, Who: "Kubernetes NodePorts", Ports: ports(t, "30000-32767"), Evidence: "kubelet (pid 9) runs"}}
		}, "node-ports", "30000-30999"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := plan(t, Wish{Range: wide()}, seen(tt.facts))
			f := find(p, tt.code)
			if tt.code == "" {
				if p.Warns() {
					t.Errorf("findings %v, want none", p.allFindings())
				}
				return
			}
			if f == nil || f.Severity != finding.Warning || !strings.Contains(f.Evidence(), tt.evidence) {
				t.Fatalf("finding %+v, want a warning with %q", f, tt.evidence)
			}
			p = plan(t, Wish{Range: wide(), ReserveFound: true}, seen(tt.facts))
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
	p := plan(t, Wish{Add: ports(t, "9000-9001"), Remove: ports(t, "22")}, seen(withReserved(t, "22,8080")))
	want := []journal.Setting{{Namespace: place, Key: port.KeyReserved, Before: "22,8080", After: "8080,9000-9001"}}
	if got := p.Changes[0].Settings; !slices.Equal(got, want) {
		t.Errorf("writes %v, want %v", got, want)
	}
}

// TestWhatIsReservedAlreadyIsStillMeant: --persist and --emit need the value.
func TestWhatIsReservedAlreadyIsStillMeant(t *testing.T) {
	for name, wish := range map[string]Wish{"add": {Add: ports(t, "22")}, "remove": {Remove: ports(t, "23")}} {
		p := plan(t, wish, seen(withReserved(t, "22")))
		if want := []Value{{port.KeyReserved, "22"}}; !p.Empty() || !slices.Equal(p.Values(), want) {
			t.Errorf("%s: values %v, want %v and nothing to write", name, p.Values(), want)
		}
	}
}

func TestUnreservedPortOfAListenerIsAWarning(t *testing.T) {
	f := seen(withReserved(t, "40000"), withHolds(held(40000, port.TCP, port.Listen)))
	p := plan(t, Wish{Remove: ports(t, "40000")}, f)
	if got := find(p, "listener-in-range"); got == nil || !strings.Contains(got.Evidence(), "no longer reserved") {
		t.Errorf("finding %+v", got)
	}
}

func TestEverythingReservedIsCritical(t *testing.T) {
	p := plan(t, Wish{Add: ports(t, "32768-60999")}, seen())
	if got := find(p, "no-port-left"); got == nil || got.Severity != finding.Critical {
		t.Errorf("finding %+v", got)
	}
}

func TestFindingsOfARange(t *testing.T) {
	for _, tt := range []struct {
		r        port.Range
		edit     func(*Look)
		code     string
		severity finding.Severity
		text     string
	}{
		{port.Range{Low: 15000, High: 64000}, nil, "same-parity", finding.Info, "15000 64001"},
		{port.Range{Low: 40000, High: 40000}, nil, "small-range", finding.Warning, "1 port, of which"},
		{port.Range{Low: 15000, High: 64001}, withReserved(t, "20000-20009"), "reserved-in-range", finding.Info, "10 ports (20000-20009) of the range reserved"},
		{port.Range{Low: 15000, High: 64001}, func(f *Look) {
			f.State.Namespaces[0].Conntrack = &host.Conntrack{Max: 32768}
			f.State.Files = &host.Files{Max: 1 << 20, PerProcess: 1 << 20}
		}, "limit-too-small", finding.Info, "it is 32,768"},
	} {
		f := seen()
		if tt.edit != nil {
			tt.edit(&f)
		}
		got := find(plan(t, Wish{Range: &tt.r}, f), tt.code)
		if got == nil || got.Severity != tt.severity || !strings.Contains(got.Evidence()+advice(got), tt.text) {
			t.Errorf("%v: %s finding %+v, want %s with %q", tt.r, tt.code, got, tt.severity, tt.text)
		}
	}
}

// TestNarrowing takes a range away from connections.
func TestNarrowing(t *testing.T) {
	f := seen(func(f *Look) {
		for p := uint16(40000); p < 42000; p++ {
			f.State.Namespaces[0].Usage.Add(&port.Socket{
				Proto: port.TCP, State: port.Established, Hold: port.ConnectHeld,
				Local: netip.AddrPortFrom(netip.MustParseAddr("10.0.0.2"), p), Remote: netip.MustParseAddrPort("10.0.0.5:80"),
			})
		}
	})
	p := plan(t, Wish{Range: &port.Range{Low: 41000, High: 42099}}, f)
	if got := find(p, "sockets-outside"); got == nil || !strings.Contains(got.Evidence(), "1,000 connections") {
		t.Errorf("finding %+v, want 1000 connections outside", got)
	}
	if got := find(p, "pool-near-full"); got == nil || !strings.Contains(got.Evidence(), "1,000 of 1,100") {
		t.Errorf("finding %+v, want a pool near full", got)
	}
	if p := plan(t, Wish{Range: wide()}, f); p.Warns() {
		t.Errorf("widening warns: %v", p.allFindings())
	}
}

func TestPersist(t *testing.T) {
	p := plan(t, Wish{Range: wide(), Persist: true}, seen())
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
	f := seen(func(f *Look) {
		f.Files.Contents[DropIn] = p.Files[0].After
		f.State.Namespaces[0].Settings.Range = *wide()
	})
	if p := plan(t, Wish{Range: wide(), Persist: true, Origin: Origin{User: "another"}}, f); !p.Empty() {
		t.Errorf("second plan writes %v %v", p.Files, p.Changes)
	}
}

func TestPersistKeepsTheOtherSetting(t *testing.T) {
	had := plan(t, Wish{Range: wide(), Persist: true}, seen()).Files[0].After
	f := seen(func(f *Look) { f.Files.Contents[DropIn] = had; f.State.Namespaces[0].Settings.Range = *wide() })
	p := plan(t, Wish{Add: ports(t, "20000"), Persist: true}, f)
	values, strange := parseDropIn(p.Files[0].After.Data)
	if values[port.KeyRange] != "15000 64001" || values[port.KeyReserved] != "20000" || len(strange) > 0 {
		t.Errorf("values %v, strange %v", values, strange)
	}
}

func TestPersistRefusesAForeignFile(t *testing.T) {
	f := seen(func(f *Look) {
		f.Files.Contents[DropIn] = &journal.Content{Mode: 0o644, Data: []byte("net.ipv4.ip_forward = 1\n")}
	})
	if _, err := NewPlan(Wish{Range: wide(), Persist: true}, f); err == nil || !strings.Contains(err.Error(), "not from portrange") {
		t.Errorf("error %v", err)
	}
}

func TestPersistRefusesWhatIsNoFile(t *testing.T) {
	f := seen(func(f *Look) { delete(f.Files.Contents, DropIn) }) // a link to /dev/null, or a directory
	if _, err := NewPlan(Wish{Range: wide(), Persist: true}, f); err == nil || !strings.Contains(err.Error(), "move it away") {
		t.Errorf("error %v", err)
	}
}

func TestPersistWarnsOfAnEditedDropIn(t *testing.T) {
	had := plan(t, Wish{Range: wide(), Persist: true}, seen()).Files[0].After
	edited := *had
	edited.Data = append(slices.Clone(had.Data), "net.ipv4.ip_forward = 1\n"...)
	f := seen(func(f *Look) { f.Files.Contents[DropIn] = &edited })
	p := plan(t, Wish{Range: wide(), Persist: true}, f)
	if got := find(p, "drop-in-edited"); got == nil || !strings.Contains(got.Evidence(), "ip_forward") || len(p.Files) != 1 {
		t.Errorf("finding %+v, files %v", got, p.Files)
	}
}

func TestPersistForAnotherNamespaceIsRefused(t *testing.T) {
	f := seen(func(f *Look) { f.Booted = 0; f.State.Namespaces[0].Name = "lb1" })
	if _, err := NewPlan(Wish{Range: wide(), Persist: true}, f); err == nil || !strings.Contains(err.Error(), "netns lb1") {
		t.Errorf("error %v", err)
	}
}

func TestPersistIsForTheHostAlone(t *testing.T) {
	p := plan(t, Wish{Range: wide(), Persist: true}, seen(withPod))
	if got := find(p, "host-alone"); got == nil || got.Severity != finding.Info || !strings.HasPrefix(got.Evidence(), "1 other namespace ") || len(p.Files) != 1 {
		t.Errorf("finding %+v, files %v", got, p.Files)
	}
	p = plan(t, Wish{Range: wide(), Persist: true}, seen(withPod, withPod))
	if got := find(p, "host-alone"); got == nil || !strings.HasPrefix(got.Evidence(), "2 other namespaces ") {
		t.Errorf("finding %+v", got)
	}
	for name, p := range map[string]*Plan{
		"not persisted":      plan(t, Wish{Range: wide()}, seen(withPod)),
		"no other namespace": plan(t, Wish{Range: wide(), Persist: true}, seen()),
	} {
		if got := find(p, "host-alone"); got != nil {
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
	with := func(conflicts ...boot.Conflict) func(*Look) {
		return func(f *Look) { f.Files.Boot = fakeBoot{conflicts: conflicts}; f.Files.Contents[conf] = before }
	}
	both := overriddenBy(conf, 2)
	both.Program = boot.Procps
	linked := overriddenBy(conf, 2)
	linked.File = "/etc/sysctl.d/99-sysctl.conf"
	p := plan(t, Wish{Range: wide(), Persist: true}, seen(with(overriddenBy(conf, 2), both)))
	got := find(p, "overridden-at-boot")
	if got == nil || got.Severity != finding.Warning || !strings.Contains(got.Evidence(), "/etc/sysctl.conf:2") || !strings.Contains(got.Evidence(), "systemd and procps") {
		t.Errorf("finding %+v", got)
	}
	if len(p.Files) != 1 {
		t.Errorf("%d files change without --fix-conflicts", len(p.Files))
	}
	p = plan(t, Wish{Range: wide(), Persist: true, FixConflicts: true}, seen(with(linked, overriddenBy(conf, 2))))
	if got := find(p, "commented-out"); got == nil || !strings.Contains(got.Evidence(), "/var/lib/portrange/backup") {
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

// TestALineOfSeveralKeys has a glob override both settings: it is taken out once.
func TestALineOfSeveralKeys(t *testing.T) {
	const conf = "/etc/sysctl.conf"
	other := overriddenBy(conf, 1)
	other.Key = port.KeyReserved
	f := seen(func(f *Look) {
		f.Files.Boot = fakeBoot{conflicts: []boot.Conflict{overriddenBy(conf, 1), other}}
		f.Files.Contents[conf] = &journal.Content{Data: []byte("net.ipv4.ip_local_* = 1\n")}
	})
	p := plan(t, Wish{Range: wide(), Persist: true, FixConflicts: true}, f)
	if len(p.Findings) != 2 || len(p.Files) != 2 || string(p.Files[1].After.Data) != takenOut+"net.ipv4.ip_local_* = 1\n" {
		t.Errorf("findings %v, files %+v", p.Findings, p.Files)
	}
}

func TestConflictsOutsideEtcAreNotTouched(t *testing.T) {
	f := seen(func(f *Look) {
		const packaged = "/usr/lib/sysctl.d/zzz.conf"
		f.Files.Boot = fakeBoot{conflicts: []boot.Conflict{overriddenBy(packaged, 1)}}
		f.Files.Contents[packaged] = &journal.Content{Data: []byte("net.ipv4.ip_local_port_range = 1024 2000\n")}
	})
	p := plan(t, Wish{Range: wide(), Persist: true, FixConflicts: true}, f)
	if got := find(p, "overridden-at-boot"); got == nil || len(p.Files) != 1 || !p.Warns() {
		t.Errorf("finding %+v, files %v", got, p.Files)
	}
}

func TestRebootIsForetold(t *testing.T) {
	value := "32768 60999"
	forecast := fakeBoot{report: boot.Report{Settings: []boot.Setting{{
		Key: port.KeyRange, Boot: &value,
		Systemd: &boot.Decision{Value: value, Line: boot.Line{File: "/etc/sysctl.d/10-net.conf", Line: 3}},
	}}}}
	f := seen(func(f *Look) { f.Files.Boot = forecast })
	got := find(plan(t, Wish{Range: wide()}, f), "not-after-reboot")
	if got == nil || got.Severity != finding.Info || !strings.Contains(got.Evidence(), "/etc/sysctl.d/10-net.conf:3") {
		t.Errorf("finding %+v", got)
	}
	if got := find(plan(t, Wish{Range: wide(), Persist: true}, f), "not-after-reboot"); got != nil {
		t.Errorf("persisted, and still %+v", got)
	}
}

// TestOnlyWhatIsChangedIsForetold: other settings, and namespaces that end with
// the reboot, are not the plan's business.
func TestOnlyWhatIsChangedIsForetold(t *testing.T) {
	value := "1"
	f := seen(func(f *Look) {
		f.Files.Boot = fakeBoot{report: boot.Report{Settings: []boot.Setting{{Key: port.KeyTWReuse, Boot: &value}}}}
	})
	if got := find(plan(t, Wish{Range: wide()}, f), "not-after-reboot"); got != nil {
		t.Errorf("of another setting: %+v", got)
	}
	f.Files.Boot = fakeBoot{report: boot.Report{Settings: []boot.Setting{{Key: port.KeyReserved, Boot: &value}}}}
	f.Places[1] = journal.Place{ID: 1, Name: "lb1"}
	if got := find(plan(t, Wish{Range: wide()}, f), "not-after-reboot"); got != nil {
		t.Errorf("of a namespace that ends: %+v", got)
	}
}

func TestForetoldListIsShortened(t *testing.T) {
	list := strings.Repeat("8080,", 40) + "9000"
	f := seen(func(f *Look) {
		f.Files.Boot = fakeBoot{report: boot.Report{Settings: []boot.Setting{{Key: port.KeyReserved, Boot: &list}}}}
	})
	if got := find(plan(t, Wish{Range: wide()}, f), "not-after-reboot"); got == nil || len(got.Evidence()) > 150 || !strings.Contains(got.Evidence(), "8080,…") {
		t.Errorf("finding %+v", got)
	}
}

func TestInterruptedChangeIsAWarning(t *testing.T) {
	f := seen(func(f *Look) { f.Unsettled = &Unsettled{journal.Entry{ID: 7, Command: "set 1 2"}, Interrupted} })
	if got := find(plan(t, Wish{Range: wide()}, f), "interrupted-change"); got == nil || got.Subject.Object != "change 7" || !strings.Contains(got.Evidence(), "set 1 2") {
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

// TestUnreadBootFiles warns of a file that may override the drop-in, and refuses
// to fix what cannot be seen.
func TestUnreadBootFiles(t *testing.T) {
	const path = "/etc/sysctl.d/zzz.conf"
	unread := seen(func(f *Look) {
		gap := host.Gap{Part: host.PartBootFiles, Object: path, Why: "input/output error"}
		f.Files.Boot = fakeBoot{report: boot.Report{Gaps: []host.Gap{gap}}}
	})
	p := plan(t, Wish{Range: wide(), Persist: true}, unread)
	got := find(p, "boot-file-unread")
	if got == nil || !p.Warns() || !strings.Contains(got.Evidence(), "input/output error") {
		t.Errorf("finding %+v", got)
	}
	if p := plan(t, Wish{Range: wide()}, unread); find(p, "boot-file-unread") != nil {
		t.Error("a change that is not for the next boot warns of its files")
	}
	_, err := NewPlan(Wish{Range: wide(), Persist: true, FixConflicts: true}, unread)
	if err == nil || !strings.Contains(err.Error(), path+": input/output error; leave out --fix-conflicts") {
		t.Errorf("error %v", err)
	}
	hidden := seen(func(f *Look) { f.Files.Boot = fakeBoot{conflicts: []boot.Conflict{overriddenBy(path, 1)}} })
	if _, err := NewPlan(Wish{Range: wide(), Persist: true, FixConflicts: true}, hidden); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a conflict in a file that could not be read: %v", err)
	}
}
