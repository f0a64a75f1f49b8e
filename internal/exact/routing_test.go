package exact

import (
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"

	"portrange/internal/nettest"
)

// Beyond both voids there is more, and routing decides through which one.
var beyond = parseAddrs("203.0.113.1", "203.0.113.2", "fd09::1", "fd09::2")

// addRouting makes routing decide by what the socket is like, or at random.
func (sc *scenario) addRouting() error {
	if len(sc.devices) < 2 || sc.vrf || !*routing || !sc.chance(0.5) {
		return nil
	}
	sc.routed = true
	if sc.chance(0.5) {
		return sc.addMultipath()
	}
	if sc.chance(0.2) { // without a source no way leads there
		return sc.ip("route add 203.0.113.0/24 via 192.0.2.77", "-6 route add fd09::/64 via fd02::77 table 7",
			pick(sc, []string{"-6 rule add from fc00::/7 table 7", "-6 rule add not from fd01::/64 table 7"}))
	}
	rule := pick(sc, []string{
		"ipproto tcp", "ipproto udp", "dport 81", "dport 81-90 ipproto tcp", "uidrange 1000-1000", "fwmark 5", "tos 0x10",
		fmt.Sprintf("sport %d-%d", sc.low, sc.low+(sc.high-sc.low)/2),
	})
	return sc.ip(
		"route add 203.0.113.0/24 via 192.0.2.77",
		"route add 203.0.113.0/24 via 198.51.100.77 table 7",
		"rule add "+rule+" table 7",
		"-6 route add fd09::/64 via fd01::77",
		"-6 route add fd09::/64 via fd02::77 table 7",
		"-6 rule add "+rule+" table 7",
	)
}

func (sc *scenario) addMultipath() error {
	policy := fmt.Sprint(sc.IntN(4))
	sc.multipath = true
	sc.note("fib_multipath_hash_policy = %s", policy)
	v4 := "route add 203.0.113.0/24 nexthop via 192.0.2.77 nexthop via 198.51.100.77"
	if sc.chance(0.4) {
		told := fmt.Sprint(sc.IntN(2))
		sc.note("nexthop_compat_mode = %s", told)
		err := errors.Join(sc.WriteSysctl("net.ipv4.nexthop_compat_mode", told), sc.ip(
			"nexthop add id 1 via 192.0.2.77 dev "+void0, "nexthop add id 2 via 198.51.100.77 dev "+void1, "nexthop add id 3 group 1/2"))
		if err != nil {
			return err
		}
		v4 = "route add 203.0.113.0/24 nhid 3"
	}
	return errors.Join(
		sc.WriteSysctl("net.ipv4.fib_multipath_hash_policy", policy),
		sc.WriteSysctl("net.ipv6.fib_multipath_hash_policy", policy),
		sc.ip(v4,
			"-6 route add fd09::/64 nexthop via fd01::77 nexthop via fd02::77"),
	)
}

// ip runs ip(8) in the namespace.
func (sc *scenario) ip(commands ...string) error {
	for _, command := range commands {
		sc.note("ip %s", command)
		args := append([]string{"--net=" + sc.Path(), "--", "ip"}, strings.Fields(command)...)
		if out, err := exec.Command("nsenter", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", command, err, out)
		}
	}
	return nil
}

// routedDialer goes where routing decides; it has no address before.
func (sc *scenario) routedDialer() dialer {
	to := netip.AddrPortFrom(pick(sc, beyond), uint16(80+sc.IntN(2)))
	d := sc.dualStack(dialer{kind: tcpKinds[to.Addr().Is6() || sc.chance(0.2)], to: to})
	if sc.chance(0.3) {
		d.add(nettest.Owner(1000), "--uid", "1000")
	}
	if sc.chance(0.3) {
		d.add(nettest.Mark(5), "--mark", "5")
	} else if sc.chance(0.5) {
		d.flags = append(d.flags, "--mark", "0")
	}
	d.options = append(d.options, nettest.NonBlock())
	return d
}

func (sc *scenario) connectRouted() error {
	if !sc.routed {
		return nil
	}
	d := sc.routedDialer()
	_, err := sc.Connect(d.kind, d.to, d.options...)
	return err
}

// askRouted asks for a destination without a local address: where connections
// spread over several, all their pools together.
func (sc *scenario) askRouted() question {
	d := sc.routedDialer()
	tries := 1
	if sc.multipath {
		tries = 50
	}
	return question{
		class: "TCP connect by routing", name: fmt.Sprintf("connect %s %v", d.kind, d.to), refusal: unix.EADDRNOTAVAIL,
		args: sc.towards(d),
		dial: func() (*nettest.Socket, error) {
			return sc.persist(tries, func() (*nettest.Socket, error) { return sc.Connect(d.kind, d.to, d.options...) })
		},
	}
}

// persist tries again where another source may have a port.
func (sc *scenario) persist(tries int, dial nettest.Dial) (*nettest.Socket, error) {
	for try := 1; ; try++ {
		s, err := dial()
		if err == nil || try == tries || !errors.Is(err, unix.EADDRNOTAVAIL) {
			return s, err
		}
	}
}
