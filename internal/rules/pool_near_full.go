package rules

import (
	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/judge"
)

// poolNearFull: a destination has few ports left.
func poolNearFull() *Rule {
	return &Rule{
		Kind: finding.Kind{
			Code: "pool-near-full", Title: "A pool is more than 85 % full",
			Causes: causesOfFullPools(), Evidence: poolEvidence,
		},
		Needs:  host.WantSockets | host.WantOwners,
		Change: worsened,
		Namespace: func(p *Place) {
			eachPool(p, func(pool *judge.Pool) bool { return pool.Left > 0 && pool.Taken() >= judge.NearRatio }, finding.Warning)
		},
	}
}
