package exact

import (
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
	name    string
	ask     func(ns *host.Namespace) answer
	dial    nettest.Dial
	refusal error // what the kernel answers when the pool is empty
}

// answer is the number of ports left, and by how many it may be off.
type answer struct{ left, tooMany, tooFew int }

// answerOf takes the bound for what an exact answer allows, or another one.
func answerOf(ns *host.Namespace, left, bound int) answer {
	if judge.Exact(ns) {
		return answer{left: left, tooMany: bound}
	}
	return answer{left: left, tooMany: bound, tooFew: bound}
}

func (sc *scenario) question() question {
	switch sc.IntN(6) {
	case 0:
		return sc.askBind(port.TCP)
	case 1:
		return sc.askBind(port.UDP)
	case 2:
		return sc.askUDPConnect()
	}
	return sc.askConnect()
}

// askConnect asks for a TCP tuple: one in use more often than not.
func (sc *scenario) askConnect() question {
	d := sc.dialer()
	if sc.chance(0.15) {
		return sc.askVoid()
	}
	tuple := port.Tuple{Proto: port.TCP, Local: d.from.Addr(), Remote: d.to}
	options := append([]nettest.Option{nettest.BindNoPort(), nettest.NonBlock()}, d.options...)
	if len(d.options) > 0 {
		tuple.Device = 1
	}
	dial := func() (*nettest.Socket, error) { return sc.BindConnect(d.kind, d.from, d.to, options...) }
	if d.from.Addr() == d.to.Addr() && sc.chance(0.5) {
		dial = func() (*nettest.Socket, error) { return sc.Connect(d.kind, d.to, options[1:]...) }
	}
	return tupleQuestion(tuple, d.kind, dial)
}

func (sc *scenario) askVoid() question {
	local, remote := netip.MustParseAddr("192.0.2.1"), pick(sc, void4)
	kind := nettest.TCP4
	if sc.chance(0.4) {
		kind, local, remote = nettest.TCP6, netip.MustParseAddr("fd01::1"), pick(sc, void6)
	}
	to := netip.AddrPortFrom(remote, 80)
	dial := func() (*nettest.Socket, error) { return sc.Connect(kind, to, nettest.NonBlock()) }
	return tupleQuestion(port.Tuple{Proto: port.TCP, Local: local, Remote: to}, kind, dial)
}

func tupleQuestion(tuple port.Tuple, kind nettest.Kind, dial nettest.Dial) question {
	return question{
		name: fmt.Sprintf("connect %s %v → %v device %d", kind, tuple.Local, tuple.Remote, tuple.Device),
		ask: func(ns *host.Namespace) answer {
			pool := judge.Left(ns, tuple)
			return answerOf(ns, pool.Left, pool.ErrorBound)
		},
		dial: dial, refusal: unix.EADDRNOTAVAIL,
	}
}

// askBind asks for bind(addr, 0) of a local address or the unspecified one.
func (sc *scenario) askBind(proto port.Proto) question {
	kind, at, _ := sc.place()
	options := []nettest.Option(nil)
	if at.Addr() == netip.IPv6Unspecified() {
		options = append(options, nettest.V6Only(false))
	}
	if proto == port.UDP {
		kind = map[nettest.Kind]nettest.Kind{nettest.TCP4: nettest.UDP4, nettest.TCP6: nettest.UDP6}[kind]
	}
	at = netip.AddrPortFrom(at.Addr(), 0)
	return question{
		name: fmt.Sprintf("bind %s %v", kind, at),
		ask:  localPool(proto, at.Addr()),
		dial: func() (*nettest.Socket, error) { return sc.Bind(kind, at, options...) }, refusal: unix.EADDRINUSE,
	}
}

// askUDPConnect asks for what unbound UDP sockets draw on.
func (sc *scenario) askUDPConnect() question {
	kind, unbound, to := nettest.UDP4, netip.IPv4Unspecified(), pick(sc, addrs4)
	if sc.chance(0.4) {
		kind, unbound, to = nettest.UDP6, netip.IPv6Unspecified(), pick(sc, addrs6)
	}
	remote := netip.AddrPortFrom(to, 53)
	return question{
		name: fmt.Sprintf("connect %s → %v", kind, remote),
		ask:  localPool(port.UDP, unbound),
		dial: func() (*nettest.Socket, error) { return sc.Connect(kind, remote) }, refusal: unix.EAGAIN,
	}
}

func localPool(proto port.Proto, addr netip.Addr) func(*host.Namespace) answer {
	return func(ns *host.Namespace) answer {
		pool := judge.LeftLocal(ns, proto, addr)
		return answerOf(ns, pool.Left, pool.ErrorBound)
	}
}

// exhaust opens sockets until the kernel refuses, and says how many it granted.
func (q question) exhaust() (int, error) {
	granted, err := nettest.Fill(q.dial)
	if !errors.Is(err, q.refusal) {
		return granted, fmt.Errorf("the kernel refused with %w, want %w", err, q.refusal)
	}
	return granted, nil
}
