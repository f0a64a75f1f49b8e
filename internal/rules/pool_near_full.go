package rules

import (
	"portrange/internal/finding"
	"portrange/internal/host"
)

// poolNearFull: a destination has few ports left.
var poolNearFull = &Rule{
	Kind: finding.Kind{
		Code: "pool-near-full", Title: "A pool is more than 85 % full",
		Causes: append(causesOfFullPools(), "pool-filling"), Evidence: poolEvidence,
	},
	Needs:     host.WantSockets | host.WantOwners,
	Show:      Shown,
	Namespace: func(p *Place) { eachPool(p, nearFull, finding.Critical) },
	Change:    worsened,
}
