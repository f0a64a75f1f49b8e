package rules

import (
	"fmt"
	"strconv"

	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/port"
	"portrange/internal/words"
)

// limitTooSmall: something else than ports will run out first.
var limitTooSmall = &Rule{
	Kind: finding.Kind{
		Code: "limit-too-small", Title: "Another limit is reached before the wider range",
		Evidence: func(f *finding.Finding) string {
			v := f.Values
			return fmt.Sprintf("it is %s, but the range allows %s to one destination, and each takes %s",
				words.Thousands(v.Int("limit")), words.Count(v.Int("ports"), "connection"), v.Text("each"))
		},
	},
	Needs: host.WantHolds | host.WantLimits,
	Change: func(c *Change) {
		if c.After.Settings.Range.Size() <= c.Before.Settings.Range.Size() {
			return
		}
		if t := c.Before.Conntrack; t != nil {
			c.bound(ofConntrack(t), t.Max, "an entry of netfilter's table")
		}
		if files := c.Files; files != nil {
			c.bound(finding.OfSetting(port.KeyFileMax, strconv.FormatUint(files.Max, 10)), files.Max, "an open file")
			perProcess := finding.OfSetting(port.KeyNROpen, strconv.FormatUint(files.PerProcess, 10))
			c.bound(perProcess, files.PerProcess, "an open file of its process")
		}
		if b := c.Before.Busiest; b != nil {
			c.bound(finding.Subject{Process: &b.Process, Key: "RLIMIT_NOFILE"}, b.Soft, "an open file")
		}
	},
}

// bound adds a finding where a limit allows fewer connections than one
// destination alone could then have. A limit of 0 could not be read.
func (c *Change) bound(subject finding.Subject, limit uint64, each string) {
	if ports := c.open(); limit > 0 && limit < uint64(ports) {
		values := finding.Values{{Name: "limit", V: limit}, {Name: "ports", V: ports}, {Name: "each", V: each}}
		c.add(finding.Info, subject, values, finding.Action{Step: finding.Today, Text: "raise it as well, or the new ports stay unused"})
	}
}
