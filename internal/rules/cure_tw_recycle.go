package rules

import (
	"slices"
	"strings"

	"portrange/internal/boot"
	"portrange/internal/finding"
	"portrange/internal/port"
)

// cureTWRecycle: a file sets what Linux no longer has.
var cureTWRecycle = &Rule{
	Kind: finding.Kind{
		Code: "cure-tw-recycle", Title: "tcp_tw_recycle is still in the configuration",
		Evidence: func(f *finding.Finding) string {
			return "set in " + linesText(f.Values) + "; Linux has had no such setting since 4.12"
		},
	},
	Namespace: func(p *Place) {
		if lines := configured(p, port.KeyTWRecycle); len(lines) > 0 {
			p.add(finding.Warning, finding.Subject{Key: port.KeyTWRecycle}, finding.Values{{Name: "lines", V: lines}}, finding.Action{
				Step: finding.Today,
				Text: "remove the line: it broke clients behind NAT while it existed. tcp_tw_reuse is what helps outgoing connections",
			})
		}
	},
}

// linesText lists the lines of files that a finding names.
func linesText(v finding.Values) string {
	lines, _ := v.Get("lines").([]string)
	return strings.Join(lines, ", ")
}

// configured are the lines of files that set a key of the namespace, with or
// without effect: first those that decide.
func configured(p *Place, key string) []string {
	if p.Boot == nil || p.Booted != p.NS.ID {
		return nil
	}
	var lines []string
	add := func(line boot.Line) {
		if text := line.String(); !slices.Contains(lines, text) {
			lines = append(lines, text)
		}
	}
	for i := range p.Boot.Settings {
		s := &p.Boot.Settings[i]
		if s.Key != key {
			continue
		}
		for _, decision := range []*boot.Decision{s.Tuned, s.Systemd, s.Procps} {
			if decision != nil {
				add(decision.Line)
			}
		}
		for _, loser := range s.Loses {
			add(loser.Line)
		}
	}
	return lines
}
