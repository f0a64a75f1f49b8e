package exact

import (
	"errors"
	"net/netip"

	"portrange/internal/nettest"
)

// deed is one way to occupy ports.
type deed struct {
	name string
	do   func() error
}

func (sc *scenario) deeds() []deed {
	return []deed{
		{"connect", sc.connect},
		{"connect", sc.connect},
		{"bind before connect", sc.bindBeforeConnect},
		{"bind an explicit port before connect", sc.bindPortBeforeConnect},
		{"connect within a socket's own range", sc.connectInOwnRange},
		{"connect and never arrive", sc.connectVoid},
		{"TIME_WAIT", sc.timeWait},
		{"TIME_WAIT", sc.timeWait},
		{"TIME_WAIT of a bound port", sc.boundTimeWait},
		{"FIN_WAIT2", sc.finWait2},
		{"FIN_WAIT2 without a process", sc.orphanFinWait2},
		{"CLOSE_WAIT", sc.closeWait},
		{"listen in the range", sc.listenInRange},
		{"listen in the range and serve", sc.serveInRange},
		{"idle bind", sc.idleBind},
		{"bind and let go", sc.bindAndClose},
		{"disconnect", sc.disconnect},
		{"UDP bind", sc.udpBind},
		{"UDP connect", sc.udpConnect},
	}
}

// dialer is a random client: its kind, where it comes from and goes to.
type dialer struct {
	kind     nettest.Kind
	from, to netip.AddrPort
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
		d.options = append(d.options, nettest.Device("lo"))
	}
	return d
}

func (sc *scenario) server(to netip.AddrPort) *nettest.Socket {
	return sc.servers[to.Port()-firstServerPort]
}

func (sc *scenario) reuseOptions() []nettest.Option {
	var options []nettest.Option
	if sc.chance(0.3) {
		options = append(options, nettest.ReuseAddr())
	}
	if sc.chance(0.2) {
		options = append(options, nettest.ReusePort())
	}
	return options
}

// unbound is a client whose port connect() picks.
func (sc *scenario) unbound(d dialer) nettest.Dial {
	if sc.chance(0.4) {
		return func() (*nettest.Socket, error) { return sc.Connect(d.kind, d.to, d.options...) }
	}
	options := append(sc.reuseOptions(), nettest.BindNoPort())
	options = append(options, d.options...)
	return func() (*nettest.Socket, error) { return sc.BindConnect(d.kind, d.from, d.to, options...) }
}

// bound is a client whose port bind() picks or is told.
func (sc *scenario) bound(d dialer) nettest.Dial {
	options := append(sc.reuseOptions(), d.options...)
	return func() (*nettest.Socket, error) { return sc.BindConnect(d.kind, d.from, d.to, options...) }
}

func (sc *scenario) pair(d dialer, dial nettest.Dial) error {
	_, _, err := nettest.Pair(sc.server(d.to), dial)
	return err
}

func (sc *scenario) connect() error {
	d := sc.dialer()
	return sc.pair(d, sc.unbound(d))
}

func (sc *scenario) bindBeforeConnect() error {
	d := sc.dialer()
	return sc.pair(d, sc.bound(d))
}

func (sc *scenario) bindPortBeforeConnect() error {
	d := sc.dialer()
	d.from = netip.AddrPortFrom(d.from.Addr(), sc.portNearRange())
	return sc.pair(d, sc.bound(d))
}

func (sc *scenario) connectInOwnRange() error {
	d := sc.dialer()
	a, b := sc.portNearRange(), sc.portNearRange()
	d.options = append(d.options, nettest.LocalRange(min(a, b), max(a, b)))
	return sc.pair(d, sc.unbound(d))
}

func (sc *scenario) connectVoid() error {
	kind, to := nettest.TCP4, pick(sc, void4)
	if sc.chance(0.4) {
		kind, to = nettest.TCP6, pick(sc, void6)
	}
	options := []nettest.Option{nettest.NonBlock()}
	if sc.chance(0.3) {
		options = append(options, nettest.Device(blackholeDevice))
	}
	_, err := sc.Connect(kind, netip.AddrPortFrom(to, 80), options...)
	return err
}

func (sc *scenario) timeWait() error {
	d := sc.dialer()
	_, err := nettest.TimeWait(sc.server(d.to), 1, sc.unbound(d))
	return err
}

func (sc *scenario) boundTimeWait() error {
	d := sc.dialer()
	_, err := nettest.TimeWait(sc.server(d.to), 1, sc.bound(d))
	return err
}

func (sc *scenario) finWait2() error {
	d := sc.dialer()
	_, _, err := nettest.FinWait2(sc.server(d.to), sc.unbound(d))
	return err
}

