package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"portrange/internal/collect"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/kernel/netns"
	"portrange/internal/port"
	"portrange/internal/report"
)

// question is what left asks in each namespace.
type question struct {
	// plain is the socket as far as it is the same in each namespace.
	plain  judge.Asker
	remote netip.AddrPort
	local  netip.Addr // the zero Addr where routing shall tell
	bind   bool       // bound to port 0 before connect()
	v6only *bool      // nil for what the namespace gives to new sockets
	// mark and tos are SO_MARK and IP_TOS, nil where they are not told.
	mark, tos *uint32
	// transparent allows a local address that the host does not have, foreign says
	// that routing refuses the address as one of those.
	transparent, foreign bool
	// device, localZone and remoteZone name interfaces, by name or index; empty for
	// none.
	device, localZone, remoteZone string
}

// parse reads the command line. given reports whether a flag stands there.
func (c *leftCommand) parse(text string, given func(flag string) bool) (question, error) {
	q := question{device: c.device, bind: c.bind, transparent: c.transparent}
	q.plain = judge.Asker{Proto: port.TCP, Reuse: c.reuse, ReusePort: c.reusePort, UID: uint32(os.Getuid())}
	if c.proto == port.UDP.String() {
		q.plain.Proto = port.UDP
	}
	if given("uid") {
		q.plain.UID = c.uid
	}
	if given("mark") {
		q.mark = &c.mark
	}
	if given("tos") {
		q.tos = &c.tos
	}
	if given("v6only") {
		q.v6only = &c.v6only
	}
	remote, zone, err := parseRemote(text)
	if err != nil {
		return q, err
	}
	q.remote, q.remoteZone = remote, zone
	q.plain.Family6 = strings.Count(text, ":") > 1 // so has [::ffff:10.0.0.5]:53
	if c.local != "" {
		if err := q.parseLocal(c.local); err != nil {
			return q, err
		}
	}
	if err := q.checkRemote(); err != nil {
		return q, fmt.Errorf("remote %q: %w", text, err)
	}
	if c.v6only && q.remote.Addr().Is4() {
		return q, fmt.Errorf("--v6only: a socket with IPV6_V6ONLY does not reach the IPv4 address %s", q.remote.Addr())
	}
	if c.socketRange != "" {
		if q.plain.SocketRange, err = parseSocketRange(c.socketRange); err != nil {
			return q, err
		}
	}
	return q, nil
}

// parseSocketRange reads IP_LOCAL_PORT_RANGE (ip(7)), LOW-HIGH. The kernel takes two
// ends in that order (do_ip_setsockopt, net/ipv4/ip_sockglue.c), and 0 for one that is
// not narrowed.
func parseSocketRange(text string) (*port.Range, error) {
	low, high, found := strings.Cut(text, "-")
	first, err := strconv.ParseUint(low, 10, 16)
	second, errHigh := strconv.ParseUint(high, 10, 16)
	if !found || err != nil || errHigh != nil {
		return nil, fmt.Errorf("--socket-range %q: want LOW-HIGH, such as 40000-40999; 0 leaves an end as it is", text)
	}
	if first > second && second != 0 {
		return nil, fmt.Errorf("--socket-range %q: setsockopt() refuses it (EINVAL); want the lower end first", text)
	}
	return &port.Range{Low: uint16(first), High: uint16(second)}, nil
}

func (q *question) parseLocal(text string) error {
	local, err := netip.ParseAddr(text)
	if err != nil {
		return fmt.Errorf("--local %q: want an IP address without a port", text)
	}
	mapped := q.plain.Family6 && q.remote.Addr().Is4()
	q.plain.Family6 = q.plain.Family6 || local.Is6()
	q.local, q.localZone = cutZone(local)
	if err := checkZone(q.local, q.localZone); err != nil {
		return fmt.Errorf("--local %s: %w", text, err)
	}
	if q.local.Is4() != q.remote.Addr().Is4() && !(mapped && q.local == netip.IPv6Unspecified()) {
		return fmt.Errorf("--local %s and remote %s: one is IPv4, the other IPv6", q.local, q.remote.Addr())
	}
	return nil
}

// checkRemote refuses what connect() does for want of an interface, or with TCP.
func (q *question) checkRemote() error {
	addr := q.remote.Addr()
	switch {
	case addr.IsMulticast() && q.plain.Proto == port.TCP:
		return fmt.Errorf("%s is a multicast address, which TCP does not connect to; --proto udp does", addr)
	case needsInterface(addr) && q.remoteZone+q.device+q.localZone == "":
		return fmt.Errorf("a link-local address needs its interface: [%s%%eth0]:PORT, or --device eth0", addr)
	}
	return checkZone(addr, q.remoteZone)
}

