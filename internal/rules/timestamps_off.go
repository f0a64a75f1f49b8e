package rules

import (
	"fmt"

	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/port"
	"portrange/internal/words"
)

// timestampsOff: reuse is on for a pool, but its connections have no timestamps.
var timestampsOff = &Rule{
	Kind: finding.Kind{
		Code: "timestamps-off", Title: "TCP timestamps are off, so TIME_WAIT cannot be reused", Causes: causesOfDetails(),
		Evidence: func(f *finding.Finding) string {
			v := f.Values
			return fmt.Sprintf("tcp_tw_reuse is %d, but without timestamps it does nothing: "+
				"%s of the %s in TIME_WAIT can be taken over",
				v.Int("mode"), words.Thousands(v.Int("reusable")), words.Count(v.Int("time_wait"), "port"))
		},
	},
	Needs: host.WantSockets,
	Namespace: func(p *Place) {
		worst := reusingPool(p)
		if worst == nil || p.NS.Settings.Timestamps != 0 {
			return
		}
		present := p.present(worst)
		values := append(finding.Values{{Name: "mode", V: p.NS.Settings.TWReuse}}, p.poolValues(worst)...)
		p.add(severityAt(worst.Taken()), settingOf(p, port.KeyTimestamps, worst), values, takeOver(p, worst, &present)...)
	},
}
