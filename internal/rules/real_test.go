package rules_test

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"

	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/kernel/feature"
	"portrange/internal/kernel/limits"
	"portrange/internal/nettest"
	"portrange/internal/port"
)

// The tests of this file make findings appear on a kernel's real state. Others
// test the same rules on facts alone.

// severity returns the finding if it is as severe as wanted.
func severity(t *testing.T, found []finding.Finding, code string, want finding.Severity) finding.Finding {
	t.Helper()
	f := find(t, found, code)
	if f.Severity != want {
		t.Errorf("%s is %s, want %s", code, f.Severity, want)
	}
	return f
}

func TestPoolNearFullAndFull(t *testing.T) {
	c := newClinic(t)
	c.must(c.Listen(nettest.TCP4, service))
	c.connect(180)
	found, _ := c.examine()
	contains(t, severity(t, found, "pool-near-full", finding.Critical), "180 of 200 ports in use, 20 left", "most by rules.test")
	absentCodes(t, found, "pool-full")

	c.connect(20)
	if _, err := c.dial(); err == nil {
		t.Fatal("connect() found a port in a full pool")
	}
	found, _ = c.examine()
	contains(t, severity(t, found, "pool-full", finding.Critical), "200 of 200 ports in use, 0 left")
	absentCodes(t, found, "pool-near-full")
}

func TestLocalPoolFull(t *testing.T) {
	c := newClinic(t)
	for range 200 {
		c.must(c.Bind(nettest.UDP4, netip.AddrPortFrom(here, 0)))
	}
	if _, err := c.Bind(nettest.UDP4, netip.AddrPortFrom(here, 0)); err == nil {
		t.Fatal("bind() found a port in a full pool")
	}
	found, _ := c.examine()
	contains(t, severity(t, found, "local-pool-full", finding.Critical), "udp 10.0.0.1", "200 of 200", "0 left")
}

func TestRangeWithheld(t *testing.T) {
	c := newClinic(t)
	c.Sysctl("net.ipv4.ip_local_reserved_ports", "40000-40149")
	for range 50 {
		c.must(c.Bind(nettest.TCP4, netip.AddrPortFrom(here, 0)))
	}
	found, _ := c.examine()
	contains(t, severity(t, found, "range-withheld", finding.Critical), "0 of the range's 200 ports usable: 150 reserved, 50 bind-held")
}

func TestDefaultRangeInUse(t *testing.T) {
	c := newClinic(t)
	c.Range(port.DefaultRange.Low, port.DefaultRange.High)
	listener := c.must(c.Listen(nettest.TCP4, service))
	if _, err := nettest.TimeWait(listener, 7100, c.dial); err != nil {
		t.Fatal(err)
	}
	found, _ := c.examine()
	contains(t, severity(t, found, "range-default-busy", finding.Info), "the kernel's default of 28,232 ports", "21,132 of 28,232 left")
	absentCodes(t, found, "range-narrow", "other-range")
}

func TestServiceThatIsDown(t *testing.T) {
	c := newClinic(t)
	c.Range(33000, 33199)
	c.must(c.Listen(nettest.TCP4, service))
	c.file("usr/lib/systemd/system/mysql.service", "[Service]\nExecStart=/usr/sbin/mysqld\n")
	found, _ := c.examine()
	contains(t, severity(t, found, "service-port", finding.Warning), "MySQL X protocol", "port 33060 in the range", "mysql.service is installed")
	absentCodes(t, found, "port-taken")

	c.must(c.Connect(nettest.TCP4, service, nettest.LocalRange(33060, 33060)))
	found, _ = c.examine()
	contains(t, severity(t, found, "port-taken", finding.Warning), "port 33060 is held now by one outgoing connection of rules.test")

	c.Sysctl("net.ipv4.ip_local_reserved_ports", "33060")
	found, _ = c.examine()
	absentCodes(t, found, "service-port", "port-taken", "reserved-unused")
}

func TestDatagramSocketOnASocketUnitsPort(t *testing.T) {
	c := newClinic(t)
	c.file("etc/systemd/system/log.socket", "[Socket]\nListenDatagram=40007\n")
	c.must(c.Listen(nettest.TCP4, service))
	c.must(c.Connect(nettest.TCP4, service, nettest.LocalRange(40007, 40007)))
	found, _ := c.examine()
	severity(t, found, "socket-unit", finding.Warning)
	absentCodes(t, found, "port-taken")

	c.must(c.Bind(nettest.UDP4, netip.AddrPortFrom(here, 40007)))
	found, _ = c.examine()
	contains(t, severity(t, found, "port-taken", finding.Critical), "log.socket", "port 40007 is held now by one UDP socket of rules.test")
}

func TestNodePorts(t *testing.T) {
	c := newClinic(t)
	c.Range(32000, 32999)
	rules := "add table ip kube-proxy; add chain ip kube-proxy out { type nat hook postrouting priority 100; }; " +
		"add rule ip kube-proxy out masquerade"
	if out, err := c.Command("nft", rules).CombinedOutput(); err != nil {
		t.Fatalf("nft: %v\n%s", err, out)
	}
	found, _ := c.examine()
	contains(t, severity(t, found, "node-ports", finding.Warning), "768 ports (32000-32767)", "kube-proxy")
	c.Range(32768, 33999)
	found, _ = c.examine()
	absentCodes(t, found, "node-ports")
}

