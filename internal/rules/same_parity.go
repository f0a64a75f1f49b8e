package rules

import (
	"fmt"
	"strconv"

	"portrange/internal/finding"
	"portrange/internal/judge"
	"portrange/internal/port"
	"portrange/internal/words"
)

// sameParity: both ends of the range are odd, or both even.
var sameParity = &Rule{
	Kind: finding.Kind{
		Code: "same-parity", Title: "Both ends of the range are odd, or both even",
		Evidence: func(f *finding.Finding) string {
			return fmt.Sprintf("both ends are odd or both even, %s: the kernel searches an even number of ports at a time, "+
				"and a search can miss one", words.Count(f.Values.Int("size"), "port"))
		},
	},
	Namespace: func(p *Place) {
		r := p.NS.Settings.Range
		if !r.SameParity() {
			return
		}
		better := judge.EvenOut(r)
		p.add(finding.Info, finding.OfSetting(port.KeyRange, r.String()), finding.Values{{Name: "size", V: r.Size()}}, finding.Action{
			Step: finding.Now, Command: lasting(p.NS, "set", strconv.Itoa(int(better.Low)), strconv.Itoa(int(better.High))),
		})
	},
	Change: func(c *Change) {
		if r := c.After.Settings.Range; c.movesRange() && r.SameParity() {
			c.add(finding.Info, c.ofRange(), finding.Values{{Name: "size", V: r.Size()}}, finding.Action{
				Step: finding.Now, Text: judge.EvenOut(r).String() + " has ends of different parity",
			})
		}
	},
}
