package rules

import (
	"strings"

	"portrange/internal/finding"
	"portrange/internal/port"
)

// noSuchSetting: a file sets what no Linux has.
var noSuchSetting = &Rule{
	Kind: finding.Kind{
		Code: "no-such-setting", Title: "A setting that does not exist",
		Evidence: func(f *finding.Finding) string {
			return "set in " + linesText(f.Values) + "; no kernel has it: " + f.Values.Text("instead") + " is the one of IPv4 and IPv6"
		},
	},
	Namespace: func(p *Place) {
		for _, right := range []string{port.KeyRange, port.KeyReserved} {
			wrong := ofIPv6(right)
			lines, severity := configured(p, wrong), finding.Warning
			if len(lines) == 0 {
				continue
			}
			if len(configured(p, right)) > 0 { // somebody did both to be safe
				severity = finding.Info
			}
			p.add(severity, finding.Subject{Key: wrong}, finding.Values{{Name: "lines", V: lines}, {Name: "instead", V: right}}, finding.Action{
				Step: finding.Today, Text: "remove the line, or have it set " + right,
			})
		}
	},
}

// ofIPv6 is the name that a setting is thought to have for IPv6.
func ofIPv6(key string) string { return strings.Replace(key, "net.ipv4.", "net.ipv6.", 1) }
