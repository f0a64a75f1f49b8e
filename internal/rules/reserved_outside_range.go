package rules

import (
	"fmt"

	"portrange/internal/finding"
	"portrange/internal/port"
)

// reservedOutside: an entry of the list has no effect.
var reservedOutside = &Rule{
	Kind: finding.Kind{
		Code: "reserved-outside-range", Title: "Reserved ports outside the range",
		Evidence: func(f *finding.Finding) string {
			return fmt.Sprintf("%s outside the range %s, where no search goes", portsText(f), f.Values.Text("range"))
		},
	},
	Namespace: func(p *Place) {
		outside := p.NS.Settings.Reserved.Clone()
		outside.Subtract(p.NS.Settings.Range.Set())
		if outside.Len() > 0 {
			p.add(finding.Info, finding.OfSetting(port.KeyReserved, ""), append(portValues(outside), rangeValue(p.NS)),
				unreserve(p.NS, outside, "it does no harm, and matters again should the range reach there"))
		}
	},
}
