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
				wanted := unmet(p.NS, claim, p.Ports.Open())
				if claim.Kind != kind || wanted.Len() == 0 {
					continue
				}
				values := append(claimValues(claim, wanted), rangeValue(p.NS))
				if claim.By != "" {
					p.add(finding.Info, finding.Of(claim.Who), values, doubtful)
					continue
				}
				p.add(finding.Warning, finding.Of(claim.Who), values, reserve(p.NS, wanted, harm))
			}
		},
		Change: func(c *Change) { c.claims(kind, harm) },
	}
}

// doubtful is the advice on a claim of somebody other than root.
var doubtful = finding.Action{
	Step: finding.Now, Text: "nothing, unless you know it to be so: any user can claim any port, and --reserve leaves these out",
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
