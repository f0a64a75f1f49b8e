package rules

import (
	"fmt"

	"portrange/internal/capacity"
	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/port"
	"portrange/internal/words"
)

// reservedUnused: ports are withheld from every pool, on which there is no socket,
// of TCP or of UDP, and which no service is known to want.
var reservedUnused = &Rule{
	Kind: finding.Kind{
		Code: "reserved-unused", Title: "Reserved ports that nobody uses",
		Evidence: func(f *finding.Finding) string {
			v := f.Values
			return fmt.Sprintf("%s of the range reserved, without a socket or a known service there; every pool has %s of %s less",
				portsText(f), words.Thousands(v.Int("count")), words.Count(v.Int("size"), "port"))
		},
	},
	Needs: host.WantSockets | host.WantClaims,
	Namespace: func(p *Place) {
		unused := p.NS.Settings.Reserved.Clone()
		unused.Intersect(p.NS.Settings.Range.Set())
		for _, used := range []*port.Set{&p.NS.Usage.Listening, &p.NS.Usage.BindHeld, p.NS.Usage.UDP()} {
			unused.Subtract(used)
		}
		for i := range p.NS.Claims {
			if p.NS.Claims[i].By == "" {
				unused.Subtract(p.NS.Claims[i].Ports)
			}
		}
		if unused.Len() == 0 {
			return
		}
		action := unreserve(p.NS, unused, "if the service is gone for good")
		if worst := p.fullest(); worst != nil {
			present := p.present(worst)
			action.Effect = present.With(capacity.Remedy{Size: worst.Size + unused.Len()})
		}
		values := append(portValues(unused), finding.Value{Name: "size", V: p.NS.Settings.Range.Size()})
		p.add(finding.Info, finding.OfSetting(port.KeyReserved, ""), values, action)
	},
}
