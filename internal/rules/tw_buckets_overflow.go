package rules

import (
	"fmt"

	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/port"
	"portrange/internal/words"
)

// twBucketsOverflow: connections were closed without TIME_WAIT for want of room.
var twBucketsOverflow = &Rule{
	Kind: finding.Kind{
		Code: "tw-buckets-overflow", Title: "Connections were closed without TIME_WAIT",
		Causes: []string{"tw-buckets-low"},
		Evidence: func(f *finding.Finding) string {
			v := f.Values
			text := "TCPTimeWaitOverflow is " + words.Thousands(v.Int("overflows")) +
				": so many connections were closed without TIME_WAIT since the namespace began"
			if recent := v.Int("recent"); recent > 0 {
				text += fmt.Sprintf(", %s of them in the last %s", words.Thousands(recent), words.Span(v.Duration("over")))
			}
			return text
		},
	},
	Needs: host.WantTCP,
	Namespace: func(p *Place) {
		if p.NS.TimeWait == nil || p.NS.TimeWait.Overflows == 0 {
			return
		}
		severity, overflows := finding.Info, p.NS.TimeWait.Overflows
		values := finding.Values{{Name: "overflows", V: overflows}, {Name: "max", V: p.NS.Settings.MaxTWBuckets}}
		if p.Before != nil && p.Before.TimeWait != nil && overflows > p.Before.TimeWait.Overflows {
			severity = finding.Warning
			values = append(values, finding.Values{
				{Name: "recent", V: overflows - p.Before.TimeWait.Overflows}, {Name: "over", V: p.Elapsed},
			}...)
		}
		p.add(severity, settingOf(p, port.KeyMaxTWBuckets, nil), values,
			moreBuckets(p, "it hides that ports run out, and corrupts connections when a late packet fits"))
	},
}
