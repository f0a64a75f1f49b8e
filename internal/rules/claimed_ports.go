package rules

import (
	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/port"
)

// claimRule is the rule of one kind of claim: somebody needs ports that the
// kernel may give away. harm says what happens then.
func claimRule(kind host.ClaimKind, title, harm string) *Rule {
	return &Rule{
		Kind: finding.Kind{
			Code: string(kind), Title: title,
			Evidence: func(f *finding.Finding) string {
				return portsText(f) + where(f) + ": " + f.Values.Text("shown_by")
			},
		},
		Needs: host.WantSockets | host.WantClaims,
		Namespace: func(p *Place) {
			for i := range p.NS.Claims {
				claim := &p.NS.Claims[i]
				if wanted := unmet(p.NS, claim, p.Ports.Open()); claim.Kind == kind && wanted.Len() > 0 {
					values := append(claimValues(claim, wanted), rangeValue(p.NS))
					p.add(finding.Warning, finding.Of(claim.Who), values, reserve(p.NS, wanted, harm))
				}
			}
		},
		Change: func(c *Change) { c.claims(kind, harm) },
	}
}

// unmet are the ports among open that a claim is about and has not. Whoever
// listens there has them, but a listener of TCP is none for UDP.
func unmet(ns *host.Namespace, claim *host.Claim, open *port.Set) *port.Set {
	wanted := claim.Ports.Clone()
	wanted.Intersect(open)
	if claim.Proto != port.UDP {
		wanted.Subtract(&ns.Usage.Listening)
	}
	return wanted
}

func claimValues(claim *host.Claim, ports *port.Set) finding.Values {
	return append(portValues(ports), finding.Value{Name: "shown_by", V: claim.Evidence})
}
