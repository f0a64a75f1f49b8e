package rules

import (
	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/words"
)

// socketsOutside: connections keep ports that a change takes out of the range.
var socketsOutside = &Rule{
	Kind: finding.Kind{
		Code: "sockets-outside", Title: "Connections have ports that leave the range",
		Evidence: func(f *finding.Finding) string {
			return words.Count(f.Values.Int("connections"), "connection") + " with ports that fall outside: " +
				"they keep them until they close, and only new picks change"
		},
	},
	Needs: host.WantSockets,
	Change: func(c *Change) {
		if c.Before.Usage == nil {
			return
		}
		leaving := c.Before.Settings.Range.Set()
		leaving.Subtract(c.After.Settings.Range.Set())
		n := 0
		for _, usage := range c.Before.Usage.Tuples {
			n += usage.CountIn(leaving)
		}
		if n > 0 {
			c.add(finding.Info, c.ofRange(), finding.Values{{Name: "connections", V: n}})
		}
	},
}
