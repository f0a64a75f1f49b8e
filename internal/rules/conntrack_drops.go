package rules

import (
	"fmt"

	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/words"
)

// conntrackDrops: netfilter has dropped packets.
var conntrackDrops = &Rule{
	Kind: finding.Kind{
		Code: "conntrack-drops", Title: "netfilter dropped packets for want of an entry",
		Evidence: func(f *finding.Finding) string {
			v := f.Values
			return fmt.Sprintf("%s dropped for want of room in the table, %s because another entry had their ports; "+
				"%s of %s entries in use now",
				words.Count(v.Int("no_room"), "packet"), words.Thousands(v.Int("clashed")),
				words.Thousands(v.Int("used")), words.Thousands(v.Int("limit")))
		},
	},
	Needs: host.WantLimits,
	Namespace: func(p *Place) {
		t := p.NS.Conntrack
		if t == nil || t.Dropped == 0 && t.InsertFailed == 0 {
			return
		}
		// The kernel counts a packet whose entry clashed as dropped too (__nf_conntrack_confirm).
		noRoom := t.Dropped - min(t.Dropped, t.InsertFailed)
		severity := finding.Info // entries that clash are mostly two packets at once, of UDP
		var actions []finding.Action
		if noRoom > 0 {
			severity, actions = finding.Warning, append(actions, moreEntries(p.NS, t))
		}
		if t.InsertFailed > 0 {
			actions = append(actions, finding.Action{
				Step: finding.Today,
				Text: "source NAT has no port left towards that destination, or two packets began a connection at once: " +
					"more addresses in the rule, or masquerade fully-random, make that rare",
			})
		}
		values := finding.Values{{Name: "no_room", V: noRoom}, {Name: "clashed", V: t.InsertFailed}}
		values = append(values, limitValues(t.Count, t.Max)...)
		p.add(severity, finding.Of("/proc/net/stat/nf_conntrack"), values, actions...)
	},
}
