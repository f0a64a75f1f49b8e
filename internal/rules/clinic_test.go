package rules_test

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"portrange/internal/collect"
	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/kernel/netns"
	"portrange/internal/nettest"
	"portrange/internal/port"
	"portrange/internal/rules"
)

var (
	here    = netip.MustParseAddr("10.0.0.1")
	service = netip.MustParseAddrPort("10.0.0.2:80")
)

// clinic is a host in a namespace of its own, with a file system of its own for
// services and sysctl.d.
type clinic struct {
	*nettest.Host
	t    *testing.T
	root string
}

func newClinic(t *testing.T) *clinic {
	t.Helper()
	c := &clinic{Host: nettest.New(t), t: t, root: t.TempDir()}
	c.Addr("10.0.0.1", "10.0.0.2")
	c.Range(40000, 40199)
	if err := os.Symlink("/proc", filepath.Join(c.root, "proc")); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *clinic) file(name, content string) {
	c.t.Helper()
	path := filepath.Join(c.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		c.t.Fatal(err)
	}
}

func (c *clinic) must(s *nettest.Socket, err error) *nettest.Socket {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

func (c *clinic) dial() (*nettest.Socket, error) { return c.Connect(nettest.TCP4, service) }

// connect opens n connections to the service.
func (c *clinic) connect(n int) {
	c.t.Helper()
	for range n {
		c.must(c.dial())
	}
}

// examine examines the host from inside, as if the files of root applied to it.
func (c *clinic) examine() (found []finding.Finding, gaps []host.Gap) { return c.examineTwice(nil) }

// examineTwice has something happen between two looks, unless that is nil.
func (c *clinic) examineTwice(between func() error) (found []finding.Finding, gaps []host.Gap) {
	c.t.Helper()
	earlier, now := c.looks(between)
	report, err := collect.Forecast(c.root, rules.BootKeys(), &now.Namespaces[0])
	if err != nil {
		c.t.Fatal(err)
	}
	facts := &rules.Facts{Now: now, Earlier: earlier, Boot: report, Booted: now.Namespaces[0].ID}
	return rules.Examine(facts), append(now.Gaps, report.Gaps...)
}

// looks takes one look from inside, or two.
func (c *clinic) looks(between func() error) (earlier, now *host.State) {
	c.t.Helper()
	c.Do(func() {
		collector, err := collect.Open(c.t.Context(), collect.Options{Root: c.root}, rules.Needs())
		if err != nil {
			c.t.Fatal(err)
		}
		defer collector.Close()
		looks := collector.Every(c.t.Context(), []netns.Namespace{c.own()}, rules.Needs(), time.Millisecond)
		for state := range looks.All() {
			earlier, now = now, state
			if between == nil || earlier != nil {
				break
			}
			if err := between(); err != nil {
				c.t.Fatal(err)
			}
		}
		if looks.Err() != nil {
			c.t.Fatal(looks.Err())
		}
	})
	return earlier, now
}

func (c *clinic) own() netns.Namespace {
	c.t.Helper()
	own, err := netns.Current()
	if err != nil {
		c.t.Fatal(err)
	}
	return own
}

func codes(found []finding.Finding) []string {
	var list []string
	for _, f := range found {
		list = append(list, f.Code())
	}
	return list
}

func find(t *testing.T, found []finding.Finding, code string) finding.Finding {
	t.Helper()
	at := slices.IndexFunc(found, func(f finding.Finding) bool { return f.Code() == code })
	if at < 0 {
		t.Fatalf("no finding %s among %v", code, codes(found))
	}
	return found[at]
}

func contains(t *testing.T, f finding.Finding, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(f.Evidence()+" "+subjectOf(f), w) {
			t.Errorf("%s: subject %q and evidence %q do not contain %q", f.Code(), subjectOf(f), f.Evidence(), w)
		}
	}
}

func absentCodes(t *testing.T, found []finding.Finding, unwanted ...string) {
	t.Helper()
	for _, f := range found {
		if slices.Contains(unwanted, f.Code()) {
			t.Errorf("%s must not appear: %s", f.Code(), f.Evidence())
		}
	}
}

func TestHealthyHost(t *testing.T) {
	c := newClinic(t)
	c.Range(32768, 60999)
	c.must(c.Listen(nettest.TCP4, service))
	c.connect(5)
	found, gaps := c.examine()
	for _, gap := range gaps { // the limits of the machine are not to be seen from inside
		if gap.Part != "limits of orphans and TCP memory" {
			t.Errorf("gap %+v", gap)
		}
	}
	for _, f := range found {
		if f.Severity.Reaches(finding.Warning) && f.NetNS != 0 {
			t.Errorf("a healthy host has %+v", f)
		}
	}
}

func TestBusyPoolOnANarrowRange(t *testing.T) {
	c := newClinic(t)
	c.must(c.Listen(nettest.TCP4, service))
	c.connect(120)
	found, _ := c.examine()
	contains(t, find(t, found, "pool-past-half"), "120 of 200", "10.0.0.2:80")
	contains(t, find(t, found, "range-narrow"), "200 ports", "80 of 200 left")
	contains(t, find(t, found, "whole-search"), "IP_LOCAL_PORT_RANGE")
	absentCodes(t, found, "range-default-busy", "same-parity", "time-wait-share", "sticky-buckets")
}