func TestPublishedPorts(t *testing.T) {
	c := newClinic(t)
	c.docker(`[{"Id":"00","Names":["/web"],"Ports":[{"PublicPort":40080,"Type":"tcp"}]},
		{"Id":"01","Names":["/below"],"Ports":[{"PublicPort":8080,"Type":"tcp"}]}]`)
	found, _ := c.examine()
	contains(t, severity(t, found, "published-ports", finding.Warning), "Docker container web", "port 40080 in the range")
	for _, f := range found {
		if f.Code() == "published-ports" && f.Subject.Object == "Docker container below" {
			t.Errorf("a port outside the range is reported: %+v", f)
		}
	}
}

// docker answers on the socket of the clinic's root, as the Engine API does.
func (c *clinic) docker(containers string) {
	c.t.Helper()
	c.file("run/docker/.keep", "")
	listener, err := net.Listen("unix", filepath.Join(c.root, "run/docker.sock"))
	if err != nil {
		c.t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(containers))
	})}
	go func() { _ = server.Serve(listener) }() // it ends with Close
	c.t.Cleanup(func() { _ = server.Close() })
}

func TestReuseDelay(t *testing.T) {
	c := newClinic(t)
	c.Sysctl("net.ipv4.tcp_tw_reuse", "1")
	c.Sysctl("net.ipv4.tcp_tw_reuse_delay", "20000")
	listener := c.must(c.Listen(nettest.TCP4, service))
	if _, err := nettest.TimeWait(listener, 60, c.dial); err != nil {
		t.Fatal(err)
	}
	found, _ := c.examine()
	contains(t, severity(t, found, "tw-reuse-delay", finding.Info), "after 20 s instead of 1 s", "of the 60 there are", "that is 0 now")
	absentCodes(t, found, "tw-reuse-off", "timestamps-off")
}

func TestConnectionsThatLeaveAPrivateNetwork(t *testing.T) {
	c := newClinic(t)
	public := netip.MustParseAddrPort("203.0.113.5:443")
	c.Addr(public.Addr().String())
	c.must(c.Listen(nettest.TCP4, public))
	connect := func(n int) {
		for range n {
			c.must(c.BindConnect(nettest.TCP4, netip.AddrPortFrom(here, 0), public, nettest.BindNoPort()))
		}
	}
	connect(63)
	found, _ := c.examine()
	absentCodes(t, found, "cloud-nat")
	connect(1)
	found, _ = c.examine()
	contains(t, severity(t, found, "cloud-nat", finding.Info), "tcp 10.0.0.1 203.0.113.5:443", "64 connections from a private address")
}

// TestProcessThatRunsOutOfFiles lowers its own limit, as it holds the
// connections itself, far enough above what it has open to be able to look.
func TestProcessThatRunsOutOfFiles(t *testing.T) {
	c := newClinic(t)
	c.must(c.Listen(nettest.TCP4, service))
	c.connect(150)
	own, err := limits.ReadProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	found, _ := c.examine()
	absentCodes(t, found, "process-files")

	limit := own.Open + 40
	limitFiles(t, limit)
	found, _ = c.examine()
	contains(t, severity(t, found, "process-files", finding.Warning), "rules.test", fmt.Sprintf("of %d files open", limit), "150 ports of the range")
}

// limitFiles sets this process's soft limit of open files until the test ends.
func limitFiles(t *testing.T, soft uint64) {
	t.Helper()
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: soft, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
			t.Error(err)
		}
	})
}

// TestAdviceFollowsTheKernel makes the state in which each advice about the
// kernel's version matters, and expects those that this kernel has a use for.
func TestAdviceFollowsTheKernel(t *testing.T) {
	c := newClinic(t)
	c.must(c.Listen(nettest.TCP4, service))
	c.must(c.BindConnect(nettest.TCP4, netip.AddrPortFrom(here, 0), service))
	c.connect(120)
	found, _ := c.examine()
	var gaps host.Gaps
	has := feature.Probe(btf.NewCache(), &gaps)
	if missed := gaps.List(); len(missed) > 0 {
		t.Fatalf("the kernel's features: %v", missed)
	}
	_, err := os.Stat("/proc/sys/net/ipv4/ip_local_port_step_width")
	for code, want := range map[string]bool{
		"whole-search":   has.SocketRange == host.Yes && has.WholeSearch == host.Yes,
		"locked-search":  has.RCULookup == host.No,
		"sticky-buckets": has.BucketRecalculation == host.No,
		"step-width":     err == nil,
	} {
		if got := slices.Contains(codes(found), code); got != want {
			t.Errorf("%s found %v, want %v on a kernel with %+v", code, got, want, has)
		}
	}
}

// TestFillingPoolAndOneThatLevelsOff looks twice, while connections stay open,
// and while they come and go.
func TestFillingPoolAndOneThatLevelsOff(t *testing.T) {
	c := newClinic(t)
	c.Range(40000, 49999)
	listener := c.must(c.Listen(nettest.TCP4, service))
	look := func(work func() error) []finding.Finding {
		found, _ := c.examineTwice(func() error { return paced(50, work) })
		return found
	}
	found := look(func() error {
		_, err := nettest.TimeWait(listener, 1, c.dial)
		return err
	})
	absentCodes(t, found, "pool-filling")
	contains(t, find(t, found, "connection-rate"), "TIME_WAIT allows 167/s", "TIME_WAIT grows to about", "and no further")

	found = look(func() error {
		_, err := c.dial()
		return err
	})
	contains(t, find(t, found, "pool-filling"), "10.0.0.2:80", "of 10,000 left")
}

// paced does the work so many times in a second.
func paced(times int, work func() error) error {
	ticks := time.NewTicker(time.Second / time.Duration(times))
	defer ticks.Stop()
	for range times {
		<-ticks.C
		if err := work(); err != nil {
			return err
		}
	}
	return nil
}
