package judge

import (
	"net/netip"
	"testing"

	"portrange/internal/host"
	"portrange/internal/port"
)

// asking is an asker on an address; an address in the form ::ffff:a.b.c.d is an
// AF_INET6 socket's.
func asking(proto port.Proto, addr string, edit ...func(*Asker)) Asker {
	local := netip.MustParseAddr(addr)
	a := Asker{Proto: proto, Local: local.Unmap(), Family6: local.Is6()}
	for _, e := range edit {
		e(&a)
	}
	return a
}

func only6(a *Asker)     { a.V6Only = true }
func reuse(a *Asker)     { a.Reuse = true }
func reusePort(a *Asker) { a.ReusePort = true }
func through(device uint32) func(*Asker) {
	return func(a *Asker) { a.Device = device }
}

// holding is the local end of a socket in the same notation.
func holding(proto port.Proto, addr string, edit ...func(*host.Local)) host.Local {
	local := netip.MustParseAddr(addr)
	l := host.Local{Proto: proto, Addr: local.Unmap(), Family6: local.Is6()}
	for _, e := range edit {
		e(&l)
	}
	return l
}

func heldOnly6(l *host.Local) { l.V6Only = true }
func heldOn(device uint32) func(*host.Local) {
	return func(l *host.Local) { l.Device = device }
}
func shared(s host.Sharing) func(*host.Local) { return func(l *host.Local) { l.Sharing = s } }