func TestListenerAndReservedPorts(t *testing.T) {
	c := newClinic(t)
	c.Sysctl("net.ipv4.ip_local_reserved_ports", "8080,40010-40014")
	c.must(c.Listen(nettest.TCP4, netip.AddrPortFrom(here, 40100)))
	c.must(c.Listen(nettest.TCP4, netip.AddrPortFrom(here, 40010)))
	c.must(c.Listen(nettest.TCP4, netip.AddrPortFrom(here, 0))) // gets another port next time
	found, _ := c.examine()
	f := find(t, found, "listener-in-range")
	contains(t, f, "listens on port 40100 in", "rules.test")
	if strings.Contains(f.Evidence(), "40010") {
		t.Errorf("a reserved port is reported: %s", f.Evidence())
	}
	contains(t, find(t, found, "reserved-outside-range"), "port 8080")
	contains(t, find(t, found, "reserved-unused"), "4 ports (40011-40014)")
}

func TestConnectionOnASocketUnitsPort(t *testing.T) {
	c := newClinic(t)
	c.must(c.Listen(nettest.TCP4, service))
	c.file("etc/systemd/system/backup.socket", "[Socket]\nListenStream=40007\n")
	c.file("etc/systemd/system/far.socket", "[Socket]\nListenStream=9999\n")
	c.must(c.Connect(nettest.TCP4, service, nettest.LocalRange(40007, 40007)))
	found, _ := c.examine()
	contains(t, find(t, found, "port-taken"), "backup.socket", "port 40007", "one outgoing connection", "rules.test")
	contains(t, find(t, found, "socket-unit"), "backup.socket")
	for _, f := range found {
		if strings.Contains(subjectOf(f), "far.socket") {
			t.Errorf("a port outside the range is reported: %+v", f)
		}
	}
}

func TestTimeWaitAndWrongCures(t *testing.T) {
	c := newClinic(t)
	c.Sysctl("net.ipv4.tcp_fin_timeout", "15")
	c.Sysctl("net.ipv4.tcp_tw_reuse", "0")
	c.Sysctl("net.ipv4.tcp_max_tw_buckets", "100")
	c.file("etc/sysctl.conf", "# tuned\nnet.ipv4.tcp_tw_recycle = 1\n")
	listener := c.must(c.Listen(nettest.TCP4, service))
	if _, err := nettest.TimeWait(listener, 60, c.dial); err != nil {
		t.Fatal(err)
	}
	found, _ := c.examine()
	contains(t, find(t, found, "time-wait-share"), "60 of 60")
	contains(t, find(t, found, "tw-reuse-off"), "60 ports", "0 is off")
	contains(t, find(t, found, "cure-fin-timeout"), "15 s")
	contains(t, find(t, found, "cure-tw-recycle"), "/etc/sysctl.conf:2")
	contains(t, find(t, found, "tw-buckets-low"), "60 timewait sockets now")
	absentCodes(t, found, "tw-buckets-overflow", "timestamps-off")
}

func TestOverflowAndReuse(t *testing.T) {
	c := newClinic(t)
	c.Sysctl("net.ipv4.tcp_max_tw_buckets", "40")
	c.Sysctl("net.ipv4.tcp_tw_reuse", "1")
	c.Sysctl("net.ipv4.tcp_timestamps", "0")
	listener := c.must(c.Listen(nettest.TCP4, service))
	if _, err := nettest.TimeWait(listener, 60, c.dial); err != nil {
		t.Fatal(err)
	}
	found, _ := c.examine()
	find(t, found, "tw-buckets-overflow")
	contains(t, find(t, found, "timestamps-off"), "tcp_tw_reuse is 1", "0 of the")
	absentCodes(t, found, "tw-reuse-off")
}

func TestCloseWaitLeak(t *testing.T) {
	c := newClinic(t)
	listener := c.must(c.Listen(nettest.TCP4, service))
	for range 25 {
		if _, err := nettest.CloseWait(listener, c.dial); err != nil {
			t.Fatal(err)
		}
	}
	found, _ := c.examine()
	contains(t, find(t, found, "close-wait-leak"), "25 of 25", "10.0.0.2:80")
	absentCodes(t, found, "time-wait-share")
}

func TestBootDriftAndNotPersisted(t *testing.T) {
	c := newClinic(t)
	c.Range(40000, 40100)
	found, _ := c.examine()
	contains(t, find(t, found, "not-persisted"), `"40000 40100"`, `"32768 60999"`)
	contains(t, find(t, found, "same-parity"), "101 ports")
	absentCodes(t, found, "boot-drift")

	c.file("etc/sysctl.d/50-ports.conf", "net.ipv4.ip_local_port_range = 15000 64001\n")
	found, _ = c.examine()
	contains(t, find(t, found, "boot-drift"), `"15000 64001"`, "/etc/sysctl.d/50-ports.conf:1")
	absentCodes(t, found, "not-persisted")

	c.file("etc/sysctl.d/50-ports.conf", "net.ipv4.ip_local_port_range = 40000 40100\n")
	found, _ = c.examine()
	absentCodes(t, found, "not-persisted", "boot-drift")
}

