package rules

import (
	"fmt"

	"portrange/internal/finding"
	"portrange/internal/judge"
	"portrange/internal/port"
	"portrange/internal/words"
)

// sameParity: a search can miss one port at an end of the range.
func sameParity() *Rule {
	return &Rule{
		Kind: finding.Kind{
			Code: "same-parity", Title: "Both ends of the range are odd, or both even",
			Evidence: func(f *finding.Finding) string {
				return fmt.Sprintf("both ends are odd or both even, %s: the kernel searches an even number of ports at a time, "+
					"and a search can miss one", words.Count(f.Values.Int("size"), "port"))
			},
		},
		Namespace: func(p *Place) {
			if r := p.NS.Settings.Range; r.SameParity() {
				better := judge.EvenOut(r)
				command := lasting(p.NS, "set", fmt.Sprint(better.Low), fmt.Sprint(better.High))
				p.add(finding.Info, finding.OfSetting(port.KeyRange, r.String()), finding.Values{{Name: "size", V: r.Size()}},
					finding.Action{Step: finding.Now, Command: command})
			}
		},
		Change: func(c *Change) {
			if r := c.After.Settings.Range; c.movesRange() && r.SameParity() {
				c.add(finding.Info, c.ofRange(), finding.Values{{Name: "size", V: r.Size()}},
					finding.Action{Step: finding.Now, Text: judge.EvenOut(r).String() + " has ends of different parity"})
			}
		},
	}
}
