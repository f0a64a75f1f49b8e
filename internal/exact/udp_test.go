package exact

import (
	"net/netip"

	"portrange/internal/nettest"
)

func (sc *scenario) udpDeeds() []deed {
	return []deed{
		{"UDP bind", sc.udpBind},
		{"UDP bind", sc.udpBind},
		{"UDP bind before connect", sc.udpBindConnect},
		{"UDP connect", sc.udpConnect},
		{"UDP connect", sc.udpConnect},
		{"UDP send", sc.udpSend},
		{"UDP disconnect", sc.udpDisconnect},
	}
}

func (sc *scenario) udpBind() error {
	s := sc.spot(udpKinds)
	if sc.chance(0.4) {
		s.at = netip.AddrPortFrom(s.at.Addr(), 0)
	}
	_, err := sc.Bind(s.kind, s.at, s.options...)
	return err
}

// udpDialer goes over lo or through a device.
func (sc *scenario) udpDialer() dialer {
	d := sc.voidDialer(udpKinds)
	if sc.chance(0.5) {
		d = sc.dialer()
		d.kind = udpKinds[d.kind == nettest.TCP6]
	}
	d.options = append(d.options, sc.sharing().wish().options...)
	return d
}

func (sc *scenario) udpBindConnect() error {
	d := sc.udpDialer()
	if sc.chance(0.5) {
		d.from = netip.AddrPortFrom(d.from.Addr(), sc.portNearRange())
	}
	_, err := sc.BindConnect(d.kind, d.from, d.to, d.options...)
	return err
}

func (sc *scenario) udpConnect() error {
	d := sc.udpDialer()
	_, err := sc.Connect(d.kind, d.to, d.options...)
	return err
}

// udpSend leaves a socket with a port and no address.
func (sc *scenario) udpSend() error {
	d := sc.udpDialer()
	_, err := sc.SendFrom(d.kind, d.to, d.options...)
	return err
}

// udpDisconnect leaves what was bound, or nothing.
func (sc *scenario) udpDisconnect() error {
	d := sc.udpDialer()
	dial := func() (*nettest.Socket, error) { return sc.Connect(d.kind, d.to, d.options...) }
	if sc.chance(0.5) {
		dial = func() (*nettest.Socket, error) { return sc.BindConnect(d.kind, d.from, d.to, d.options...) }
	}
	s, err := dial()
	if err != nil {
		return err
	}
	return s.Disconnect()
}
