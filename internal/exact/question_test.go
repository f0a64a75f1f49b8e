package exact

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/nettest"
	"portrange/internal/port"
)

// question is one pool: what portrange says of it, and how to empty it.
type question struct {
	class   string // of questions
	name    string
	ask     func(ns *host.Namespace) answer
	dial    nettest.Dial
	refusal error // what the kernel answers when the pool is empty
}

// answer is the number of ports left, and how far it is to be trusted.
type answer struct {
	left, bound int
	exact       bool
	endless     bool
}

// enough sockets show that there is no end: several on each port that there can be.
func (sc *scenario) enough() int { return 2*int(sc.high-sc.low) + 20 }

// agrees reports whether the answer is what the kernel granted.
func (sc *scenario) agrees(a answer, granted int) bool {
	switch {
	case a.endless && a.exact || granted >= sc.enough():
		return a.endless == (granted >= sc.enough()) || !a.exact
	case a.exact:
		return granted <= a.left && granted >= a.left-a.bound
	}
	return granted <= a.left+a.bound && granted >= a.left-a.bound
}

func (sc *scenario) question(ctx context.Context) (question, error) {
	if sc.routed && sc.chance(0.4) {
		return sc.askRouted(ctx)
	}
	return sc.askAnything(), nil
}

func (sc *scenario) askAnything() question {
	if sc.mostlyUDP {
		return pick(sc, []func() question{sc.askUDPBind, sc.askUDPConnect, sc.askUDPConnect, sc.askTCPBind, sc.askConnect})()
	}
	return pick(sc, []func() question{sc.askConnect, sc.askConnect, sc.askConnect, sc.askTCPBind, sc.askUDPBind, sc.askUDPConnect})()
}

// askConnect asks for a TCP tuple: one in use more often than not.
func (sc *scenario) askConnect() question {
	d := sc.dialer()
	local := d.from
	options := append([]nettest.Option{nettest.NonBlock()}, d.options...)
	if sc.chance(0.4) {
		d = sc.voidDialer(tcpKinds)
		local, options = d.from, append([]nettest.Option{nettest.NonBlock()}, d.options...)
	}
	asker := judge.Asker{Proto: port.TCP, Local: local.Addr().WithZone(""), Family6: of6(d.kind), Device: sc.index[d.zone()]}
	if sc.chance(0.2) {
		own := sc.ownRange()
		asker.SocketRange, options = &own, append(options, nettest.LocalRange(own.Low, own.High))
	}
	dial := func() (*nettest.Socket, error) {
		return sc.BindConnect(d.kind, local, d.to, append(options, nettest.BindNoPort())...)
	}
	if sc.chosenByRouting(local, d.to) && sc.chance(0.5) {
		dial = func() (*nettest.Socket, error) { return sc.Connect(d.kind, d.to, options...) }
	}
	return connectQuestion(asker, d, dial)
}

// chosenByRouting reports whether connect() takes this address by itself.
func (sc *scenario) chosenByRouting(local, to netip.AddrPort) bool {
	for _, network := range voids {
		for _, remote := range network.remotes {
			if remote == to.Addr() {
				return true
			}
		}
	}
	return local.Addr() == to.Addr()
}

func connectQuestion(asker judge.Asker, d dialer, dial nettest.Dial) question {
	remote := netip.AddrPortFrom(d.to.Addr().WithZone(""), d.to.Port())
	return question{
		class: "TCP connect",
		name:  fmt.Sprintf("connect %s %+v → %v", d.kind, asker, d.to),
		ask: func(ns *host.Namespace) answer {
			pool := judge.Left(ns, &asker, remote)
			return answer{left: pool.Left, bound: pool.ErrorBound, exact: pool.Exact}
		},
		dial: dial, refusal: unix.EADDRNOTAVAIL,
	}
}

func (sc *scenario) askTCPBind() question { return sc.askBind(port.TCP, tcpKinds) }
func (sc *scenario) askUDPBind() question { return sc.askBind(port.UDP, udpKinds) }

// askBind asks for bind() to port 0 of some address.
func (sc *scenario) askBind(proto port.Proto, kinds map[bool]nettest.Kind) question {
	s := sc.spot(kinds)
	if sc.chance(0.5) {
		s.sharing = sharing{}
		s = sc.dress(s)
	}
	asker := sc.asker(proto, s)
	if sc.chance(0.2) {
		own := sc.ownRange()
		asker.SocketRange, s.options = &own, append(s.options, nettest.LocalRange(own.Low, own.High))
	}
	at := netip.AddrPortFrom(s.at.Addr(), 0)
	q := localQuestion(asker, fmt.Sprintf("bind %s %v %+v", s.kind, at, asker))
	q.dial = func() (*nettest.Socket, error) { return sc.Bind(s.kind, at, s.options...) }
	q.class, q.refusal = asker.Proto.String()+" bind", unix.EADDRINUSE
	return q
}

// askUDPConnect asks for what unbound UDP sockets draw on: they have no address
// yet, whereto and how they are going to go.
func (sc *scenario) askUDPConnect() question {
	d := sc.voidDialer(udpKinds)
	if sc.chance(0.5) {
		d = sc.dialer()
		d.kind = udpKinds[of6(d.kind)]
	}
	asker := judge.Asker{Proto: port.UDP, Local: netip.IPv4Unspecified(), Family6: of6(d.kind), Device: sc.index[d.device]}
	if asker.Family6 {
		asker.Local = netip.IPv6Unspecified()
		if d.to.Addr().Is6() && sc.chance(0.3) {
			asker.V6Only, d.options = true, append(d.options, nettest.V6Only(true))
		}
	}
	if sc.chance(0.3) {
		sharing := sc.sharing()
		asker.Reuse, asker.ReusePort, asker.UID = sharing.reuse, sharing.reusePort, uint32(sharing.owner)
		d.options = append(d.options, sharing.options()...)
	}
	q := localQuestion(asker, fmt.Sprintf("connect %s %+v → %v", d.kind, asker, d.to))
	q.dial = func() (*nettest.Socket, error) { return sc.Connect(d.kind, d.to, d.options...) }
	if sc.chance(0.3) {
		q.dial = func() (*nettest.Socket, error) { return sc.SendFrom(d.kind, d.to, d.options...) }
	}
	q.class, q.refusal = "UDP connect", unix.EAGAIN
	return q
}

func localQuestion(asker judge.Asker, name string) question {
	return question{name: name, ask: func(ns *host.Namespace) answer {
		pool := judge.LeftLocal(ns, &asker)
		return answer{left: pool.Left, bound: pool.ErrorBound, exact: pool.Exact, endless: pool.Endless}
	}}
}

// exhaust opens sockets until the kernel refuses, and says how many it granted.
// It stops at enough, which only sockets that share ports reach.
func (q question) exhaust(enough int) (int, error) {
	granted := 0
	err := error(nil)
	for ; err == nil && granted < enough; granted++ {
		if _, err = q.dial(); err != nil {
			break
		}
	}
	if err != nil && !errors.Is(err, q.refusal) {
		return granted, fmt.Errorf("the kernel refused with %w, want %w", err, q.refusal)
	}
	return granted, nil
}
