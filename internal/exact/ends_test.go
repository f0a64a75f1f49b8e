package exact

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"

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

// foreign are addresses of nobody here, for sockets with IP_TRANSPARENT.
var foreign = parseAddrs("203.0.113.200", "fd99::200")

// dialer is a random client: its kind, where it comes from and goes to.
type dialer struct {
	wish
	kind     nettest.Kind
	from, to netip.AddrPort
	// chosen says that connect() takes the address from by itself.
	chosen bool
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
	d.chosen = d.from.Addr() == d.to.Addr()
	return sc.dualStack(d)
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
	d.chosen = true
	if remote.Zone() == "" && sc.chance(0.15) {
		d.impersonate()
	}
	return sc.dualStack(d)
}

func (d *dialer) bindTo(device string) { d.add(nettest.Device(device), "--device", device) }

// impersonate has the client come from an address that is not the host's.
func (d *dialer) impersonate() {
	from := foreign[0]
	if d.to.Addr().Is6() {
		from = foreign[1]
	}
	d.from, d.chosen = netip.AddrPortFrom(from, 0), false
	d.add(nettest.Transparent(d.kind), "--transparent")
}

// dualStack lets an AF_INET6 socket speak IPv4 whatever bindv6only says, or leaves
// it as that has it.
func (sc *scenario) dualStack(d dialer) dialer {
	if of6(d.kind) && (sc.v6only && d.to.Addr().Is4() || sc.chance(0.5)) {
		d.add(nettest.V6Only(false), "--v6only=false")
	}
	return d
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

func (s sharing) wish() wish {
	var w wish
	if s.reuse {
		w.add(nettest.ReuseAddr(), "--reuse")
	}
	if s.reusePort {
		w.add(nettest.ReusePort(), "--reuseport")
	}
	if s.owner != 0 {
		w.add(nettest.Owner(s.owner), "--uid", strconv.Itoa(s.owner))
	}
	return w
}

// spot is a random local end in or near the range, and what the socket on it is like.
type spot struct {
	wish
	kind    nettest.Kind
	at      netip.AddrPort
	v6only  bool
	device  string
	sharing sharing
	// socketRange is the spot's own range, nil for none.
	socketRange *port.Range
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
	case 9:
		if sc.chance(0.3) {
			addr = pick(sc, foreign)
			s.kind = kinds[addr.Is6() || sc.chance(0.3)]
		}
	}
	s.at = netip.AddrPortFrom(addr, sc.portNearRange())
	return sc.dress(s)
}

// dress adds what the spot asks of a socket.
func (sc *scenario) dress(s spot) spot {
	s.device, s.wish = "", s.sharing.wish()
	if of6(s.kind) {
		s.add(nettest.V6Only(s.v6only), fmt.Sprintf("--v6only=%t", s.v6only))
	}
	if slices.Contains(foreign, s.at.Addr()) {
		s.add(nettest.Transparent(s.kind), "--transparent")
	}
	if devices := sc.bindable(s.at.Addr()); len(devices) > 0 {
		if s.device = pick(sc, devices); s.device != "" {
			s.add(nettest.Device(s.device), "--device", s.device)
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

// opposite is a destination that a socket of the spot can reach.
func (sc *scenario) opposite(s spot) netip.AddrPort {
	addr, device := s.at.Addr(), s.device
	for name, network := range voids {
		if slices.Contains(network.locals, addr) && device == "" {
			device = name // it leads out of the device of its address
		}
	}
	network, leadsOut := voids[device]
	if device == blue {
		network, leadsOut = voids[void0], true
	}
	remote := addr
	switch {
	case leadsOut && addr.Zone() != "":
		remote = network.remotes[2]
	case leadsOut && addr.Is6():
		remote = network.remotes[1]
	case leadsOut:
		remote = network.remotes[0]
	case slices.Contains(foreign, addr), addr.IsUnspecified():
		remote = addrs4[1]
		if addr.Is6() {
			remote = addrs6[1]
		}
	}
	return netip.AddrPortFrom(remote, uint16(firstServerPort))
}

// inOwnRange is a range of the socket's own: in, across or out of the namespace's.
func (sc *scenario) inOwnRange() (own port.Range, w wish) {
	a, b := sc.portNearRange(), sc.portNearRange()
	own = port.Range{Low: min(a, b), High: max(a, b)}
	switch sc.IntN(4) {
	case 0:
		own.Low = 0
	case 1:
		own.High = 0
	}
	w.add(nettest.LocalRange(own.Low, own.High), "--socket-range", fmt.Sprintf("%d-%d", own.Low, own.High))
	return own, w
}
