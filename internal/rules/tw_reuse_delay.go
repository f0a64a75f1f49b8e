package rules

import (
	"fmt"

	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/port"
	"portrange/internal/words"
)

// twReuseDelay: TIME_WAIT is reused later than it could be.
var twReuseDelay = &Rule{
	Kind: finding.Kind{
		Code: "tw-reuse-delay", Title: "TIME_WAIT is reused later than it could be", Causes: causesOfDetails(),
		Evidence: func(f *finding.Finding) string {
			v := f.Values
			return fmt.Sprintf("a port in TIME_WAIT may be taken over after %s instead of %s; of the %s there are, that is %s now",
				words.Span(v.Duration("delay")), words.Span(port.DefaultTWReuseDelay),
				words.Thousands(v.Int("time_wait")), words.Thousands(v.Int("reusable")))
		},
	},
	Needs: host.WantSockets,
	Namespace: func(p *Place) {
		delay, worst := p.NS.Settings.TWReuseDelay, reusingPool(p)
		if worst == nil || delay <= port.DefaultTWReuseDelay {
			return
		}
		present := p.present(worst)
		actions := retold(takeOver(p, worst, &present), "unless something on the way needs it longer")
		values := append(finding.Values{{Name: "delay", V: delay}}, p.poolValues(worst)...)
		p.add(finding.Info, settingOf(p, port.KeyTWReuseDelay, worst), values, actions...)
	},
}
