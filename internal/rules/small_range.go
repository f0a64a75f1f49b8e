package rules

import (
	"fmt"

	"portrange/internal/finding"
	"portrange/internal/port"
	"portrange/internal/words"
)

// fewPorts is a range so small that it is most likely a slip of the pen.
const fewPorts = 1000

// smallRange: a change leaves hardly any port.
var smallRange = &Rule{
	Kind: finding.Kind{
		Code: "small-range", Title: "The range would be very small",
		Evidence: func(f *finding.Finding) string {
			return fmt.Sprintf("%s, of which TIME_WAIT keeps each for %s: %s new connections to one destination",
				words.Count(f.Values.Int("size"), "port"), words.Span(port.TimeWaitLength), words.Rate(f.Values.Float("rate")))
		},
	},
	Change: func(c *Change) {
		size := c.After.Settings.Range.Size()
		if c.movesRange() && size < fewPorts {
			values := finding.Values{{Name: "size", V: size}, {Name: "rate", V: float64(size) / port.TimeWaitLength.Seconds()}}
			c.add(finding.Warning, c.ofRange(), values, finding.Action{
				Step: finding.Now,
				Text: "the kernel's default has " + words.Thousands(port.DefaultRange.Size()) + "; did you mean that?",
			})
		}
	},
}
