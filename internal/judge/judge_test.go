package judge

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

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
		crowd(2, "10.0.0.6:80", reusable),
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
		`"used_ratio":0.034,"states":{"established":3},"owners":[{"pid":812,"command":"haproxy","used":3}],"exact":true},` +
		`{"proto":"tcp","local":"10.0.0.2","remote":"10.0.0.6:80","size":89,"used":2,"left":89,"reusable":2,` +
		`"used_ratio":0.022,"states":{"time_wait":2},"owners":[],"exact":true}],` +
		`"local_pools":[{"proto":"tcp","local":"0.0.0.0","size":90,"used":4,"left":86,"exact":true},` +
		`{"proto":"tcp","local":"10.0.0.2","size":90,"used":4,"left":86,"exact":true}]}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

// asNetlink is how sock_diag shows a socket.
func asNetlink(s *port.Socket) {
	s.Blind, s.Stamped = true, false
	if s.Hold == port.ConnectHeld {
		s.Hold = port.HoldUnknown
	}
}

// TestDoubtsAreOfThePool: what cannot be told of one pool takes nothing from another.
func TestDoubtsAreOfThePool(t *testing.T) {
	v6Unknown := func(s *port.Socket) { s.V6Unknown = true }
	fresh := func(s *port.Socket) { s.Quiet = time.Millisecond }
	ns := func(edit func(*host.Namespace), sockets ...*port.Socket) *host.Namespace {
		ns := box(sockets...)
		ns.Settings.TWReuse = 1
		edit(ns)
		return ns
	}
	none := func(*host.Namespace) {}
	tcp := func(ns *host.Namespace) []Doubt { return left(ns, service).Doubts }
	local := func(proto port.Proto, addr string) func(*host.Namespace) []Doubt {
		return func(ns *host.Namespace) []Doubt { return leftLocal(ns, proto, addr).Doubts }
	}
	mine, another := socket("10.0.0.2:40000", "10.0.0.5:80", asNetlink), socket("10.0.0.2:40000", "10.0.0.6:80", asNetlink)
	for name, tt := range map[string]struct {
		ns   *host.Namespace
		of   func(*host.Namespace) []Doubt
		want []Doubt
	}{
		"nothing there":                       {ns(none), tcp, nil},
		"a bucket of my own":                  {ns(none, mine), tcp, nil},
		"a bucket of another":                 {ns(none, another), tcp, []Doubt{DoubtBuckets}},
		"of a port that a listener has":       {ns(none, socket("0.0.0.0:40000", "", listen), another), tcp, nil},
		"of a port out of the range":          {ns(none, socket("10.0.0.2:999", "10.0.0.6:80", asNetlink)), tcp, nil},
		"UDP beside it":                       {ns(none, another, socket("10.0.0.2:40001", "", udp)), local(port.UDP, "0.0.0.0"), nil},
		"bind() beside it":                    {ns(none, another), local(port.TCP, "10.0.0.2"), nil},
		"an old TIME_WAIT":                    {ns(none, socket("10.0.0.2:40000", "10.0.0.5:80", reusable, asNetlink)), tcp, []Doubt{DoubtBuckets}},
		"a young TIME_WAIT":                   {ns(none, socket("10.0.0.2:40000", "10.0.0.5:80", reusable, asNetlink, fresh)), tcp, nil},
		"IPV6_V6ONLY, of 0.0.0.0":             {ns(none, socket("[fd00::1]:40000", "[fd00::5]:80", v6Unknown)), local(port.TCP, "0.0.0.0"), []Doubt{DoubtV6Only}},
		"IPV6_V6ONLY, of another address":     {ns(none, socket("[fd00::1]:40000", "[fd00::5]:80", v6Unknown)), local(port.TCP, "10.0.0.2"), nil},
		"partial":                             {ns(func(ns *host.Namespace) { ns.Partial = true }), tcp, []Doubt{DoubtPartial}},
		"missed":                              {ns(func(ns *host.Namespace) { ns.Usage.Miss(host.Missed{Proto: port.TCP, Sockets: 3}) }), tcp, []Doubt{DoubtMissed}},
		"missed of another protocol":          {ns(func(ns *host.Namespace) { ns.Usage.Miss(host.Missed{Proto: port.TCP, Sockets: 3}) }), local(port.UDP, "::"), nil},
		"every port is visited at every step": {ns(func(ns *host.Namespace) { ns.Settings.StepWidth = 4 }), tcp, nil},
	} {
		if got := tt.of(tt.ns); !slices.Equal(got, tt.want) {
			t.Errorf("%s: doubts %v, want %v", name, got, tt.want)
		}
	}
}

// TestVerdictGathersDoubts of all its numbers.
func TestVerdictGathersDoubts(t *testing.T) {
	ns := box(socket("10.0.0.2:40000", "10.0.0.5:80", asNetlink), socket("[fd00::1]:40001", "", idle, func(s *port.Socket) { s.V6Unknown = true }))
	want := []Doubt{DoubtBuckets, DoubtV6Only}
	if v := Namespace(ns); !slices.Equal(v.Doubts, want) || v.Exact || Exact(ns) {
		t.Errorf("doubts %v, exact %v; want %v", v.Doubts, v.Exact, want)
	}
	pool := left(box(), service)
	pool.Add(DoubtConnectHooks)
	if pool.Exact || !slices.Equal(pool.Doubts, []Doubt{DoubtConnectHooks}) {
		t.Errorf("a doubt of the asker's own: %+v", pool)
	}
}

func TestSortPools(t *testing.T) {
	pools := Namespace(box(slices.Concat(
		crowd(2, "10.0.0.6:80"), crowd(2, "10.0.0.5:80"), crowd(5, "10.0.0.7:80", reusable))...)).Pools
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
