package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/port"
)

// listeners finds the ports of the range with a listener: nothing keeps them
// free while the service restarts. One that let the kernel choose does not mind.
func (c *chart) listeners() {
	listening := c.Now.Usage.Listening.Clone()
	listening.Subtract(&c.Now.Usage.Chosen)
	listening.Intersect(c.open)
	for _, group := range c.byProcess(listening) {
		c.add(ListenerInRange, judge.Warning, group.who,
			fmt.Sprintf("listens on %s in the range %s, not reserved", portsText(group.ports), c.Now.Settings.Range),
			fmt.Sprintf("while it restarts, an outgoing connection can take the port, and it then fails with EADDRINUSE: "+
				"`portrange reserve add %s%s`", group.ports, c.forGood())+c.unlessChosen())
	}
}

// unlessChosen is what there is to add where the source does not show who chose
// the port of a listener.
func (c *chart) unlessChosen() string {
	if c.Now.Source == "bpf" {
		return ""
	}
	return ". Leave it if it let the kernel choose the port"
}

// group is the ports of one process.
type group struct {
	who   string
	ports *port.Set
}

// byProcess groups TCP ports by the first process that has a socket on them.
func (c *chart) byProcess(ports *port.Set) []group {
	var groups []group
	for p := range ports.All() {
		who := c.holder(port.TCP, p)
		at := slices.IndexFunc(groups, func(g group) bool { return g.who == who })
		if at < 0 {
			at, groups = len(groups), append(groups, group{who, &port.Set{}})
		}
		groups[at].ports.Add(p)
	}
	slices.SortFunc(groups, func(a, b group) int { return cmp.Compare(a.who, b.who) })
	return groups
}

// holder names the process on a port as far as it was seen.
func (c *chart) holder(proto port.Proto, p uint16) string {
	for _, hold := range c.Holds {
		if hold.Proto == proto && hold.Port == p && len(hold.Processes) > 0 {
			return hold.Processes[0].String()
		}
	}
	return "an unknown process"
}

// reserved finds reserved ports without effect or without use.
func (c *chart) reserved() {
	reserved, r := c.Now.Settings.Reserved, c.Now.Settings.Range
	outside := reserved.Clone()
	outside.Subtract(r.Set())
	if outside.Len() > 0 {
		c.add(ReservedOutside, judge.Info, "net.ipv4.ip_local_reserved_ports",
			fmt.Sprintf("%s outside the range %s, where no search goes", portsText(outside), r),
			"this does no harm, and matters again should the range reach there; else "+c.unreserve(outside))
	}
	unused := reserved.Clone()
	unused.Intersect(r.Set())
	unused.Subtract(&c.Now.Usage.Listening)
	unused.Subtract(&c.Now.Usage.BindHeld)
	for _, claim := range c.Claims {
		unused.Subtract(claim.Ports)
	}
	unused.Subtract(udpPorts(c.Now.Usage))
	if unused.Len() > 0 {
		c.add(ReservedUnused, judge.Info, "net.ipv4.ip_local_reserved_ports",
			fmt.Sprintf("%s of the range reserved, without a socket or a known service there; "+
				"every pool has %d of %d ports less", portsText(unused), unused.Len(), r.Size()),
			"if the service is gone for good: "+c.unreserve(unused))
	}
}

// unreserve is the command that takes ports off the list. One with hundreds of
// them nobody reads, let alone types.
func (c *chart) unreserve(ports *port.Set) string {
	if list := ports.String(); len(list) <= longestList {
		return fmt.Sprintf("`portrange reserve remove %s%s`", list, c.forGood())
	}
	return fmt.Sprintf("`portrange reserve list%s` lists all, for `portrange reserve remove`", c.flag())
}

func udpPorts(tally *host.Usage) *port.Set {
	set := &port.Set{}
	for local, ports := range tally.Locals {
		if local.Proto == port.UDP {
			ports.AddTo(set)
		}
	}
	return set
}

// claims finds ports in the range that a service wants which is not there now:
// one that listens is a matter for listeners.
func (c *chart) claims() {
	for _, claim := range c.Claims {
		wanted := claim.Ports.Clone()
		wanted.Intersect(c.open)
		if claim.Proto != port.UDP {
			wanted.Subtract(&c.Now.Usage.Listening)
		}
		if wanted.Len() == 0 {
			continue
		}
		if claim.Code == SocketUnit || claim.Code == ServicePort {
			c.taken(&claim, wanted)
		}
		c.add(claim.Code, judge.Warning, claim.Who,
			fmt.Sprintf("%s in the range %s, not reserved: %s", portsText(wanted), c.Now.Settings.Range, claim.Evidence),
			claimAdvice(claim.Code)+fmt.Sprintf(": `portrange reserve add %s%s`", wanted, c.forGood()))
	}
}

func claimAdvice(code string) string {
	switch code {
	case NodePorts:
		return "kube-proxy takes these ports without a listener, so an outgoing connection can get one that a service of the " +
			"cluster uses, and its answers go astray; move the range or --service-node-port-range, or reserve them"
	case PublishedPorts:
		return "docker-proxy fails to bind a published port that an outgoing connection holds; reserve them"
	}
	return "an outgoing connection can hold the port when it starts, which then fails with EADDRINUSE; reserve it"
}

// taken finds the ports that an outgoing connection or a UDP socket holds at
// this moment.
func (c *chart) taken(claim *Claim, wanted *port.Set) {
	udp := udpPorts(c.Now.Usage)
	for p := range wanted.All() {
		n := c.connections(p)
		switch {
		case claim.Proto == port.UDP && udp.Contains(p):
			c.takenBy(claim, p, "a UDP socket of "+c.holder(port.UDP, p))
		case claim.Proto != port.UDP && n > 0 && !c.Now.Usage.BindHeld.Contains(p):
			c.takenBy(claim, p, connectionsText(n)+": "+c.holder(port.TCP, p))
		}
	}
}

func (c *chart) takenBy(claim *Claim, p uint16, holder string) {
	severity := judge.Warning // the service may well be configured to another port
	if claim.Code == SocketUnit {
		severity = judge.Critical
	}
	c.add(PortTaken, severity, claim.Who, fmt.Sprintf("port %d is held now by %s", p, holder),
		fmt.Sprintf("%s cannot start (EADDRINUSE) until it is free, TIME_WAIT included; `portrange sockets --local :%d%s` lists what holds it. "+
			"To keep it from happening again: `portrange reserve add %[2]d%[4]s`", claim.Who, p, c.flag(), c.forGood()))
}

func connectionsText(n int) string {
	if n == 1 {
		return "one outgoing connection"
	}
	return fmt.Sprintf("%d outgoing connections", n)
}

// connections counts the tuples with a connection on local port p.
func (c *chart) connections(p uint16) int {
	n := 0
	for _, uses := range c.Now.Usage.Tuples {
		if uses.Contains(p) {
			n++
		}
	}
	return n
}

// portsText counts ports and lists them as far as that is readable.
func portsText(ports *port.Set) string {
	if ports.Len() == 1 {
		return "port " + ports.String()
	}
	return fmt.Sprintf("%d ports (%s)", ports.Len(), listText(ports))
}

// longestList is how long a list of ports is readable.
const longestList = 80

// listText is a list of ports in the kernel's form, cut short where it is long.
func listText(ports *port.Set) string {
	list := ports.String()
	if len(list) <= longestList {
		return list
	}
	return list[:strings.LastIndexByte(list[:longestList], ',')+1] + "…"
}
