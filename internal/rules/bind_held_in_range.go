package rules

import (
	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/port"
)

// bindHeldInRange: ports that sockets took through bind(), and of UDP all, come
// into the range.
var bindHeldInRange = &Rule{
	Kind: finding.Kind{
		Code: "bind-held-in-range", Title: "Ports taken through bind() come into the range",
		Evidence: func(f *finding.Finding) string {
			return somebody(f) + "took " + portsText(f) + " through bind()" + comes(f)
		},
	},
	Needs: host.WantHolds,
	Change: func(c *Change) {
		c.holders(func(hold *host.Hold) bool { return hold.State != port.Listen })
	},
}
