package rules

import (
	"fmt"

	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/port"
	"portrange/internal/words"
)

// rangeDefaultBusy: the default range is under heavy use.
var rangeDefaultBusy = &Rule{
	Kind: finding.Kind{
		Code: "range-default-busy", Title: "The default range under heavy use",
		Causes: causesOfDetails(),
		Evidence: func(f *finding.Finding) string {
			return fmt.Sprintf("the kernel's default of %s under heavy use: %s",
				words.Count(f.Values.Int("size"), "port"), useText(f.Values))
		},
	},
	Needs: host.WantSockets,
	Namespace: func(p *Place) {
		if p.NS.Settings.Range != port.DefaultRange || p.busy() < useful {
			return
		}
		wide, _ := judge.Wider(port.DefaultRange)
		p.add(severityAt(p.busy()), rangeSubject(p), rangeValues(p), setRange(p.NS, wide,
			"with --dry-run it shows what that would bring and break", fullestWith(p, wide)))
	},
}

// severityAt is how bad a setting is that costs a pool ports of which so many are
// taken: connect() slows down past one half.
func severityAt(taken float64) finding.Severity {
	if taken >= judge.SlowRatio {
		return finding.Warning
	}
	return finding.Info
}
