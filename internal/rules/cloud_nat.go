package rules

import (
	"net/netip"

	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/words"
)

// smallestNAT is the smallest number of ports that a cloud's NAT is known to
// give one host: Google Cloud NAT's default.
const smallestNAT = 64

// cloudNAT: connections leave a private network, so somebody translates their
// addresses and has a limit of its own.
var cloudNAT = &Rule{
	Kind: finding.Kind{
		Code: "cloud-nat", Title: "Connections that leave a private network",
		Evidence: func(f *finding.Finding) string {
			return words.Count(f.Values.Int("used"), "connection") + " from a private address to a public one: " +
				"something on the way translates addresses, and needs as many ports of its own"
		},
	},
	Needs: host.WantSockets,
	Namespace: func(p *Place) {
		var most *judge.Pool
		for i := range p.Verdict.Pools {
			pool := &p.Verdict.Pools[i]
			local, remote := pool.Tuple.Local, pool.Tuple.Remote.Addr()
			// From a private IPv4 address to a public one takes a NAT on the way; IPv6 needs none.
			translated := local.Is4() && isPrivate(local) &&
				remote.Is4() && !isPrivate(remote) && remote.IsGlobalUnicast()
			if translated && pool.Used >= smallestNAT && (most == nil || pool.Used > most.Used) {
				most = pool
			}
		}
		if most == nil {
			return
		}
		present := p.present(most)
		values := finding.Values{{Name: "used", V: most.Used}, {Name: "size", V: most.Size}, {Name: "left", V: most.Left}}
		compare := finding.Action{
			Step: finding.Today,
			Text: "if it is a cloud's NAT gateway, compare with its limit for one destination: " +
				"AWS 55,000 per gateway address, Azure 64,512 per outbound address shared by all hosts " +
				"(1,024 or fewer each by default), Google 64 per host unless raised. " +
				"More gateway addresses or private endpoints help, a wider range here does not",
		}
		p.add(finding.Info, poolSubject(most), values, compare, keepOpen(p, most, &present))
	},
}

// carrierNAT is the space of addresses behind a provider's NAT (RFC 6598).
var carrierNAT = netip.MustParsePrefix("100.64.0.0/10")

func isPrivate(addr netip.Addr) bool {
	return addr.IsPrivate() || addr.IsLoopback() || addr.IsLinkLocalUnicast() || carrierNAT.Contains(addr)
}
