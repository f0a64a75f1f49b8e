package exact

import (
	"net/netip"
	"slices"

	"portrange/internal/judge"
	"portrange/internal/nettest"
	"portrange/internal/port"
)

// tcpKinds and udpKinds are by whether the socket is of AF_INET6.
var (
	tcpKinds = map[bool]nettest.Kind{false: nettest.TCP4, true: nettest.TCP6}
	udpKinds = map[bool]nettest.Kind{false: nettest.UDP4, true: nettest.UDP6}
)

// of6 reports whether the socket is of AF_INET6.
func of6(kind nettest.Kind) bool { return kind == nettest.TCP6 || kind == nettest.UDP6 }

// dialer is a random client: its kind, where it comes from and goes to.
type dialer struct {
	kind     nettest.Kind
	from, to netip.AddrPort
	device   string // that the socket is bound to
	options  []nettest.Option
}

// dialer picks the ends of a connection over lo.
func (sc *scenario) dialer() dialer {
	d := dialer{kind: nettest.TCP4}
	addrs := addrs4
	switch sc.IntN(6) {
	case 0, 1:
		d.kind, addrs = nettest.TCP6, addrs6
	case 2:
		d.kind = nettest.TCP6 // with mapped addresses
	case 3:
		if sc.chance(0.3) {
			d.kind = nettest.MPTCP4
		}
	}
	d.from = netip.AddrPortFrom(pick(sc, addrs), 0)
	d.to = netip.AddrPortFrom(pick(sc, addrs), uint16(firstServerPort+sc.IntN(serverPorts)))
	if sc.chance(0.15) {
		d.bindTo("lo")
	}
	return d.dualStack()
}

// voidDialer picks a way out through a device where nobody answers.
func (sc *scenario) voidDialer(kinds map[bool]nettest.Kind) dialer {
	device := pick(sc, sc.devices)
	remote := pick(sc, voids[device].remotes)
	d := dialer{
		kind: kinds[remote.Is6() || sc.chance(0.3)],
		from: netip.AddrPortFrom(voids[device].source(remote), 0),
		to:   netip.AddrPortFrom(remote, uint16(80+sc.IntN(2))),
	}
	switch {
	case sc.vrf && device == void0:
		d.bindTo(pick(sc, []string{void0, blue})) // nothing else leads there
	case sc.chance(0.3):
		d.bindTo(device)
	}
	return d.dualStack()
}

func (d *dialer) bindTo(device string) {
	d.device, d.options = device, append(d.options, nettest.Device(device))
}

// dualStack lets an AF_INET6 socket speak IPv4 whatever bindv6only says.
func (d dialer) dualStack() dialer {
	if of6(d.kind) {
		d.options = append(d.options, nettest.V6Only(false))
	}
	return d
}

// zone is the device of a link-local remote address, else the one that the
// socket is bound to.
func (d *dialer) zone() string {
	if zone := d.to.Addr().Zone(); zone != "" {
		return zone
	}
	return d.device
}

// sharing are the options of a socket about others on its port.
type sharing struct {
	reuse, reusePort bool
	owner            int
}

func (sc *scenario) sharing() sharing {
	s := sharing{reuse: sc.chance(0.3), reusePort: sc.chance(0.2)}
	if sc.chance(0.3) {
		s.owner = 1000
	}
	return s
}

func (s sharing) options() []nettest.Option {
	var options []nettest.Option
	if s.reuse {
		options = append(options, nettest.ReuseAddr())
	}
	if s.reusePort {
		options = append(options, nettest.ReusePort())
	}
	if s.owner != 0 {
		options = append(options, nettest.Owner(s.owner))
	}
	return options
}

// spot is a random local end in or near the range, and what the socket on it is like.
type spot struct {
	kind    nettest.Kind
	at      netip.AddrPort
	v6only  bool
	device  string
	sharing sharing
	options []nettest.Option
}

func (sc *scenario) spot(kinds map[bool]nettest.Kind) spot {
	s := spot{kind: kinds[false], sharing: sc.sharing()}
	addr := pick(sc, addrs4)
	switch sc.IntN(10) {
	case 0:
		addr = netip.IPv4Unspecified()
	case 1, 2:
		s.kind, addr = kinds[true], netip.IPv6Unspecified()
		s.v6only = sc.chance(0.5)
	case 3, 4:
		s.kind, addr = kinds[true], pick(sc, addrs6)
	case 5:
		s.kind = kinds[true] // mapped
	case 6:
		s.kind, addr = kinds[true], netip.IPv4Unspecified() // mapped too
	case 7:
		device := pick(sc, sc.devices)
		addr = pick(sc, voids[device].locals)
		s.kind = kinds[addr.Is6()]
	case 8:
		addr = netip.MustParseAddr("127.0.0.6") // what the kernel takes IPv6 for
	}
	s.at = netip.AddrPortFrom(addr, sc.portNearRange())
	return sc.dress(s)
}

// dress adds the options of the spot.
func (sc *scenario) dress(s spot) spot {
	s.device, s.options = "", s.sharing.options()
	if of6(s.kind) {
		s.options = append(s.options, nettest.V6Only(s.v6only))
	}
	if devices := sc.bindable(s.at.Addr()); len(devices) > 0 {
		if s.device = pick(sc, devices); s.device != "" {
			s.options = append(s.options, nettest.Device(s.device))
		}
	}
	return s
}

// bindable are the devices that a socket on the address may be bound to, "" for
// none, most of them that. A VRF's devices know its own addresses, and nobody else does.
func (sc *scenario) bindable(addr netip.Addr) []string {
	inVRF := sc.vrf && slices.Contains(voids[void0].locals, addr)
	switch {
	case addr.Zone() != "" || addr.Is6() && addr.IsLoopback():
		return nil
	case inVRF:
		return []string{void0, blue}
	case !sc.chance(0.2) && !(sc.vrf && addr.IsUnspecified() && sc.chance(0.6)):
		return nil
	}
	var devices []string
	for _, device := range sc.allDevices() {
		if !sc.vrf || addr.IsUnspecified() || device != void0 && device != blue {
			devices = append(devices, device)
		}
	}
	return devices
}

// asker is what judge is told of a socket of the spot.
func (sc *scenario) asker(proto port.Proto, s spot) judge.Asker {
	device := s.device
	if zone := s.at.Addr().Zone(); zone != "" {
		device = zone
	}
	return judge.Asker{
		Proto: proto, Local: s.at.Addr().WithZone(""), Family6: of6(s.kind), V6Only: s.v6only,
		Device: sc.index[device],
		Reuse:  s.sharing.reuse, ReusePort: s.sharing.reusePort, UID: uint32(s.sharing.owner),
	}
}

// ownRange is a range of the socket's own: in, across or out of the namespace's.
func (sc *scenario) ownRange() port.Range {
	a, b := sc.portNearRange(), sc.portNearRange()
	own := port.Range{Low: min(a, b), High: max(a, b)}
	switch sc.IntN(4) {
	case 0:
		own.Low = 0
	case 1:
		own.High = 0
	}
	return own
}
