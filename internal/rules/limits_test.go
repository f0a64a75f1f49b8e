package rules

import (
	"math"
	"slices"
	"testing"

	"portrange/internal/finding"
	"portrange/internal/host"
)

func files(open, soft uint64) *patient {
	return healthy().but(func(p *patient) {
		p.ns().Busiest = &host.ProcessFiles{Process: host.Process{PID: 812, Command: "haproxy"}, Ports: 90, Open: open, Soft: soft}
	})
}

func tracking(c host.Conntrack) *patient {
	return healthy().but(func(p *patient) { p.ns().Conntrack = &c })
}

func ofTCP(t host.TCP) *patient {
	t.PageSize = 4096
	return healthy().but(func(p *patient) { p.Now.TCP = &t })
}

func machine(f host.Files) *patient { return healthy().but(func(p *patient) { p.Now.Files = &f }) }

func translating(chains ...host.NATRules) *patient {
	return healthy().but(func(p *patient) { p.ns().NAT = chains })
}

func limitSymptoms() map[string]symptom {
	masquerade := host.NATRules{Backend: "nftables", Family: "ip", Table: "nat", Chain: "POSTROUTING", Count: 3}
	return map[string]symptom{
		"process-files": {files(950, 1000), files(799, 1000), finding.Critical, []string{"950 of 1,000 files open (95.0%)", "90 ports"}},
		"machine-files": {
			machine(host.Files{Allocated: 80, Max: 100, PerProcess: 50}), machine(host.Files{Allocated: 79, Max: 100}), finding.Warning, []string{"80 of 100 open files"}},
		"conntrack-near-full": {
			tracking(host.Conntrack{Count: 95, Max: 100}), tracking(host.Conntrack{Count: 79, Max: 100}), finding.Critical, []string{"95 of 100 entries"}},
		"conntrack-drops": {
			tracking(host.Conntrack{Count: 1, Max: 100, Dropped: 5, InsertFailed: 2}), tracking(host.Conntrack{Count: 1, Max: 100}),
			finding.Warning, []string{"3 packets dropped for want of room", "2 because another entry", "1 of 100"}},
		"orphans": {
			ofTCP(host.TCP{Orphans: 50, MaxOrphans: 100}), ofTCP(host.TCP{Orphans: 49, MaxOrphans: 100}), finding.Warning, []string{"50 connections"}},
		"tcp-memory": {
			ofTCP(host.TCP{Pages: 2560, PressurePages: 2000, MaxPages: 2560}), ofTCP(host.TCP{Pages: 1999, PressurePages: 2000, MaxPages: 2560}),
			finding.Critical, []string{"10 MiB (2,560 pages", "pressure from 2,000", "above its maximum"}},
		"source-nat": {
			translating(masquerade), translating(host.NATRules{Backend: "nftables", Table: "nat"}), finding.Info,
			[]string{"3 rules in nftables ip nat POSTROUTING (3)"}},
		"cloud-nat": {
			healthy().with(crowd(40000, 64, "10.0.0.2", "8.8.8.8:443")...), healthy().with(crowd(40000, 63, "10.0.0.2", "8.8.8.8:443")...),
			finding.Info, []string{"64 connections"}},
	}
}

// TestLimitsOnTheirEdges: a limit is near from 80 % on and as good as reached from 95 %.
func TestLimitsOnTheirEdges(t *testing.T) {
	for _, tt := range []struct {
		used, limit uint64
		want        finding.Severity // empty for nothing to say
	}{
		{0, 0, ""}, {1, 0, ""}, {math.MaxInt64, host.Unlimited, ""},
		{79, 100, ""}, {80, 100, finding.Warning}, {94, 100, finding.Warning}, {95, 100, finding.Critical}, {200, 100, finding.Critical},
	} {
		severity, worth := strain(tt.used, tt.limit)
		if worth != (tt.want != "") || worth && severity != tt.want {
			t.Errorf("%d of %d: %s, %v, want %q", tt.used, tt.limit, severity, worth, tt.want)
		}
	}
}

func TestDoubledLimitFitsTheKernel(t *testing.T) {
	for limit, want := range map[uint64]uint64{1: 2, 100: 200, math.MaxInt64: math.MaxInt64 - 1, math.MaxUint64: math.MaxInt64 - 1} {
		if got := doubled(limit); got != want {
			t.Errorf("%d doubled: %d, want %d", limit, got, want)
		}
	}
}

// TestFilesBeforePorts: a limit below the pool matters from a half of it on.
func TestFilesBeforePorts(t *testing.T) {
	for _, tt := range []struct {
		open, soft uint64
		want       finding.Severity
	}{
		{45, 90, finding.Info}, {44, 90, ""}, // a half of a limit below the 100 ports
		{50, 99, finding.Info}, {50, 100, ""}, // one that is as large as the pool
		{49, 99, ""},
		{0, 0, ""}, // one that could not be read
	} {
		found := find(examine(files(tt.open, tt.soft)), "process-files")
		if (len(found) == 1) != (tt.want != "") {
			t.Errorf("%d of %d: findings %+v", tt.open, tt.soft, found)
		} else if len(found) == 1 {
			checkWords(t, &found[0], []string{"one destination alone has 100 ports: files run out first"})
		}
	}
}

