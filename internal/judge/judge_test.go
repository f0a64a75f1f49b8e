package judge

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"portrange/internal/host"
	"portrange/internal/port"
)

// crowd is n connections from 10.0.0.2 to remote on the ports from 40000 up.
func crowd(n int, remote string, edit ...func(*port.Socket)) []*port.Socket {
	sockets := make([]*port.Socket, n)
	for i := range sockets {
		sockets[i] = socket(fmt.Sprintf("10.0.0.2:%d", 40000+i), remote, edit...)
	}
	return sockets
}

func TestNamespaceVerdict(t *testing.T) {
	ns := box(slices.Concat(
		crowd(3, "10.0.0.5:80"),
		crowd(2, "10.0.0.6:80", ripe),
		[]*port.Socket{socket("0.0.0.0:40080", "", listen), socket("10.0.0.2:50000", "10.0.0.5:80"), socket("10.0.0.2:80", "10.0.0.7:1024", bound)},
	)...)
	ns.ID, ns.Name, ns.Settings.TWReuse = 7, "lb1", 1
	ns.Holdings = host.NewHoldings(ns.Settings.Range.Set())
	for _, s := range crowd(3, "10.0.0.5:80") {
		ns.Holdings.Add(&host.Holder{Socket: *s, Process: host.Process{PID: 812, Command: "haproxy"}})
	}
	got, err := json.Marshal(Namespace(ns))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"netns":7,"name":"lb1","source":"bpf","exact":true,` +
		`"range":{"low":40000,"high":40099,"size":100,"default":false},` +
		`"reserved":"40090-40099","reserved_in_range":10,"bind_held":1,"usable":89,"outside_range":1,` +
		`"settings":{"tcp_tw_reuse":1,"tcp_tw_reuse_delay_ms":1000,"ip_unprivileged_port_start":1024},` +
		`"pools":[{"proto":"tcp","local":"10.0.0.2","remote":"10.0.0.5:80","size":89,"used":3,"left":86,"reusable":0,` +
		`"used_ratio":0.034,"states":{"established":3},"owners":[{"pid":812,"command":"haproxy","used":3}]},` +
		`{"proto":"tcp","local":"10.0.0.2","remote":"10.0.0.6:80","size":89,"used":2,"left":89,"reusable":2,` +
		`"used_ratio":0.022,"states":{"time_wait":2},"owners":[]}],` +
		`"local_pools":[{"proto":"tcp","local":"0.0.0.0","size":90,"used":4,"left":86},` +
		`{"proto":"tcp","local":"10.0.0.2","size":90,"used":4,"left":86}],"findings":[]}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestExactness(t *testing.T) {
	blind := box(socket("10.0.0.2:40000", "10.0.0.5:80", func(s *port.Socket) { s.Hold = port.HoldUnknown }))
	untold := box(socket("[fd00::1]:40000", "[fd00::5]:80", func(s *port.Socket) { s.V6Unknown = true }))
	partial, stepped := box(), box()
	partial.Partial = true
	stepped.Settings.StepWidth = 4
	for name, tt := range map[string]struct {
		ns   *host.Namespace
		want bool
	}{"empty": {box(), true}, "blind": {blind, false}, "IPV6_V6ONLY unknown": {untold, false}, "partial": {partial, false}, "stepped": {stepped, false}} {
		if got := Exact(tt.ns); got != tt.want {
			t.Errorf("%s: exact %v", name, got)
		}
	}
}

func TestSortPools(t *testing.T) {
	pools := Namespace(box(slices.Concat(
		crowd(2, "10.0.0.6:80"), crowd(2, "10.0.0.5:80"), crowd(5, "10.0.0.7:80", ripe))...)).Pools
	for i := range pools {
		if pools[i].Used == 5 {
			pools[i].Left, pools[i].UsedRatio = 1000, 0.001
		}
	}
	for by, want := range map[Order]string{
		ByUsed:  "10.0.0.7:80 10.0.0.5:80 10.0.0.6:80",
		ByLeft:  "10.0.0.5:80 10.0.0.6:80 10.0.0.7:80",
		ByRatio: "10.0.0.5:80 10.0.0.6:80 10.0.0.7:80",
	} {
		SortPools(pools, by)
		var got []string
		for _, p := range pools {
			got = append(got, p.Remote)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("by %s: %v, want %s", by, got, want)
		}
	}
}

func TestPoolFindings(t *testing.T) {
	for _, tt := range []struct {
		n        int
		code     string
		severity Severity
	}{{44, "", ""}, {45, PoolPastHalf, Warning}, {76, PoolPastHalf, Warning}, {77, PoolNearFull, Warning}, {90, PoolFull, Critical}} {
		found := Namespace(box(crowd(tt.n, "10.0.0.5:80")...)).Findings
		found = slices.DeleteFunc(found, func(f Finding) bool { return strings.HasPrefix(f.Code, "local-") })
		if tt.code == "" {
			if len(found) != 0 {
				t.Errorf("%d ports: %v, want no finding", tt.n, found)
			}
			continue
		}
		if len(found) != 1 || found[0].Code != tt.code || found[0].Severity != tt.severity {
			t.Errorf("%d ports: %v, want %s %s", tt.n, found, tt.severity, tt.code)
			continue
		}
		if f := found[0]; !strings.Contains(f.Evidence, fmt.Sprint(tt.n)) || f.Advice == "" || f.Subject != "tcp 10.0.0.2 → 10.0.0.5:80" {
			t.Errorf("%d ports: finding without subject, evidence or advice: %+v", tt.n, f)
		}
	}
}

