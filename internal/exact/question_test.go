package exact

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/nettest"
	"portrange/internal/port"
)

// question is one pool: how the command line is asked of it, and how to empty it.
type question struct {
	class   string // of questions
	name    string
	args    []string // of `portrange left`
	dial    nettest.Dial
	refusal error // what the kernel answers when the pool is empty
	// judged asks judge instead, for what the command line has no question about.
	judged func(ns *host.Namespace) answer
	// wayless says that the kernel refuses for another reason than ports.
	wayless bool
	hooked  bool // programs of the control group may have a say
	// connect has a socket that was only bound go on to its destination; nil where
	// they are there.
	connect func() error
}

// answer is the number of ports left, and how far it is to be trusted.
type answer struct {
	left, bound int
	exact       bool
	onlyFewer   bool // than left may there be
	endless     bool
	doubts      []judge.Doubt
	sources     int    // how many pools it is the sum of
	refused     string // why there is none
}

// enough sockets show that there is no end: several on each port that there can be.
func (sc *scenario) enough() int { return 2*int(sc.high-sc.low) + 20 }

// agrees reports whether the answer is what the kernel granted.
func (sc *scenario) agrees(a answer, granted int) bool {
	switch {
	case a.endless && a.exact || granted >= sc.enough():
		return a.endless == (granted >= sc.enough()) || !a.exact
	case a.exact || a.onlyFewer:
		return granted <= a.left && granted >= a.left-a.bound
	}
	return granted <= a.left+a.bound && granted >= a.left-a.bound
}

// story is what was asked, and how.
func (q question) story() string {
	return fmt.Sprintf("%s, left %s", q.name, strings.Join(q.args, " "))
}

func (sc *scenario) question() question {
	switch {
	case sc.routed && sc.chance(0.4):
		return sc.askRouted()
	case sc.chance(0.04):
		return sc.askWayless()
	case sc.mostlyUDP:
		return pick(sc, []func() question{sc.askUDPBind, sc.askUDPConnect, sc.askUDPConnect, sc.askTCPBind, sc.askConnect})()
	}
	return pick(sc, []func() question{sc.askConnect, sc.askConnect, sc.askConnect, sc.askTCPBind, sc.askUDPBind, sc.askUDPConnect})()
}

// askConnect asks for a TCP tuple: one in use more often than not.
func (sc *scenario) askConnect() question {
	d := sc.dialer()
	if sc.chance(0.4) {
		d = sc.voidDialer(tcpKinds)
	}
	d.options = append(d.options, nettest.NonBlock())
	if sc.chance(0.2) {
		_, own := sc.inOwnRange()
		d.wish = d.wish.also(own)
	}
	q := question{class: "TCP connect", refusal: unix.EADDRNOTAVAIL}
	q.dial = func() (*nettest.Socket, error) {
		return sc.BindConnect(d.kind, d.from, d.to, append(d.options, nettest.BindNoPort())...)
	}
	q.args = sc.towards(d, "--local", spelled(d.kind, d.from.Addr()).String())
	if d.chosen && sc.chance(0.5) {
		q.dial = func() (*nettest.Socket, error) { return sc.Connect(d.kind, d.to, d.options...) }
		if sc.chance(0.5) { // else it is known where it comes from, though nobody bound it
			q.args = sc.towards(d)
		}
	}
	q.name = fmt.Sprintf("connect %s %v → %v", d.kind, d.from, d.to)
	return q
}

// towards are the arguments of a question about a client.
func (sc *scenario) towards(d dialer, more ...string) []string {
	return slices.Concat(d.flags, more, []string{destination(d.kind, d.to)})
}

// askWayless asks where no way leads to, or not from that address: a number, if
// any, must not be called exact.
func (sc *scenario) askWayless() question {
	kinds, proto, class := tcpKinds, "tcp", "TCP without a way"
	if sc.chance(0.4) {
		kinds, proto, class = udpKinds, "udp", "UDP without a way"
	}
	d := dialer{kind: kinds[false], to: netip.MustParseAddrPort("198.18.0.1:80")}
	d.from = netip.AddrPortFrom(pick(sc, addrs4[1:]), 0)
	switch sc.IntN(4) {
	case 0:
		d.kind, d.from, d.to = kinds[true], netip.AddrPortFrom(addrs6[1], 0), netip.MustParseAddrPort("[fd77::1]:80")
	case 1:
		d.from, d.to = netip.AddrPortFrom(addrs4[0], 0), netip.AddrPortFrom(voids[void0].remotes[0], 80)
	case 2: // what a socket with IPV6_V6ONLY does not reach
		d.kind = kinds[true]
		d.to = netip.AddrPortFrom(addrs4[1], firstServerPort)
		d.add(nettest.V6Only(true), "--v6only")
	}
	q := question{class: class, wayless: true, name: fmt.Sprintf("connect %s %v → %v", d.kind, d.from, d.to)}
	q.args = sc.towards(d, "--proto", proto, "--local", spelled(d.kind, d.from.Addr()).String())
	q.dial = func() (*nettest.Socket, error) {
		return sc.BindConnect(d.kind, d.from, d.to, append(d.options, nettest.BindNoPort())...)
	}
	return q
}

