package rules

import (
	"fmt"

	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/words"
)

// lockedSearch: on this kernel a search through taken ports is slow on many CPUs.
var lockedSearch = &Rule{
	Kind: finding.Kind{
		Code: "locked-search", Title: "connect() locks every port that it passes over",
		Evidence: func(f *finding.Finding) string {
			v := f.Values
			return fmt.Sprintf("its connect() takes a lock for every port it passes over "+
				"(struct inet_bind_bucket has no RCU head), with %s of %s to %s taken",
				words.Thousands(v.Int("size")-v.Int("left")), words.Count(v.Int("size"), "port"), v.Text("remote"))
		},
	},
	Needs: host.WantSockets | host.WantFeatures,
	Namespace: func(p *Place) {
		worst := p.slowest()
		if worst == nil || p.Now.Features.RCULookup != host.No {
			return
		}
		present := p.present(worst)
		actions := append(widen(p, &present), finding.Action{
			Step: finding.Today,
			Text: "Linux 6.15 and later pass over taken ports without a lock; until then more room in the pool helps most",
		})
		p.add(finding.Info, p.ofKernel(), fullestValues(worst), actions...)
	},
}
