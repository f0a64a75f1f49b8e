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
		{"connect where routing leads", sc.connectRouted},
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
	}
}

func (sc *scenario) server(to netip.AddrPort) *nettest.Socket {
	return sc.servers[to.Port()-firstServerPort]
}

// unbound is a client whose port connect() picks.
func (sc *scenario) unbound(d dialer) nettest.Dial {
	if sc.chance(0.4) {
		return func() (*nettest.Socket, error) { return sc.Connect(d.kind, d.to, d.options...) }
	}
	options := append(sc.sharing().wish().options, nettest.BindNoPort())
	options = append(options, d.options...)
	return func() (*nettest.Socket, error) { return sc.BindConnect(d.kind, d.from, d.to, options...) }
}

// bound is a client whose port bind() picks or is told.
func (sc *scenario) bound(d dialer) nettest.Dial {
	options := append(sc.sharing().wish().options, d.options...)
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
	d := sc.voidDialer(tcpKinds)
	d.options = append(d.options, nettest.NonBlock())
	if sc.chance(0.3) {
		_, err := sc.BindConnect(d.kind, d.from, d.to, append(sc.sharing().wish().options, d.options...)...)
		return err
	}
	_, err := sc.Connect(d.kind, d.to, d.options...)
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

func (sc *scenario) listenInRange() error {
	s := sc.spot(tcpKinds)
	_, err := sc.Listen(s.kind, s.at, s.options...)
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
	s := sc.spot(tcpKinds)
	if sc.chance(0.5) {
		s.at = netip.AddrPortFrom(s.at.Addr(), 0)
	}
	_, err := sc.Bind(s.kind, s.at, s.options...)
	return err
}

// bindAndClose makes a bucket change hands: a bound socket comes and goes,
// perhaps beside one that connect() put there.
func (sc *scenario) bindAndClose() error {
	at := sc.spot(tcpKinds)
	s, err := sc.Bind(at.kind, at.at, append(at.options, nettest.ReuseAddr())...)
	if err != nil {
		return err
	}
	d := sc.dialer()
	d.from = netip.AddrPortFrom(d.from.Addr(), at.at.Port())
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
