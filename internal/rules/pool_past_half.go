package rules

import (
	"portrange/internal/finding"
	"portrange/internal/host"
)

// poolPastHalf: connect() has begun to search.
var poolPastHalf = &Rule{
	Kind: finding.Kind{
		Code: "pool-past-half", Title: "A pool is more than half full, and connect() is slow",
		Causes: append(causesOfFullPools(), "pool-filling"), Evidence: poolEvidence,
	},
	Needs:     host.WantSockets | host.WantOwners,
	Show:      Shown,
	Namespace: func(p *Place) { eachPool(p, pastHalf, finding.Warning) },
	Change:    worsened,
}