// TestFilesOfTheHostSayNothingOfOtherNamespaces looks from inside a namespace,
// as `ip netns exec` does.
func TestFilesOfTheHostSayNothingOfOtherNamespaces(t *testing.T) {
	c := newClinic(t)
	c.file("etc/sysctl.d/50-ports.conf", "net.ipv4.ip_local_port_range = 15000 64001\n")
	_, now := c.looks(nil)
	absentCodes(t, rules.Examine(&rules.Facts{Now: now}), "boot-drift", "not-persisted")
}

func TestBindBeforeConnectAndUDP(t *testing.T) {
	c := newClinic(t)
	c.must(c.Listen(nettest.TCP4, service))
	for range 30 {
		c.must(c.BindConnect(nettest.TCP4, netip.AddrPortFrom(here, 0), service))
	}
	for range 180 {
		c.must(c.Bind(nettest.UDP4, netip.AddrPortFrom(here, 0)))
	}
	found, _ := c.examine()
	contains(t, find(t, found, "bind-before-connect"), "30 ports", "rules.test")
	contains(t, find(t, found, "local-pool-near-full"), "udp 10.0.0.1", "180 of 200")
}

// TestSharingBoundPortsHelps takes the step that is named, and counts.
func TestSharingBoundPortsHelps(t *testing.T) {
	c := newClinic(t)
	if _, err := c.ReadSysctl(port.KeyAutobindReuse); errors.Is(err, fs.ErrNotExist) {
		t.Skip("Linux before 5.7 has no " + port.KeyAutobindReuse)
	}
	other := netip.AddrPortFrom(service.Addr(), 81)
	c.must(c.Listen(nettest.TCP4, service))
	c.must(c.Listen(nettest.TCP4, other))
	dial := func(to netip.AddrPort) (*nettest.Socket, error) {
		return c.BindConnect(nettest.TCP4, netip.AddrPortFrom(here, 0), to, nettest.ReuseAddr())
	}
	for range 90 { // the lower half, as bind() goes through it first
		c.must(dial(other))
	}
	granted, _ := nettest.Fill(func() (*nettest.Socket, error) { return dial(service) })
	if granted != 110 {
		t.Fatalf("bind() gave %d ports, want the 110 that were left", granted)
	}
	found, _ := c.examine()
	sick := find(t, found, "bind-before-connect")
	step := slices.IndexFunc(sick.Actions, func(a finding.Action) bool { return a.Setting == port.KeyAutobindReuse })
	if step < 0 || !strings.Contains(sick.Actions[step].Text, "50 connections more to 10.0.0.2:80 ") {
		t.Fatalf("steps %v, want one for 50 connections", sick.Actions)
	}
	c.Sysctl(port.KeyAutobindReuse, "1")
	granted = 0
	for failed := 0; failed < 300; failed++ {
		if _, err := dial(service); err == nil {
			granted, failed = granted+1, 0
		}
	}
	if granted != 50 {
		t.Errorf("with %s=1: %d more connections, said 50", port.KeyAutobindReuse, granted)
	}
}

func TestRates(t *testing.T) {
	c := newClinic(t)
	listener := c.must(c.Listen(nettest.TCP4, service))
	found, _ := c.examineTwice(func() error {
		_, err := nettest.TimeWait(listener, 20, c.dial)
		return err
	})
	contains(t, find(t, found, "connection-rate"), "10.0.0.2:80", "TIME_WAIT allows 3.33/s", "180 ports left")
	find(t, found, "pool-filling")
}

func TestSourceNATAndOtherRange(t *testing.T) {
	c := newClinic(t)
	ruleset := "add table ip nat; add chain ip nat out { type nat hook postrouting priority 100; }; add rule ip nat out masquerade"
	if out, err := c.Command("nft", ruleset).CombinedOutput(); err != nil {
		t.Fatalf("nft: %v\n%s", err, out)
	}
	found, _ := c.examine()
	contains(t, find(t, found, "source-nat"), "nftables ip nat out (1)")
	contains(t, find(t, found, "other-range"), "40000 40199 (200 ports)", "the host "+hostText(t))
}

// subjectOf is everything that a finding is about.
func subjectOf(f finding.Finding) string {
	s := &f.Subject
	text := strings.Join([]string{s.Proto, s.Local, s.Remote, s.Key, s.Value, s.Object}, " ")
	if s.Process != nil {
		text += " " + s.Process.String()
	}
	return text
}

func hostText(t *testing.T) string {
	t.Helper()
	targets, _, err := collect.Targets(t.Context(), port.Host)
	if err != nil {
		t.Fatal(err)
	}
	collector, err := collect.Open(t.Context(), collect.Options{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer collector.Close()
	state, err := collector.Look(t.Context(), targets, 0)
	if err != nil {
		t.Fatal(err)
	}
	return state.Namespaces[0].Settings.Range.String()
}