// shares reports whether the answer is the same for all destinations.
func (q *question) shares() bool { return q.plain.Proto == port.UDP || q.bind }

// add appends a namespace's answer to the document.
func (q *question) add(ctx context.Context, document *report.Left, ns *host.Namespace, target netns.Namespace) error {
	if err := q.reaches(ns); err != nil {
		return err
	}
	bound, towards, err := q.devices(ns, target)
	if err != nil {
		return err
	}
	if err := q.checkLocal(target, max(bound, towards)); err != nil {
		return err
	}
	sources, noWay := q.sources(ctx, target)
	if noWay != nil && (sources == nil && !q.bind || !errors.Is(noWay, collect.ErrNoSource)) {
		return noWay
	}
	doubts := q.hookDoubts(document, target)
	var barred *port.Set
	if noWay == nil {
		barred, doubts = q.ruleDoubts(ctx, document, target, ns, doubts)
	} else {
		doubts = append(doubts, judge.DoubtNoRoute)
		document.Gaps = append(document.Gaps, host.Gap{
			Part: host.PartRoute, Object: "from " + q.unbound().String(), NetNS: target.ID, Why: noWay.Error(),
		})
	}
	if len(sources) > 1 && !q.shares() {
		doubts = append(doubts, judge.DoubtSources)
	}
	origin := report.NewOrigin(ns)
	if q.shares() {
		asker := q.asker(ns, q.unbound(), bound)
		asker.Barred = barred
		pool := judge.LeftBound(ns, &asker, judge.Way{Remote: q.remote, Sources: sources})
		for _, doubt := range doubts {
			pool.Add(doubt)
		}
		document.LocalPools = append(document.LocalPools, report.LeftLocal{Origin: origin, LocalPool: pool})
		return nil
	}
	for _, source := range sources {
		asker := q.asker(ns, source, max(bound, towards))
		asker.Barred = barred
		pool := judge.Left(ns, &asker, q.remote)
		for _, doubt := range doubts {
			pool.Add(doubt)
		}
		document.Pools = append(document.Pools, report.LeftPool{Origin: origin, Pool: pool})
	}
	return nil
}

// hookDoubts are those about BPF programs of the asker's control group. Why they
// could not be read comes into the document's gaps.
func (q *question) hookDoubts(document *report.Left, target netns.Namespace) []judge.Doubt {
	hooks, err := collect.Hooks(target, q.plain.Family6, q.bind || q.local.IsValid())
	if err != nil {
		document.Gaps = append(document.Gaps, host.Gap{Part: host.PartHooks, NetNS: target.ID, Why: err.Error()})
	}
	switch hooks {
	case host.Yes:
		return []judge.Doubt{judge.DoubtConnectHooks}
	case host.Unknown:
		return []judge.Doubt{judge.DoubtHooksUnread}
	}
	return nil
}

// ruleDoubts adds those about rules of routing, and returns the ports from which
// they let nothing pass, nil for none.
func (q *question) ruleDoubts(
	ctx context.Context, document *report.Left, target netns.Namespace, ns *host.Namespace, doubts []judge.Doubt,
) (*port.Set, []judge.Doubt) {
	unsaid := collect.Unsaid{Mark: q.mark == nil, TOS: q.tos == nil}
	if q.foreign {
		unsaid.Source = q.local
	}
	if q.shares() || q.remote.Addr().Is4() {
		unsaid.Ports, unsaid.PortLast = ns.Settings.Range, !q.shares()
	}
	ruled, err := collect.Rules(ctx, target, q.way(), unsaid)
	if err != nil {
		document.Gaps = append(document.Gaps, host.Gap{
			Part: host.PartRoute, Object: "rules", NetNS: target.ID, Why: err.Error(),
		})
		return nil, append(doubts, judge.DoubtRules)
	}
	if ruled.Unknown || ruled.Stopped || ruled.Moved && !q.shares() {
		doubts = append(doubts, judge.DoubtRules)
	}
	if ruled.Barred.Len() == 0 {
		return nil, doubts
	}
	return ruled.Barred, doubts
}

// reaches refuses a socket that the namespace gives IPV6_V6ONLY and that is to speak
// IPv4.
func (q *question) reaches(ns *host.Namespace) error {
	if q.plain.Family6 && q.remote.Addr().Is4() && ns.Settings.BindV6Only && q.v6only == nil {
		return fmt.Errorf("%s is 1 in netns %s: a socket of IPv6 does not reach the IPv4 address %s, unless --v6only=false",
			port.KeyBindV6Only, ns.Name, q.remote.Addr())
	}
	return nil
}

