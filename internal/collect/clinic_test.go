package collect_test

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"portrange/internal/act"
	"portrange/internal/collect"
	"portrange/internal/doctor"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/kernel/netns"
	"portrange/internal/nettest"
	"portrange/internal/port"
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
func (c *clinic) examine() (found []doctor.Finding, gaps []host.Gap) { return c.examineTwice(nil) }

// examineTwice has something happen between two looks, unless that is nil.
func (c *clinic) examineTwice(between func() error) (found []doctor.Finding, gaps []host.Gap) {
	c.t.Helper()
	earlier, now := c.looks(between)
	report, err := collect.Forecast(c.root, doctor.BootKeys(), &now.Namespaces[0])
	if err != nil {
		c.t.Fatal(err)
	}
	facts := doctor.FromStates(earlier, now, now.Namespaces[0].ID, report)
	return doctor.Examine(facts), append(now.Gaps, report.Gaps...)
}

// looks takes one look from inside, or two.
func (c *clinic) looks(between func() error) (earlier, now *host.State) {
	c.t.Helper()
	c.Do(func() {
		collector, err := collect.Open(c.t.Context(), collect.Options{Root: c.root}, doctor.Want)
		if err != nil {
			c.t.Fatal(err)
		}
		defer collector.Close()
		looks := collector.Every(c.t.Context(), []netns.Namespace{c.own()}, doctor.Want, time.Millisecond)
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

func codes(found []doctor.Finding) []string {
	var list []string
	for _, f := range found {
		list = append(list, f.Code)
	}
	return list
}

func find(t *testing.T, found []doctor.Finding, code string) doctor.Finding {
	t.Helper()
	at := slices.IndexFunc(found, func(f doctor.Finding) bool { return f.Code == code })
	if at < 0 {
		t.Fatalf("no finding %s among %v", code, codes(found))
	}
	return found[at]
}

func contains(t *testing.T, f doctor.Finding, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(f.Evidence+" "+f.Subject, w) {
			t.Errorf("%s: subject %q and evidence %q do not contain %q", f.Code, f.Subject, f.Evidence, w)
		}
	}
}

func absentCodes(t *testing.T, found []doctor.Finding, unwanted ...string) {
	t.Helper()
	for _, f := range found {
		if slices.Contains(unwanted, f.Code) {
			t.Errorf("%s must not appear: %s", f.Code, f.Evidence)
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
		if f.Severity.Reaches(judge.Warning) && f.Namespace != 0 {
			t.Errorf("a healthy host has %+v", f)
		}
	}
}

func TestBusyPoolOnANarrowRange(t *testing.T) {
	c := newClinic(t)
	c.must(c.Listen(nettest.TCP4, service))
	c.connect(120)
	found, _ := c.examine()
	contains(t, find(t, found, judge.PoolPastHalf), "120 of 200", "10.0.0.2:80")
	contains(t, find(t, found, doctor.RangeNarrow), "200 ports", "80 of 200 left")
	contains(t, find(t, found, doctor.WholeSearch), "IP_LOCAL_PORT_RANGE")
	absentCodes(t, found, doctor.RangeDefaultBusy, doctor.SameParity, doctor.TimeWaitShare, doctor.StickyBuckets)
}

func TestListenerAndReservedPorts(t *testing.T) {
	c := newClinic(t)
	c.Sysctl("net.ipv4.ip_local_reserved_ports", "8080,40010-40014")
	c.must(c.Listen(nettest.TCP4, netip.AddrPortFrom(here, 40100)))
	c.must(c.Listen(nettest.TCP4, netip.AddrPortFrom(here, 40010)))
	c.must(c.Listen(nettest.TCP4, netip.AddrPortFrom(here, 0))) // gets another port next time
	found, _ := c.examine()
	f := find(t, found, doctor.ListenerInRange)
	contains(t, f, "listens on port 40100 in", "collect.test")
	if strings.Contains(f.Evidence, "40010") {
		t.Errorf("a reserved port is reported: %s", f.Evidence)
	}
	contains(t, find(t, found, doctor.ReservedOutside), "port 8080")
	contains(t, find(t, found, doctor.ReservedUnused), "4 ports (40011-40014)")
}

func TestConnectionOnASocketUnitsPort(t *testing.T) {
	c := newClinic(t)
	c.must(c.Listen(nettest.TCP4, service))
	c.file("etc/systemd/system/backup.socket", "[Socket]\nListenStream=40007\n")
	c.file("etc/systemd/system/far.socket", "[Socket]\nListenStream=9999\n")
	c.must(c.Connect(nettest.TCP4, service, nettest.LocalRange(40007, 40007)))
	found, _ := c.examine()
	contains(t, find(t, found, doctor.PortTaken), "backup.socket", "port 40007", "one outgoing connection", "collect.test")
	contains(t, find(t, found, doctor.SocketUnit), "backup.socket")
	for _, f := range found {
		if strings.Contains(f.Subject, "far.socket") {
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
	contains(t, find(t, found, doctor.TimeWaitShare), "60 of 60")
	contains(t, find(t, found, doctor.ReuseOff), "60 ports", "0 is off")
	contains(t, find(t, found, doctor.CureFinTimeout), "15 s")
	contains(t, find(t, found, doctor.CureRecycle), "/etc/sysctl.conf:2")
	contains(t, find(t, found, doctor.BucketsLow), "60 timewait sockets now")
	absentCodes(t, found, doctor.BucketsOverflow, doctor.TimestampsOff)
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
	find(t, found, doctor.BucketsOverflow)
	contains(t, find(t, found, doctor.TimestampsOff), "tcp_tw_reuse is 1", "0 of the")
	absentCodes(t, found, doctor.ReuseOff)
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
	contains(t, find(t, found, doctor.CloseWaitLeak), "25 of 25", "10.0.0.2:80")
	absentCodes(t, found, doctor.TimeWaitShare)
}

func TestBootDriftAndNotPersisted(t *testing.T) {
	c := newClinic(t)
	c.Range(40000, 40100)
	found, _ := c.examine()
	contains(t, find(t, found, doctor.NotPersisted), `"40000 40100"`, `"32768 60999"`)
	contains(t, find(t, found, doctor.SameParity), "101 ports")
	absentCodes(t, found, doctor.BootDrift)

	c.file("etc/sysctl.d/50-ports.conf", "net.ipv4.ip_local_port_range = 15000 64001\n")
	found, _ = c.examine()
	contains(t, find(t, found, doctor.BootDrift), `"15000 64001"`, "/etc/sysctl.d/50-ports.conf:1")
	absentCodes(t, found, doctor.NotPersisted)

	c.file("etc/sysctl.d/50-ports.conf", "net.ipv4.ip_local_port_range = 40000 40100\n")
	found, _ = c.examine()
	absentCodes(t, found, doctor.NotPersisted, doctor.BootDrift)
}

// TestFilesOfTheHostSayNothingOfOtherNamespaces looks from inside a namespace,
// as `ip netns exec` does.
func TestFilesOfTheHostSayNothingOfOtherNamespaces(t *testing.T) {
	c := newClinic(t)
	c.file("etc/sysctl.d/50-ports.conf", "net.ipv4.ip_local_port_range = 15000 64001\n")
	_, now := c.looks(nil)
	absentCodes(t, doctor.Examine(doctor.FromStates(nil, now, 0, nil)), doctor.BootDrift, doctor.NotPersisted)
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
	contains(t, find(t, found, judge.BindBeforeConnect), "30 ports", "collect.test")
	contains(t, find(t, found, judge.LocalPoolNearFull), "udp 10.0.0.1", "180 of 200")
}

func TestRates(t *testing.T) {
	c := newClinic(t)
	listener := c.must(c.Listen(nettest.TCP4, service))
	found, _ := c.examineTwice(func() error {
		_, err := nettest.TimeWait(listener, 20, c.dial)
		return err
	})
	contains(t, find(t, found, doctor.ConnectionRate), "10.0.0.2:80", "TIME_WAIT allows 3 a second", "180 ports left")
	find(t, found, doctor.PoolFilling)
}

func TestSourceNATAndOtherRange(t *testing.T) {
	c := newClinic(t)
	rules := "add table ip nat; add chain ip nat out { type nat hook postrouting priority 100; }; add rule ip nat out masquerade"
	if out, err := c.Command("nft", rules).CombinedOutput(); err != nil {
		t.Fatalf("nft: %v\n%s", err, out)
	}
	found, _ := c.examine()
	contains(t, find(t, found, doctor.SourceNAT), "nftables ip nat out (1)")
	contains(t, find(t, found, doctor.OtherRange), "40000 40199 (200 ports)", "the host "+hostText(t))
}

func hostText(t *testing.T) string {
	t.Helper()
	targets, _, err := collect.Targets(t.Context(), port.Host)
	if err != nil {
		t.Fatal(err)
	}
	return look(t, collect.Options{}, targets, 0).Namespaces[0].Settings.Range.String()
}

func TestClaimsHaveCodesThatAreKnown(t *testing.T) {
	for _, code := range []string{act.NodePorts, act.PublishedPorts, act.SocketUnit, act.ServicePort, act.Listener, act.SameParity} {
		if !slices.Contains(doctor.Codes(), code) {
			t.Errorf("code %s of a plan is none of doctor's", code)
		}
	}
}

func TestInterrupted(t *testing.T) {
	c := newClinic(t)
	collector, err := collect.Open(t.Context(), collect.Options{Root: c.root, Source: collect.Netlink}, doctor.Want)
	if err != nil {
		t.Fatal(err)
	}
	defer collector.Close()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	c.Do(func() {
		looks, n := collector.Every(ctx, []netns.Namespace{c.own()}, doctor.Want, time.Hour), 0
		begun := time.Now()
		for range looks.All() {
			n++
		}
		if n > 1 || !errors.Is(looks.Err(), context.Canceled) || time.Since(begun) > time.Second {
			t.Errorf("%d looks in %v, error %v, want context.Canceled", n, time.Since(begun), looks.Err())
		}
	})
}

func TestUnread(t *testing.T) {
	own, err := netns.Current()
	if err != nil {
		t.Fatal(err)
	}
	gone := own
	gone.ID++ // the path leads elsewhere than when it was found
	state := &host.State{Namespaces: []host.Namespace{{ID: own.ID}}}
	if got := collect.Unread(state, []netns.Namespace{own, gone}); len(got) != 0 {
		t.Errorf("unread %+v, want none: one was read, the other is gone", got)
	}
	if got := collect.Unread(&host.State{}, []netns.Namespace{own}); len(got) != 1 {
		t.Errorf("unread %+v, want the one that is there", got)
	}
}