func (sc *scenario) orphanFinWait2() error {
	d := sc.dialer()
	client, _, err := nettest.FinWait2(sc.server(d.to), sc.unbound(d))
	if err != nil {
		return err
	}
	return client.Close()
}

func (sc *scenario) closeWait() error {
	d := sc.dialer()
	_, err := nettest.CloseWait(sc.server(d.to), sc.unbound(d))
	return err
}

// place is a random local end in or near the range, with a kind that fits.
func (sc *scenario) place() (nettest.Kind, netip.AddrPort, []nettest.Option) {
	options := sc.reuseOptions()
	p := sc.portNearRange()
	switch sc.IntN(5) {
	case 0:
		return nettest.TCP4, netip.AddrPortFrom(netip.IPv4Unspecified(), p), options
	case 1:
		options = append(options, nettest.V6Only(sc.chance(0.5)))
		return nettest.TCP6, netip.AddrPortFrom(netip.IPv6Unspecified(), p), options
	case 2:
		return nettest.TCP6, netip.AddrPortFrom(pick(sc, addrs6), p), options
	case 3:
		return nettest.TCP6, netip.AddrPortFrom(pick(sc, addrs4), p), options
	}
	return nettest.TCP4, netip.AddrPortFrom(pick(sc, addrs4), p), options
}

func (sc *scenario) listenInRange() error {
	kind, at, options := sc.place()
	_, err := sc.Listen(kind, at, options...)
	return err
}

// serveInRange leaves an accepted connection, sometimes without its listener.
func (sc *scenario) serveInRange() error {
	kind, addrs := nettest.TCP4, addrs4
	if sc.chance(0.4) {
		kind, addrs = nettest.TCP6, addrs6
	}
	at := netip.AddrPortFrom(pick(sc, addrs), sc.portNearRange())
	var options []nettest.Option // not SO_REUSEPORT: its connections may go to another socket
	if sc.chance(0.3) {
		options = append(options, nettest.ReuseAddr())
	}
	listener, err := sc.Listen(kind, at, options...)
	if err != nil {
		return err
	}
	dial := func() (*nettest.Socket, error) { return sc.Connect(kind, at) }
	client, server, err := nettest.Pair(listener, dial)
	if err != nil {
		return err
	}
	if sc.chance(0.3) {
		err = listener.Close()
	}
	if sc.chance(0.3) {
		return errors.Join(err, server.Close(), client.Close()) // the server's end goes to TIME_WAIT
	}
	return err
}

func (sc *scenario) idleBind() error {
	kind, at, options := sc.place()
	if sc.chance(0.5) {
		at = netip.AddrPortFrom(at.Addr(), 0)
	}
	_, err := sc.Bind(kind, at, options...)
	return err
}

// bindAndClose makes a bucket change hands: a bound socket comes and goes,
// perhaps beside one that connect() put there.
func (sc *scenario) bindAndClose() error {
	kind, at, _ := sc.place()
	s, err := sc.Bind(kind, at, nettest.ReuseAddr())
	if err != nil {
		return err
	}
	d := sc.dialer()
	d.from = netip.AddrPortFrom(d.from.Addr(), at.Port())
	d.options = append(d.options, nettest.ReuseAddr())
	err = sc.pair(d, sc.bound(d))
	return errors.Join(err, s.Close())
}

// disconnect leaves a socket that was connected: bound still, or without a port.
func (sc *scenario) disconnect() error {
	d := sc.dialer()
	dial := sc.unbound(d)
	if sc.chance(0.5) {
		dial = sc.bound(d)
	}
	client, server, err := nettest.Pair(sc.server(d.to), dial)
	if err != nil {
		return err
	}
	return errors.Join(client.Disconnect(), server.Reset())
}

func (sc *scenario) udpPlace() (nettest.Kind, netip.AddrPort, []nettest.Option) {
	kind, at, options := sc.place()
	if kind == nettest.TCP4 {
		return nettest.UDP4, at, options
	}
	return nettest.UDP6, at, options
}

func (sc *scenario) udpBind() error {
	kind, at, options := sc.udpPlace()
	if sc.chance(0.4) {
		at = netip.AddrPortFrom(at.Addr(), 0)
	}
	if sc.chance(0.15) {
		options = append(options, nettest.Device("lo"))
	}
	_, err := sc.Bind(kind, at, options...)
	return err
}

func (sc *scenario) udpConnect() error {
	kind, to, options := sc.udpPlace()
	if to.Addr().IsUnspecified() {
		return nil
	}
	_, err := sc.Connect(kind, netip.AddrPortFrom(to.Addr(), 53), options...)
	return err
}