// TestAddressesThatMeet are the cases that differ between the families, the
// protocols and what their names suggest; each was measured.
func TestAddressesThatMeet(t *testing.T) {
	for _, tt := range []struct {
		name  string
		asker Asker
		held  host.Local
		want  bool
	}{
		{"V6ONLY :: passes IPv4", asking(port.UDP, "::", only6), holding(port.UDP, "127.0.0.1"), false},
		{"V6ONLY :: passes mapped", asking(port.UDP, "::", only6), holding(port.UDP, "::ffff:127.0.0.1"), false},
		{"V6ONLY :: meets IPv6", asking(port.UDP, "::", only6), holding(port.UDP, "fd00::1"), true},
		{"V6ONLY :: meets ::", asking(port.TCP, "::", only6), holding(port.TCP, "::"), true},
		{"mapped 0.0.0.0 passes IPv6", asking(port.UDP, "::ffff:0.0.0.0"), holding(port.UDP, "fd00::1"), false},
		{"mapped 0.0.0.0 meets ::", asking(port.UDP, "::ffff:0.0.0.0"), holding(port.UDP, "::"), true},
		{"mapped 0.0.0.0 passes V6ONLY ::", asking(port.UDP, "::ffff:0.0.0.0"), holding(port.UDP, "::", heldOnly6), false},
		{"mapped 0.0.0.0 meets IPv4", asking(port.TCP, "::ffff:0.0.0.0"), holding(port.TCP, "10.0.0.2"), true},
		{"IPv6 passes mapped 0.0.0.0", asking(port.TCP, "fd00::1"), holding(port.TCP, "::ffff:0.0.0.0"), false},
		{"0.0.0.0 meets IPv6", asking(port.UDP, "0.0.0.0"), holding(port.UDP, "fd00::1"), true},
		{"0.0.0.0 passes V6ONLY IPv6", asking(port.UDP, "0.0.0.0"), holding(port.UDP, "fd00::1", heldOnly6), false},
		{"127.0.0.6 meets IPv6 of UDP", asking(port.UDP, "127.0.0.6"), holding(port.UDP, "fd00::1"), true},
		{"127.0.0.6 passes V6ONLY IPv6", asking(port.UDP, "127.0.0.6"), holding(port.UDP, "fd00::1", heldOnly6), false},
		{"127.0.0.6 passes IPv6 of TCP", asking(port.TCP, "127.0.0.6"), holding(port.TCP, "fd00::1"), false},
		{"127.0.0.5 passes IPv6", asking(port.UDP, "127.0.0.5"), holding(port.UDP, "fd00::1"), false},
		{"mapped 127.0.0.6 passes IPv6", asking(port.UDP, "::ffff:127.0.0.6"), holding(port.UDP, "fd00::1"), false},
		{"UDP passes TCP", asking(port.UDP, "0.0.0.0"), holding(port.TCP, "0.0.0.0"), false},
		{"no device meets one", asking(port.UDP, "10.0.0.2"), holding(port.UDP, "10.0.0.2", heldOn(2)), true},
		{"a device meets none", asking(port.UDP, "10.0.0.2", through(2)), holding(port.UDP, "10.0.0.2"), true},
		{"a device passes another", asking(port.UDP, "0.0.0.0", through(2)), holding(port.UDP, "0.0.0.0", heldOn(3)), false},
		{"one link-local address of two devices", asking(port.TCP, "fe80::1", through(2)), holding(port.TCP, "fe80::1", heldOn(3)), false},
	} {
		m := newMeeting(&tt.asker, box())
		if got := m.meets(&tt.held); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

// TestOptionsThatShare: udp_lib_lport_inuse and inet_bind_conflict.
func TestOptionsThatShare(t *testing.T) {
	both := host.Sharing{Reuse: true, ReusePort: true}
	stranger := host.Sharing{Reuse: true, ReusePort: true, UID: 1000}
	for _, tt := range []struct {
		name     string
		asker    Asker
		held     host.Sharing
		autobind bool // ip_autobind_reuse
		want     bool // meets
	}{
		{"UDP with SO_REUSEADDR", asking(port.UDP, "0.0.0.0", reuse), host.Sharing{Reuse: true}, false, false},
		{"UDP against SO_REUSEADDR", asking(port.UDP, "0.0.0.0"), host.Sharing{Reuse: true}, false, true},
		{"UDP with SO_REUSEADDR against none", asking(port.UDP, "0.0.0.0", reuse), host.Sharing{}, false, true},
		{"UDP with SO_REUSEPORT", asking(port.UDP, "0.0.0.0", reusePort), both, false, false},
		{"UDP with SO_REUSEPORT of another user", asking(port.UDP, "0.0.0.0", reusePort), stranger, false, true},
		{"UDP with both, of another user", asking(port.UDP, "0.0.0.0", reuse, reusePort), stranger, false, false},
		{"TCP with SO_REUSEPORT", asking(port.TCP, "0.0.0.0", reusePort), both, true, true},
		{"TCP with SO_REUSEADDR", asking(port.TCP, "0.0.0.0", reuse), host.Sharing{Reuse: true}, false, true},
		{"TCP with SO_REUSEADDR, autobind", asking(port.TCP, "0.0.0.0", reuse), host.Sharing{Reuse: true}, true, false},
		{"TCP against a listener, autobind", asking(port.TCP, "0.0.0.0", reuse), host.Sharing{Reuse: true, Listen: true}, true, true},
		{"TCP without it, autobind", asking(port.TCP, "0.0.0.0"), host.Sharing{Reuse: true}, true, true},
		{"TCP with both, autobind", asking(port.TCP, "0.0.0.0", reuse, reusePort), both, true, true},
		{"TCP with both of another user, autobind", asking(port.TCP, "0.0.0.0", reuse, reusePort), stranger, true, false},
		{"TCP with both against TIME_WAIT, autobind", asking(port.TCP, "0.0.0.0", reuse, reusePort),
			host.Sharing{Reuse: true, ReusePort: true, UID: 1000, Waiting: true}, true, true},
	} {
		ns := box()
		ns.Settings.AutobindReuse = tt.autobind
		held := holding(tt.asker.Proto, "0.0.0.0", shared(tt.held))
		m := newMeeting(&tt.asker, ns)
		if got := m.meets(&held); got != tt.want {
			t.Errorf("%s: meets %v", tt.name, got)
		}
	}
}

func TestSocketsThatShareHaveNoEnd(t *testing.T) {
	for _, tt := range []struct {
		name     string
		proto    port.Proto
		autobind bool
		edit     []func(*Asker)
		endless  bool
		left     int
	}{
		{"UDP", port.UDP, false, nil, false, 88},
		{"UDP with SO_REUSEADDR", port.UDP, false, []func(*Asker){reuse}, true, 89},
		{"UDP with SO_REUSEPORT", port.UDP, false, []func(*Asker){reusePort}, true, 88},
		{"TCP with SO_REUSEADDR", port.TCP, false, []func(*Asker){reuse}, false, 88},
		{"TCP with SO_REUSEADDR, autobind", port.TCP, true, []func(*Asker){reuse}, true, 89},
		{"TCP with both, autobind", port.TCP, true, []func(*Asker){reuse, reusePort}, false, 89},
	} {
		reuses := func(s *port.Socket) { s.Reuse = true }
		sockets := []*port.Socket{socket("10.0.0.2:40000", "", idle, reuses), socket("10.0.0.2:40001", "", idle)}
		if tt.proto == port.UDP {
			sockets = []*port.Socket{socket("10.0.0.2:40000", "", udp, reuses), socket("10.0.0.2:40001", "", udp)}
		}
		ns := box(sockets...)
		ns.Settings.AutobindReuse = tt.autobind
		got := leftLocal(ns, tt.proto, "0.0.0.0", tt.edit...)
		if got.Endless != tt.endless || got.Left != tt.left || !got.Exact {
			t.Errorf("%s: %+v, want endless %v with %d left", tt.name, got, tt.endless, tt.left)
		}
	}
}

// TestUnseenOptionsAreBounded: through netlink a socket may share or not.
func TestUnseenOptionsAreBounded(t *testing.T) {
	ns := box(socket("10.0.0.2:40000", "", udp, asNetlink), socket("10.0.0.2:40001", "", udp))
	if got := leftLocal(ns, port.UDP, "0.0.0.0"); !got.Exact {
		t.Errorf("without options of its own: %+v", got)
	}
	got := leftLocal(ns, port.UDP, "0.0.0.0", reuse)
	if got.Exact || got.ErrorBound != 1 || got.Left != 88 || len(got.Doubts) != 1 || got.Doubts[0] != DoubtSharing {
		t.Errorf("with SO_REUSEADDR: %+v, want a bound of 1", got)
	}
}

// TestSocketRange is inet_sk_get_local_port_range: each end counts where it lies in
// the namespace's range.
func TestSocketRange(t *testing.T) {
	all := port.Range{Low: 40000, High: 40099}
	for _, tt := range []struct{ own, want port.Range }{
		{port.Range{Low: 40010, High: 40019}, port.Range{Low: 40010, High: 40019}},
		{port.Range{Low: 30000, High: 40019}, port.Range{Low: 40000, High: 40019}},
		{port.Range{Low: 40010, High: 50000}, port.Range{Low: 40010, High: 40099}},
		{port.Range{Low: 30000, High: 30010}, all},
		{port.Range{Low: 0, High: 40019}, port.Range{Low: 40000, High: 40019}},
		{port.Range{Low: 40010, High: 0}, port.Range{Low: 40010, High: 40099}},
	} {
		asker := Asker{SocketRange: &tt.own}
		if got := asker.within(all); got != tt.want {
			t.Errorf("own range %v: %v, want %v", tt.own, got, tt.want)
		}
	}
	ns := box(socket("10.0.0.2:40010", "10.0.0.5:80"), socket("10.0.0.2:40050", "10.0.0.5:80"))
	asker := NewAsker(ns, port.TCP, service.Local)
	asker.SocketRange = &port.Range{Low: 40010, High: 40019}
	if got := Left(ns, &asker, service.Remote); got.Size != 10 || got.Left != 9 {
		t.Errorf("pool %+v, want 9 of 10 left", got)
	}
	if got := LeftLocal(ns, &asker); got.Size != 10 || got.Left != 9 {
		t.Errorf("local pool %+v, want 9 of 10 left", got)
	}
}

// TestNewAskerFollowsTheNamespace: bindv6only is for sockets that say nothing.
func TestNewAskerFollowsTheNamespace(t *testing.T) {
	ns := box(socket("127.0.0.1:40000", "", idle), socket("[::1]:40001", "", idle))
	if got := leftLocal(ns, port.TCP, "::"); got.Left != 88 {
		t.Errorf("%+v, want both in the way", got)
	}
	ns.Settings.BindV6Only = true
	if got := leftLocal(ns, port.TCP, "::"); got.Left != 89 {
		t.Errorf("bindv6only: %+v, want the IPv6 socket alone in the way", got)
	}
	if got := leftLocal(ns, port.TCP, "fe80::1%eth0"); got.Local != "fe80::1" {
		t.Errorf("an address keeps its zone: %+v", got)
	}
}