// asker is the socket in a namespace.
func (q *question) asker(ns *host.Namespace, local netip.Addr, device uint32) judge.Asker {
	asker := q.plain
	usual := judge.NewAsker(ns, asker.Proto, local)
	asker.Local, asker.Device = local, device
	asker.V6Only = usual.V6Only && !q.remote.Addr().Is4()
	if q.v6only != nil {
		asker.V6Only = *q.v6only
	}
	return asker
}

// unbound is the local address at the moment when the port is chosen, for a socket
// that draws on a pool of an address: unless bound to one, UDP gets its port before
// its address, and one of AF_INET6 does not sit on IPv4 by then, wherever it is
// going to send.
func (q *question) unbound() netip.Addr {
	switch {
	case q.local.IsValid():
		return q.local
	case q.plain.Family6:
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}

// devices are the interface that the socket is bound to when it asks for a port,
// and the one that its destination lies behind, which connect() of TCP binds it
// to; 0 for none. The verdict learns their names, though no socket may be bound to
// them so far.
func (q *question) devices(ns *host.Namespace, target netns.Namespace) (bound, towards uint32, err error) {
	var known []uint32
	for _, text := range []string{q.device, q.localZone, q.remoteZone} {
		if text == "" {
			known = append(known, 0)
			continue
		}
		device, err := collect.Device(target, text)
		if err != nil {
			return 0, 0, err
		}
		if ns.Devices == nil {
			ns.Devices = map[uint32]string{}
		}
		ns.Devices[uint32(device.Index)] = device.Name
		known = append(known, uint32(device.Index))
	}
	bound, towards = cmp.Or(known[1], known[0]), known[2] // bind() goes by the zone, whatever the device was
	if q.local.IsLinkLocalUnicast() && bound == 0 {
		bound = towards
	}
	others := slices.DeleteFunc(known, func(index uint32) bool { return index == 0 })
	// A zone may be a device of the VRF that the socket is bound to (sk_dev_equal_l3scope,
	// net/core/sock.c).
	if slices.ContainsFunc(others, func(index uint32) bool { return index != others[0] && masterOf(ns, index) != others[0] }) {
		named := strings.Join(strings.Fields(q.device+" "+q.localZone+" "+q.remoteZone), ", ")
		return 0, 0, fmt.Errorf("--device and the zones of the addresses name several interfaces (%s); a socket has one", named)
	}
	return bound, towards, nil
}

// masterOf is the VRF that a device belongs to, 0 for none.
func masterOf(ns *host.Namespace, device uint32) uint32 {
	if ns.Usage == nil {
		return 0
	}
	return ns.Usage.Masters[device]
}

// sources are the local addresses that the socket connects from; the error says why
// it cannot, and comes with the address where that is given.
func (q *question) sources(ctx context.Context, target netns.Namespace) ([]netip.Addr, error) {
	q.foreign = false
	sources, err := collect.Sources(ctx, target, q.way())
	if q.transparent && q.local.Is4() && errors.Is(err, collect.ErrNoSource) {
		q.foreign = true
		_, err = collect.Sources(ctx, target, q.way())
	}
	if !q.local.IsValid() || q.local.IsUnspecified() {
		return sources, err
	}
	return []netip.Addr{q.local}, err
}

// way is what routing is asked. It refuses an IPv4 address that is not the host's
// (ip_route_output_key_hash_rcu, net/ipv4/route.c), which is left out.
func (q *question) way() collect.Question {
	uid := q.plain.UID
	ask := collect.Question{
		Remote: q.remote.Addr(), Port: q.remote.Port(), Proto: q.plain.Proto, UID: &uid,
		// connect() and bind() tie a socket to the zone, whatever VRF it was bound to.
		Device: cmp.Or(q.remoteZone, q.localZone, q.device),
	}
	if q.local.IsValid() && !q.local.IsUnspecified() && !q.foreign {
		ask.Source = q.local
	}
	if q.mark != nil {
		ask.Mark = *q.mark
	}
	if q.tos != nil {
		ask.TOS = uint8(*q.tos)
	}
	return ask
}

// checkLocal tells a local address that the host does not have from one without
// ports: bind() and connect() answer EADDRNOTAVAIL to both.
func (q *question) checkLocal(target netns.Namespace, device uint32) error {
	if !q.local.IsValid() || q.transparent {
		return nil
	}
	if err := collect.CheckLocal(target, q.plain.Proto, q.local, device); err != nil {
		return fmt.Errorf("--local %s: %w; `ip addr` lists those there are, --transparent asks for a socket with IP_TRANSPARENT", q.local, err)
	}
	return nil
}