func (sc *scenario) askTCPBind() question { return sc.askBind(port.TCP, tcpKinds) }
func (sc *scenario) askUDPBind() question { return sc.askBind(port.UDP, udpKinds) }

// askBind asks for bind() to port 0 of some address. Sockets of TCP may go on to
// connect, which takes no more ports.
func (sc *scenario) askBind(proto port.Proto, kinds map[bool]nettest.Kind) question {
	s := sc.spot(kinds)
	if sc.chance(0.5) {
		s.sharing = sharing{}
		s = sc.dress(s)
	}
	if sc.chance(0.2) {
		own, wanted := sc.inOwnRange()
		s.socketRange, s.wish = &own, s.wish.also(wanted)
	}
	at, to := netip.AddrPortFrom(s.at.Addr(), 0), sc.opposite(s)
	var last *nettest.Socket
	s.options = append(s.options, nettest.NonBlock())
	q := question{
		class: proto.String() + " bind", refusal: unix.EADDRINUSE, name: fmt.Sprintf("bind %s %v, to %v", s.kind, at, to),
		dial: func() (bound *nettest.Socket, err error) {
			if bound, err = sc.Bind(s.kind, at, s.options...); err == nil {
				last = bound
			}
			return bound, err
		},
		connect: func() error { return last.Connect(to) },
	}
	if proto == port.TCP && sc.autobindReuse && s.sharing.reuse {
		if sc.chance(0.5) {
			q.judged = sc.judgeBind(proto, s)
			return q
		}
		q.class, q.connect = "tcp bind and connect", nil
		q.dial = func() (*nettest.Socket, error) {
			bound, err := sc.BindConnect(s.kind, at, to, s.options...)
			if errors.Is(err, unix.EADDRNOTAVAIL) { // bind() shared a port that is connected there already
				err = unix.EADDRINUSE
			}
			return bound, err
		}
	}
	q.args = slices.Concat(s.flags, []string{"--bind", "--proto", proto.String()})
	if at.Addr() != netip.IPv4Unspecified() || of6(s.kind) || sc.chance(0.5) {
		q.args = append(q.args, "--local", spelled(s.kind, at.Addr()).String())
	}
	q.args = append(q.args, destination(s.kind, to))
	return q
}

// judgeBind asks of bind() alone, without a destination: where
// net.ipv4.ip_autobind_reuse shares ports, that is another question.
func (sc *scenario) judgeBind(proto port.Proto, s spot) func(ns *host.Namespace) answer {
	asker := judge.Asker{
		Proto: proto, Local: s.at.Addr().WithZone(""), Family6: of6(s.kind), V6Only: s.v6only,
		Device: sc.index[cmp.Or(s.at.Addr().Zone(), s.device)], SocketRange: s.socketRange,
		Reuse: s.sharing.reuse, ReusePort: s.sharing.reusePort, UID: uint32(s.sharing.owner),
	}
	return func(ns *host.Namespace) answer {
		pool := judge.LeftLocal(ns, &asker)
		return answer{left: pool.Left, bound: pool.ErrorBound, exact: pool.Exact, endless: pool.Endless, sources: 1}
	}
}

// askUDPConnect asks for what unbound UDP sockets draw on: they have no address
// yet, whereto and how they are going to go.
func (sc *scenario) askUDPConnect() question {
	d := sc.voidDialer(udpKinds)
	if sc.chance(0.5) {
		d = sc.dialer()
		d.kind = udpKinds[of6(d.kind)]
	}
	for !d.chosen && slices.Contains(foreign, d.from.Addr()) { // it is not bound
		d = sc.voidDialer(udpKinds)
	}
	if of6(d.kind) && d.to.Addr().Is6() && sc.chance(0.3) {
		d.add(nettest.V6Only(true), "--v6only")
	}
	if sc.chance(0.3) {
		d.wish = d.wish.also(sc.sharing().wish())
	}
	q := question{
		class: "UDP connect", refusal: unix.EAGAIN, name: fmt.Sprintf("connect %s → %v", d.kind, d.to),
		args: sc.towards(d, "--proto", "udp"),
		dial: func() (*nettest.Socket, error) { return sc.Connect(d.kind, d.to, d.options...) },
	}
	if sc.chance(0.3) {
		q.dial = func() (*nettest.Socket, error) { return sc.SendFrom(d.kind, d.to, d.options...) }
	}
	return q
}

// holdsWay holds what is said of the way to the destination against connect().
func (q question) holdsWay(said []answer) error {
	err := q.connect()
	if errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, unix.EADDRINUSE) {
		err = nil // it is not for want of a way
	}
	for _, a := range said {
		doubted := slices.Contains(a.doubts, judge.DoubtNoRoute)
		if q.judged == nil && a.left > 0 && doubted != (err != nil) {
			return fmt.Errorf("%s: said %+v, connect(): %w", q.story(), a, err)
		}
	}
	return nil
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
