package rules

import (
	"portrange/internal/finding"
	"portrange/internal/words"
)

// noPortLeft: a change reserves the whole range.
var noPortLeft = &Rule{
	Kind: finding.Kind{
		Code: "no-port-left", Title: "Every port of the range would be reserved",
		Evidence: func(f *finding.Finding) string {
			return "every port of the range is reserved, " + words.Thousands(f.Values.Int("size")) + " of them"
		},
	},
	Change: func(c *Change) {
		if c.open() == 0 {
			c.add(finding.Critical, c.ofRange(), finding.Values{{Name: "size", V: c.After.Settings.Range.Size()}}, finding.Action{
				Step: finding.Now, Text: "leave some: no connect() without a port of its own works with none",
			})
		}
	},
}
