package rules

import (
	"fmt"
	"strconv"

	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/port"
)

// conntrackNearFull: netfilter has little room for new connections.
var conntrackNearFull = &Rule{
	Kind: finding.Kind{
		Code: "conntrack-near-full", Title: "The table of tracked connections is nearly full",
		Evidence: func(f *finding.Finding) string {
			return limitText(f, "entries") + "; when it is full, packets of new connections are dropped"
		},
	},
	Needs: host.WantLimits,
	Namespace: func(p *Place) {
		t := p.NS.Conntrack
		if t == nil {
			return
		}
		if severity, worth := strain(t.Count, t.Max); worth {
			p.add(severity, ofConntrack(t), limitValues(t.Count, t.Max), moreEntries(p.NS, t), finding.Action{
				Step: finding.Today,
				Text: "give net.netfilter.nf_conntrack_tcp_timeout_established less than its 5 days, or track less (notrack)",
			})
		}
	},
}

func ofConntrack(t *host.Conntrack) finding.Subject {
	return finding.OfSetting(port.KeyConntrackMax, strconv.FormatUint(t.Max, 10))
}

// moreEntries is the action that enlarges the table, which the host's namespace
// alone can do.
func moreEntries(ns *host.Namespace, t *host.Conntrack) finding.Action {
	command := finding.Command{"sysctl", "-w", fmt.Sprintf("%s=%d", port.KeyConntrackMax, doubled(t.Max))}
	if !isHost(ns) {
		command = finding.Inside(port.Host, command...)
	}
	return finding.Action{Step: finding.Now, Command: command, Text: "on the host, for each namespace"}
}
