package rules

import (
	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/port"
)

// stepWidth: the kernel could search in steps, and does not.
var stepWidth = &Rule{
	Kind: finding.Kind{
		Code: "step-width", Title: "The kernel can search in steps",
		Evidence: func(f *finding.Finding) string {
			return "the kernel can search in steps of random width, but goes from port to port; " + fullestText(f)
		},
	},
	Needs: host.WantSockets,
	Namespace: func(p *Place) {
		worst, settings := p.slowest(), &p.NS.Settings
		if worst != nil && settings.HasStepWidth && settings.StepWidth == 0 {
			p.add(finding.Info, finding.OfSetting(port.KeyStepWidth, "0"), fullestValues(worst), finding.Action{
				Step: finding.Now, Command: finding.Inside(p.NS.Ref, "sysctl", "-w", port.KeyStepWidth+"=128"),
				Text: "it keeps a search from walking through a long run of taken ports",
			})
		}
	},
}
