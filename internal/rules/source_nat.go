package rules

import (
	"fmt"
	"strings"

	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/words"
)

// sourceNAT: connections need ports that the range does not reach.
var sourceNAT = &Rule{
	Kind: finding.Kind{
		Code: "source-nat", Title: "Rules that rewrite source addresses",
		Evidence: func(f *finding.Finding) string {
			chains, _ := f.Values.Get("chains").([]host.NATRules)
			var names []string
			for _, chain := range chains {
				names = append(names, fmt.Sprintf("%s (%s)", chain, words.Thousands(chain.Count)))
			}
			text := "source addresses are rewritten by " + words.Count(f.Values.Int("rules"), "rule") +
				" in " + strings.Join(names, ", ")
			if f.Values.Get("tracked") != nil {
				text += "; " + words.Count(f.Values.Int("tracked"), "connection") + " tracked"
			}
			return text
		},
	},
	Needs: host.WantNAT,
	Namespace: func(p *Place) {
		total := 0
		for _, chain := range p.NS.NAT {
			total += chain.Count
		}
		if total == 0 {
			return
		}
		values := finding.Values{{Name: "rules", V: total}, {Name: "chains", V: p.NS.NAT}}
		if p.NS.Conntrack != nil {
			values = append(values, finding.Value{Name: "tracked", V: p.NS.Conntrack.Count})
		}
		p.add(finding.Info, finding.Of("source NAT"), values, finding.Action{
			Step: finding.Today,
			Text: "connections that these rules catch also need a port of the address they are given, one for each destination, from " +
				"1024-65535 unless the rule says otherwise: a wider ip_local_port_range does not add to those. " +
				"/proc/net/nf_conntrack shows them; more addresses in the rule add ports",
		})
	},
}
