package rules

import (
	"portrange/internal/finding"
	"portrange/internal/host"
)

// stickyBuckets: ports stay bind-held until their last connection goes, as this
// kernel does not look again when the socket that had bound one goes.
var stickyBuckets = &Rule{
	Kind: finding.Kind{
		Code: "sticky-buckets", Title: "Ports stay withheld after their binder has gone",
		Evidence: func(f *finding.Finding) string {
			return portsText(f) + " of the range bind-held without a listener: " +
				"no connect() may use any of them until every socket on it is gone"
		},
	},
	Needs: host.WantSockets | host.WantFeatures,
	Namespace: func(p *Place) {
		held := p.Ports.Bound()
		held.Subtract(&p.NS.Usage.Listening)
		if p.Now.Features.BucketRecalculation != host.No || held.Len() == 0 {
			return
		}
		p.add(finding.Info, p.ofKernel(), portValues(held),
			finding.Action{
				Step: finding.InProgram,
				Text: "do not bind() before connect(), see bind-before-connect; until then only closing the rest helps",
			},
			finding.Action{
				Step: finding.Today,
				Text: "Linux 6.18 and later free such a port for connect() when the socket that had bound it goes",
			})
	},
}
