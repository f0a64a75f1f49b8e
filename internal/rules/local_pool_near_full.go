package rules

import (
	"portrange/internal/finding"
	"portrange/internal/host"
)

// localPoolNearFull: a local address has few ports left.
var localPoolNearFull = &Rule{
	Kind: finding.Kind{
		Code: "local-pool-near-full", Title: "A pool shared by all destinations is more than 85 % full",
		Causes:   causesOfFullLocalPools(),
		Evidence: func(f *finding.Finding) string { return roomText(f) + heldBy(f.Values) },
	},
	Needs:     host.WantSockets,
	Show:      Shown,
	Change:    worsened,
	Namespace: func(p *Place) { eachLocalPool(p, nearFull, finding.Critical) },
}
