package rules

import (
	"fmt"

	"portrange/internal/finding"
	"portrange/internal/port"
	"portrange/internal/words"
)

// reservedInRange: the range that a change sets has fewer ports than its ends say.
var reservedInRange = &Rule{
	Kind: finding.Kind{
		Code: "reserved-in-range", Title: "Ports of the new range are reserved",
		Evidence: func(f *finding.Finding) string {
			return fmt.Sprintf("%s of the range reserved: connect() and bind() to port 0 pick from the other %s",
				portsText(f), words.Thousands(f.Values.Int("left")))
		},
	},
	Change: func(c *Change) {
		reserved := c.After.Settings.Range.Set()
		reserved.Intersect(c.After.Settings.Reserved)
		if c.movesRange() && reserved.Len() > 0 {
			values := append(portValues(reserved), finding.Value{Name: "left", V: c.open()})
			c.add(finding.Info, finding.OfSetting(port.KeyReserved, ""), values)
		}
	},
}