func TestPressureOnTCPMemory(t *testing.T) {
	for pages, want := range map[uint64]finding.Severity{1999: "", 2000: finding.Warning, 2559: finding.Warning, 2560: finding.Critical} {
		found := find(examine(ofTCP(host.TCP{Pages: pages, PressurePages: 2000, MaxPages: 2560})), "tcp-memory")
		if len(found) == 0 && want != "" || len(found) == 1 && found[0].Severity != want {
			t.Errorf("%d pages: %+v, want %q", pages, found, want)
		}
	}
	checkNone(t, ofTCP(host.TCP{Pages: 5}), "tcp-memory", "orphans") // limits that could not be read
}

// TestEntriesThatClash: a clash is counted as dropped too, and is mostly harmless.
func TestEntriesThatClash(t *testing.T) {
	for _, tt := range []struct {
		dropped, failed uint64
		severity        finding.Severity
		actions         int
	}{
		{2, 2, finding.Info, 1}, {0, 2, finding.Info, 1}, {3, 2, finding.Warning, 2}, {1, 0, finding.Warning, 1},
	} {
		found := find(examine(tracking(host.Conntrack{Max: 100, Dropped: tt.dropped, InsertFailed: tt.failed})), "conntrack-drops")
		if len(found) != 1 || found[0].Severity != tt.severity || len(found[0].Actions) != tt.actions {
			t.Errorf("%d dropped, %d failed: %+v, want %s with %d actions", tt.dropped, tt.failed, found, tt.severity, tt.actions)
		}
	}
}

// TestTheTableIsTheHostsToEnlarge runs the command where it works.
func TestTheTableIsTheHostsToEnlarge(t *testing.T) {
	p := tracking(host.Conntrack{Count: 80, Max: 100})
	for _, tt := range []struct{ name, ref, want string }{
		{"host", "", "sysctl -w net.netfilter.nf_conntrack_max=200"},
		{"lb1", "lb1", "nsenter --target 1 --net sysctl -w net.netfilter.nf_conntrack_max=200"},
		{"pod", "", "nsenter --target 1 --net sysctl -w net.netfilter.nf_conntrack_max=200"},
	} {
		p.ns().Name, p.ns().Ref = tt.name, tt.ref
		found := find(examine(p), "conntrack-near-full")
		if len(found) != 1 || found[0].Actions[0].Command.String() != tt.want || found[0].Severity != finding.Warning {
			t.Errorf("%s: %+v, want a warning and %q", tt.name, found, tt.want)
		}
	}
}

func TestAddressesThatNeedNAT(t *testing.T) {
	for _, tt := range []struct {
		local, remote string
		want          bool
	}{
		{"10.0.0.2", "8.8.8.8:443", true}, {"100.64.0.1", "8.8.8.8:443", true}, {"169.254.0.2", "8.8.8.8:443", true}, {"100.128.0.1", "8.8.8.8:443", false},
		{"10.0.0.2", "10.9.9.9:443", false}, {"10.0.0.2", "100.127.255.255:443", false}, {"9.9.9.9", "8.8.8.8:443", false},
		{"10.0.0.2", "224.0.0.1:443", false}, {"fd00::1", "[2001:db8::1]:443", false},
	} {
		found := find(examine(healthy().with(crowd(40000, 64, tt.local, tt.remote)...)), "cloud-nat")
		if (len(found) == 1) != tt.want {
			t.Errorf("%s to %s: %v, want a NAT: %v", tt.local, tt.remote, codesOf(found), tt.want)
		}
	}
}

func TestTheMostUsedPoolSpeaksForNAT(t *testing.T) {
	most := crowd(40000, 80, "10.0.0.2", "8.8.4.4:443")
	for _, fewer := range []string{"8.8.8.8:443", "1.1.1.1:443"} {
		found := find(examine(healthy().with(append(crowd(40000, 70, "10.0.0.2", fewer), most...)...)), "cloud-nat")
		if len(found) != 1 || found[0].Subject.Remote != "8.8.4.4:443" {
			t.Errorf("besides %s: %+v", fewer, found)
		}
	}
}

func TestTrackedConnectionsOfNAT(t *testing.T) {
	p := translating(host.NATRules{Backend: "iptables-legacy", Family: "ip", Table: "nat", Count: 1}, host.NATRules{Backend: "nftables", Family: "ip", Table: "nat", Chain: "out", Count: 2})
	p.ns().Conntrack = &host.Conntrack{Count: 1, Max: 100}
	want := "source addresses are rewritten by 3 rules in iptables-legacy ip nat (1), nftables ip nat out (2); 1 connection tracked"
	if found := find(examine(p), "source-nat"); len(found) != 1 || found[0].Evidence() != want {
		t.Errorf("findings %+v, want %q", found, want)
	}
}

func TestWhatAllNamespacesShareIsInNone(t *testing.T) {
	p := healthy().with(clients(100)...)
	p.Now.Files = &host.Files{Allocated: 96, Max: 100}
	p.ns().NAT = []host.NATRules{{Backend: "nftables", Count: 1}}
	found := examine(p)
	if !slices.ContainsFunc(found, func(f finding.Finding) bool { return f.Code() == "machine-files" }) || found[0].Severity != finding.Critical {
		t.Errorf("findings %v", codesOf(found))
	}
	for _, f := range found {
		machineWide := f.Code() == "machine-files"
		if (f.NetNS == 0) != machineWide || (f.Name == "") != machineWide {
			t.Errorf("%s is in namespace %d %q", f.Code(), f.NetNS, f.Name)
		}
	}
}
