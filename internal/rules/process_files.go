package rules

import (
	"fmt"

	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/words"
)

// processFiles: the process with most ports has few files left.
var processFiles = &Rule{
	Kind: finding.Kind{
		Code: "process-files", Title: "A process runs out of files before ports",
		Evidence: func(f *finding.Finding) string {
			text := limitText(f, "files open")
			if usable := f.Values.Int("usable"); usable > 0 {
				return fmt.Sprintf("%s, while one destination alone has %s: files run out first", text, words.Count(usable, "port"))
			}
			return fmt.Sprintf("%s, and %s of the range in use: it runs out of files (EMFILE) before ports",
				text, words.Count(f.Values.Int("ports"), "port"))
		},
	},
	Needs: host.WantSockets | host.WantHolds | host.WantLimits,
	Namespace: func(p *Place) {
		b := p.NS.Busiest
		if b == nil {
			return
		}
		raise := finding.Action{
			Step: finding.Today,
			Text: "raise its limit: LimitNOFILE= in its systemd unit, --ulimit nofile= with docker, " +
				"or nofile in limits.conf; then restart it",
		}
		values := append(limitValues(b.Open, b.Soft), finding.Value{Name: "ports", V: b.Ports})
		if severity, worth := strain(b.Open, b.Soft); worth {
			p.add(severity, finding.OfProcess(b.Process), values, raise)
		} else if usable := p.Verdict.Usable; b.Soft > 0 && b.Soft < uint64(usable) && 2*b.Open >= b.Soft {
			p.add(finding.Info, finding.OfProcess(b.Process), append(values, finding.Value{Name: "usable", V: usable}), raise)
		}
	},
}
