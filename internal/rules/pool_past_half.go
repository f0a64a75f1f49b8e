package rules

import (
	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/judge"
)

// poolPastHalf: connect() has begun to search.
func poolPastHalf() *Rule {
	return &Rule{
		Kind: finding.Kind{
			Code: "pool-past-half", Title: "A pool is more than half full, and connect() is slow",
			Causes: causesOfFullPools(), Evidence: poolEvidence,
		},
		Needs:  host.WantSockets | host.WantOwners,
		Change: worsened,
		Namespace: func(p *Place) {
			eachPool(p, func(pool *judge.Pool) bool {
				return pool.Left > 0 && pool.Taken() >= judge.SlowRatio && pool.Taken() < judge.NearRatio
			}, finding.Warning)
		},
	}
}
