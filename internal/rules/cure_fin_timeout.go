package rules

import (
	"fmt"

	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/port"
	"portrange/internal/words"
)

// cureFinTimeout: a setting was lowered that is thought to shorten TIME_WAIT.
var cureFinTimeout = &Rule{
	Kind: finding.Kind{
		Code: "cure-fin-timeout", Title: "tcp_fin_timeout was lowered, which does not shorten TIME_WAIT",
		Evidence: func(f *finding.Finding) string {
			v, are := f.Values, "are"
			if v.Int("sockets") == 1 {
				are = "is"
			}
			text := fmt.Sprintf("it is %s instead of %s, and has no part in TIME_WAIT, which lasts %s all the same: "+
				"%s %s in it",
				words.Span(v.Duration("timeout")), words.Span(port.DefaultFinTimeout), words.Span(port.TimeWaitLength),
				words.Count(v.Int("sockets"), "socket"), are)
			if lines := linesText(v); lines != "" {
				text += "; set in " + lines
			}
			return text
		},
	},
	Needs: host.WantTCP,
	Namespace: func(p *Place) {
		timeout := p.NS.Settings.FinTimeout
		if p.NS.TimeWait == nil || timeout >= port.DefaultFinTimeout {
			return
		}
		values := finding.Values{{Name: "timeout", V: timeout}, {Name: "sockets", V: p.NS.TimeWait.Sockets}}
		if lines := configured(p, port.KeyFinTimeout); len(lines) > 0 {
			values = append(values, finding.Value{Name: "lines", V: lines})
		}
		p.add(finding.Info, settingOf(p, port.KeyFinTimeout, nil), values, finding.Action{
			Step: finding.Today, Command: finding.Command{"portrange", "doctor", "--explain", "time-wait-share"},
			Text: "it bounds FIN_WAIT_2 of connections that their process has closed; " +
				"if it was meant against TIME_WAIT, drop it and read this",
		})
	},
}