func TestAdviceWidensOnlyWhatIsNarrow(t *testing.T) {
	advice := func(now port.Range) string {
		ns := box()
		ns.Settings.Range = now
		return morePorts(ns)
	}
	for now, want := range map[port.Range]string{
		port.DefaultRange:         "portrange set 15000 64001 ",
		{Low: 10000, High: 60000}: "portrange set 10000 64001 ",
		{Low: 10001, High: 60000}: "portrange set 10001 64002 ",
		{Low: 20000, High: 65535}: "portrange set 15000 65535 ",
		{Low: 20000, High: 65534}: "portrange set 15001 65534 ",
	} {
		if got := advice(now); !strings.Contains(got, want) {
			t.Errorf("%v: %q, want %q in it", now, got, want)
		}
	}
	if got := advice(port.Range{Low: 1024, High: 65535}); strings.Contains(got, "set") || !strings.Contains(got, "reuse") {
		t.Errorf("nothing to widen: %q", got)
	}
}

func TestRecyclablePortsAreNoReasonToWorry(t *testing.T) {
	ns := box(crowd(90, "10.0.0.5:80", ripe)...)
	ns.Settings.TWReuse = 1
	for _, f := range Namespace(ns).Findings {
		if f.Code == PoolFull || f.Code == PoolNearFull {
			t.Errorf("all ports may be taken over, yet %+v", f)
		}
	}
}

func TestLocalPoolFindings(t *testing.T) {
	tests := []struct {
		name     string
		sockets  []*port.Socket
		code     string
		severity Severity
	}{
		{"TCP full, but nobody binds", crowd(90, "10.0.0.5:80"), LocalPoolFull, Info},
		{"TCP full and bound", append(crowd(89, "10.0.0.5:80"), socket("10.0.0.2:40089", "10.0.0.6:80", bound)), LocalPoolFull, Critical},
		{"UDP near full", crowd(80, "10.0.0.5:53", udp), LocalPoolNearFull, Warning},
		{"UDP full", crowd(90, "10.0.0.5:53", udp), LocalPoolFull, Critical},
	}
	for _, tt := range tests {
		found := Namespace(box(tt.sockets...)).Findings
		at := slices.IndexFunc(found, func(f Finding) bool { return f.Code == tt.code })
		if at < 0 || found[at].Severity != tt.severity {
			t.Errorf("%s: %+v, want %s %s", tt.name, found, tt.severity, tt.code)
		}
	}
}

func TestBindBeforeConnectNamesTheProcess(t *testing.T) {
	sockets := append(crowd(12, "10.0.0.5:80", bound),
		socket("0.0.0.0:40060", "", listen), socket("10.0.0.2:40060", "10.0.0.9:5555", bound)) // accepted
	ns := box(sockets...)
	ns.Holdings = host.NewHoldings(ns.Settings.Range.Set())
	for i, s := range sockets {
		ns.Holdings.Add(&host.Holder{Socket: *s, Process: host.Process{PID: 100 + i%4, Command: "envoy"}})
	}
	found := Namespace(ns).Findings
	if len(found) != 1 || found[0].Code != BindBeforeConnect || found[0].Severity != Warning {
		t.Fatalf("findings %+v, want one warning", found)
	}
	for _, want := range []string{"12 ports", "envoy (pid 100): 3", "envoy (pid 102): 3"} {
		if !strings.Contains(found[0].Evidence, want) {
			t.Errorf("evidence %q does not contain %q", found[0].Evidence, want)
		}
	}
	if strings.Contains(found[0].Evidence, "pid 103") {
		t.Errorf("evidence %q names more than the largest three", found[0].Evidence)
	}
	if few := Namespace(box(crowd(2, "10.0.0.5:80", bound)...)).Findings; len(few) != 1 || few[0].Severity != Info {
		t.Errorf("two ports of ninety: %+v, want one piece of information", few)
	}
}

func TestFindingsWorstFirst(t *testing.T) {
	found := []Finding{{Code: "a", Severity: Info}, {Code: "b", Severity: Critical}, {Code: "c", Severity: Warning}, {Code: "d", Severity: Critical}}
	SortFindings(found)
	order := ""
	for _, f := range found {
		order += f.Code
	}
	if order != "bdca" {
		t.Errorf("order %s, want bdca", order)
	}
	if !Critical.Reaches(Warning) || Info.Reaches(Warning) || !Warning.Reaches(Warning) {
		t.Error("severities are out of order")
	}
}
