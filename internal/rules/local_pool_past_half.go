package rules

import (
	"portrange/internal/finding"
	"portrange/internal/host"
)

// localPoolPastHalf: a local address has fewer ports left than are in use.
var localPoolPastHalf = &Rule{
	Kind: finding.Kind{
		Code: "local-pool-past-half", Title: "A pool shared by all destinations is more than half full",
		Causes:   append(causesOfFullLocalPools(), "pool-past-half"),
		Evidence: roomText,
	},
	Needs:     host.WantSockets,
	Show:      Shown,
	Change:    worsened,
	Namespace: func(p *Place) { eachLocalPool(p, pastHalf, finding.Warning) },
}
