package doctor

import (
	"fmt"
	"net/netip"

	"portrange/internal/judge"
	"portrange/internal/port"
)

// sourceNAT reports rules whose ports the range does not reach.
func (c *chart) sourceNAT() {
	total, chains := 0, ""
	for _, rules := range c.SourceNAT {
		total += rules.Count
		if chains != "" {
			chains += ", "
		}
		chains += fmt.Sprintf("%s (%d)", rules, rules.Count)
	}
	if total == 0 {
		return
	}
	evidence := fmt.Sprintf("source addresses are rewritten by rules in %s", chains)
	if c.Conntrack != nil {
		evidence += fmt.Sprintf("; connections tracked: %d", c.Conntrack.Count)
	}
	c.add(SourceNAT, judge.Info, "source NAT", evidence,
		"connections that these rules catch also need a port of the address they are given, one per destination, from 1024-65535 "+
			"unless the rule says otherwise: a wider ip_local_port_range does not add to those. `conntrack -L` or "+
			"/proc/net/nf_conntrack shows them; more addresses in the rule add ports")
}

// smallestNAT is the smallest number of ports that a cloud's NAT is known to
// give one host: Google Cloud NAT's default.
const smallestNAT = 64

// cloudNAT tells of pools that leave a private network: somebody translates
// their addresses, and has a limit of its own.
func (c *chart) cloudNAT() {
	var worst *judge.Pool
	for i := range c.verdict.Pools {
		p := &c.verdict.Pools[i]
		if p.Used >= smallestNAT && leavesPrivate(p.Tuple) && (worst == nil || p.Used > worst.Used) {
			worst = p
		}
	}
	if worst == nil {
		return
	}
	c.add(CloudNAT, judge.Info, worst.Subject(),
		fmt.Sprintf("%d connections from a private address to a public one: something on the way translates addresses, "+
			"and needs as many ports of its own", worst.Used),
		"if it is a cloud's NAT gateway, compare with its limit for one destination: AWS 55,000 per gateway address, Azure 64,512 per "+
			"outbound address shared by all hosts (1,024 or fewer each by default), Google 64 per host unless raised. "+
			"More gateway addresses or private endpoints help, a wider range here does not")
}

// carrierNAT is the space of addresses behind a provider's NAT (RFC 6598).
func carrierNAT() netip.Prefix { return netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64}), 10) }

// leavesPrivate reports whether a connection goes from a private IPv4 address
// to a public one, which takes a NAT on the way. IPv6 needs none.
func leavesPrivate(tuple port.Tuple) bool {
	local, remote := tuple.Local, tuple.Remote.Addr()
	return local.Is4() && remote.Is4() && isPrivate(local) && !isPrivate(remote) && remote.IsGlobalUnicast()
}

func isPrivate(addr netip.Addr) bool {
	return addr.IsPrivate() || addr.IsLoopback() || addr.IsLinkLocalUnicast() || carrierNAT().Contains(addr)
}
