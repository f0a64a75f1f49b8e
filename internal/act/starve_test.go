package act

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"portrange/internal/host"
	"portrange/internal/port"
)

// withConnections has so many connections of the first namespace to one destination.
func withConnections(n int) func(*Look) {
	return func(f *Look) {
		for i := range n {
			f.State.Namespaces[0].Usage.Add(&port.Socket{
				Proto: port.TCP, State: port.Established, Hold: port.ConnectHeld,
				Local:  netip.AddrPortFrom(netip.MustParseAddr("10.0.0.2"), uint16(40000+i)),
				Remote: netip.MustParseAddrPort("10.0.0.5:8080"),
			})
		}
	}
}

func TestStarves(t *testing.T) {
	narrowed := func(size int) Wish {
		return Wish{Range: &port.Range{Low: 50000, High: uint16(50000 + size - 1)}}
	}
	for name, test := range map[string]struct {
		wish Wish
		look Look
		want string
	}{
		"none left":       {Wish{Add: port.DefaultRange.Set()}, seen(), "too few ports would be left: none of 28,232 in netns host"},
		"one left":        {narrowed(1), seen(), ""},
		"fewer than used": {narrowed(99), seen(withConnections(100)), "99 of 28,232 in netns host, and 100 are in use towards 10.0.0.5:8080"},
		"as many as used": {narrowed(100), seen(withConnections(100)), ""},
		"wider":           {Wish{Range: wide()}, seen(withConnections(100)), ""},
		"no better than before": {Wish{Remove: port.DefaultRange.Set()}, seen(func(f *Look) {
			f.State.Namespaces[0].Settings.Reserved = port.DefaultRange.Set()
		}), ""},
		"sockets not read": {narrowed(1), seen(func(f *Look) { f.State.Namespaces[0].Usage = nil }), ""},
	} {
		err := plan(t, test.wish, test.look).Starves()
		if (err != nil) != (test.want != "") || err != nil && (!errors.Is(err, ErrStarves) || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// TestANeighbourCannotRefuse: in a namespace of his own a user sets what he likes,
// which keeps nobody from changing all the others.
func TestANeighbourCannotRefuse(t *testing.T) {
	for name, edit := range map[string]func(*host.Settings){
		"privileged ports": func(s *host.Settings) { s.UnprivilegedStart = 60000 },
		"a wider range":    func(s *host.Settings) { s.Range = port.Range{Low: 1024, High: 1099}; s.Reserved = wide().Set() },
	} {
		f := seen(withPod)
		edit(&f.State.Namespaces[1].Settings)
		wish := Wish{Range: wide()}
		f.Every = true
		p := plan(t, wish, f)
		if len(p.Changes) != 1 || p.Changes[0].Name != "host" || len(p.Gaps) != 1 || p.Gaps[0].NetNS != 2 || !strings.HasPrefix(p.Gaps[0].Why, "left out: ") {
			t.Errorf("%s: changes %+v, gaps %+v", name, p.Changes, p.Gaps)
		}
		f.Booted = 2 // the host's own is never left out
		if p, err := NewPlan(wish, f); err == nil && p.Starves() == nil {
			t.Errorf("%s: the host's own was left out", name)
		}
		f.Booted, f.State.Namespaces = 0, f.State.Namespaces[1:]
		if _, err := NewPlan(wish, f); err == nil {
			t.Errorf("%s: a plan of nothing", name)
		}
	}
}

// TestOthersClaimsAreNotReserved: what any user may claim is shown, and is neither
// reserved nor a reason to ask.
func TestOthersClaimsAreNotReserved(t *testing.T) {
	f := seen(func(f *Look) {
		f.State.Namespaces[0].Claims = []host.Claim{
			{Kind: host.NodePorts, Who: "Kubernetes NodePorts", Ports: ports(t, "15000-32000"), By: "a process of uid 65534", Evidence: "claimed by a process of uid 65534: x"},
			{Kind: host.ServicePort, Who: "Redis", Ports: ports(t, "16379"), Evidence: "redis.service is installed"},
		}
	})
	p := plan(t, Wish{Range: wide(), ReserveFound: true}, f)
	if got := p.Changes[0].ReservedAfter; got != "16379" || p.Warns() {
		t.Errorf("reserved %q, asks: %v", got, p.Warns())
	}
	for _, found := range p.Changes[0].Findings {
		if found.Code() == string(host.NodePorts) && strings.Contains(found.Evidence(), "claimed by a process of uid 65534") {
			return
		}
	}
	t.Errorf("the claim does not show: %+v", p.Changes[0].Findings)
}
