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
		`{"proto":"tcp","local":"10.0.0.2","size":90,"used":4,"left":86}]}`
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
