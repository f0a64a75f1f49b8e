package rules

import (
	"fmt"

	"portrange/internal/boot"
	"portrange/internal/finding"
	"portrange/internal/port"
	"portrange/internal/words"
)

// BootKeys are the settings that [Facts.Boot] should tell of: those that decide
// about ports, a cure that is none, and settings that do not exist.
func BootKeys() []string {
	return append(boot.Keys(), port.KeyTWRecycle, ofIPv6(port.KeyRange), ofIPv6(port.KeyReserved))
}

// bootDrift: a reboot changes a setting, as a file says something else.
var bootDrift = &Rule{
	Kind: finding.Kind{
		Code: "boot-drift", Title: "A file says something else than what holds now",
		Evidence: func(f *finding.Finding) string {
			return fmt.Sprintf("it is %q, and %q after a reboot: %s says so",
				words.List(f.Values.Text("running")), words.List(f.Values.Text("after_reboot")), lineText(f))
		},
	},
	Namespace: func(p *Place) {
		p.drifts(true, func(s *boot.Setting) []finding.Action {
			wins := keep(p.NS.Ref, s.Key, *s.Running, *s.Boot)
			wins.Step = finding.Today
			return []finding.Action{
				{
					Step: finding.Now, Command: finding.Portrange("", "boot"),
					Text: "decide which one is meant: this shows all files that have a say",
				},
				wins,
			}
		})
	},
}
