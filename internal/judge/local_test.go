package judge

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"portrange/internal/host"
	"portrange/internal/port"
)

func addrPort(addr string, p int) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(addr), uint16(p))
}

func listed(ns *host.Namespace) []string {
	var pools []string
	for _, p := range Namespace(ns).LocalPools {
		pools = append(pools, fmt.Sprintf("%s %s %d", p.Proto, p.Source(), p.Left))
	}
	return pools
}

// TestUnboundUDPDrawsOnAllAddresses: a third of the range from each of three
// addresses leaves nothing to a socket without one, and that is listed.
func TestUnboundUDPDrawsOnAllAddresses(t *testing.T) {
	ns := box()
	ns.Settings.HasBindV6Only = true
	for i := range 90 {
		local := []string{"10.0.0.2", "10.0.0.3", "10.0.0.4"}[i/30]
		s := socket("10.0.0.2:1", "10.0.0.9:53", udp)
		s.Local = addrPort(local, 40000+i)
		ns.Usage.Add(s)
	}
	want := []string{"udp 0.0.0.0 0", "udp 10.0.0.2 60", "udp 10.0.0.3 60", "udp 10.0.0.4 60", "udp :: 0"}
	if got := listed(ns); !slices.Equal(got, want) {
		t.Errorf("local pools %q, want %q", got, want)
	}
	strain := Strains(ns, thresholds(t, "50%", "85%"))[0]
	if strain.Proto != "udp" || strain.Local != "0.0.0.0" || strain.Left != 0 {
		t.Errorf("the worst strain is %+v", strain)
	}
}

// TestLocalPoolsOfTCP list all addresses together where something binds to port 0.
func TestLocalPoolsOfTCP(t *testing.T) {
	connected := socket("10.0.0.2:40000", "10.0.0.5:80")
	if got, want := listed(box(connected)), []string{"tcp 10.0.0.2 89"}; !slices.Equal(got, want) {
		t.Errorf("connections alone: %q, want %q", got, want)
	}
	got := listed(box(connected, socket("10.0.0.3:40001", "10.0.0.5:80", bound)))
	if want := []string{"tcp 0.0.0.0 88", "tcp 10.0.0.2 89", "tcp 10.0.0.3 89"}; !slices.Equal(got, want) {
		t.Errorf("with a bound one: %q, want %q", got, want)
	}
	got = listed(box(socket("10.0.0.3:39999", "", idle), connected))
	if want := []string{"tcp 10.0.0.2 89"}; !slices.Equal(got, want) {
		t.Errorf("with one bound out of the range: %q, want %q", got, want)
	}
}

// TestLinkLocalPoolsAreOfADevice: one address on two interfaces is two.
func TestLinkLocalPoolsAreOfADevice(t *testing.T) {
	ns := box(
		socket("[fe80::1]:40000", "", idle, on(2)), socket("[fe80::1]:40001", "", idle, on(3)),
		socket("[fe80::1]:40002", "", udp, on(2)), socket("[fe80::1]:40003", "", udp, on(2)),
		socket("10.0.0.2:40004", "", udp, on(2)),
	)
	ns.Devices = map[uint32]string{2: "eth0", 3: "eth1"}
	want := []string{
		"tcp 0.0.0.0 88", "tcp fe80::1%eth0 89", "tcp fe80::1%eth1 89",
		"udp 0.0.0.0 87", "udp 10.0.0.2 89", "udp fe80::1%eth0 88",
	}
	if got := listed(ns); !slices.Equal(got, want) {
		t.Errorf("local pools %q, want %q", got, want)
	}
}

// TestDistinctPools: all addresses together are worth a word where they have fewer
// ports left than any alone.
func TestDistinctPools(t *testing.T) {
	told := func(sockets ...*port.Socket) []string {
		ns := box(sockets...)
		ns.Settings.HasBindV6Only = true
		var names []string
		for _, p := range Distinct(Namespace(ns).LocalPools) {
			names = append(names, p.Source())
		}
		return names
	}
	one := socket("10.0.0.2:40000", "10.0.0.9:53", udp)
	if got, want := told(one), []string{"10.0.0.2"}; !slices.Equal(got, want) {
		t.Errorf("one address: %q, want %q", got, want)
	}
	another := socket("10.0.0.3:40001", "10.0.0.9:53", udp)
	if got, want := told(one, another), []string{"0.0.0.0", "10.0.0.2", "10.0.0.3"}; !slices.Equal(got, want) {
		t.Errorf("two: %q, want %q", got, want)
	}
	six := socket("[fd00::1]:40002", "[fd00::9]:53", udp, v6only)
	if got, want := told(one, six), []string{"10.0.0.2", "::", "fd00::1"}; !slices.Equal(got, want) {
		t.Errorf("two families: %q, want %q", got, want)
	}
}
