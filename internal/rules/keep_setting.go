package rules

import (
	"fmt"

	"portrange/internal/boot"
	"portrange/internal/finding"
	"portrange/internal/port"
	"portrange/internal/words"
)

// keep is the action that makes a setting hold after a reboot, where booted
// would otherwise.
func keep(ref, key, value, booted string) finding.Action {
	action := finding.Action{Step: finding.Now}
	switch {
	case key == port.KeyRange:
		if r, err := port.ParseRange(value); err == nil {
			action.Command = finding.Portrange(ref, "set", fmt.Sprint(r.Low), fmt.Sprint(r.High), "--persist")
		}
	case key == port.KeyReserved && value != "" && !words.IsLong(value):
		action.Command = finding.Portrange(ref, "reserve", "add", value, "--persist")
	case key == port.KeyReserved && value == "" && !words.IsLong(booted):
		action.Command = finding.Portrange(ref, "reserve", "remove", booted, "--persist")
	}
	if action.Command == nil {
		action.Text = fmt.Sprintf("add the line %s = %s to a file in /etc/sysctl.d", key, words.List(value))
		return action
	}
	action.Text = "keeps it"
	return action
}

// drifts adds a finding for each setting that a reboot changes, those that a line
// of a file decides or those that none does.
func (p *Place) drifts(byLine bool, actions func(s *boot.Setting) []finding.Action) {
	if p.Boot == nil || p.NS.ID != p.Booted {
		return
	}
	for i := range p.Boot.Settings {
		s := &p.Boot.Settings[i]
		if !s.Drift || (s.Decision() != nil) != byLine {
			continue
		}
		values := finding.Values{{Name: "running", V: *s.Running}, {Name: "after_reboot", V: *s.Boot}}
		p.add(finding.Warning, finding.OfSetting(s.Key, *s.Running), append(values, decidedBy(s)...), actions(s)...)
	}
}

// decidedBy is the line that decides what holds after a reboot, none for the
// kernel's default.
func decidedBy(s *boot.Setting) finding.Values {
	decision := s.Decision()
	if decision == nil {
		return nil
	}
	return finding.Values{{Name: "file", V: decision.File}, {Name: "line", V: decision.Line.Line}}
}

// lineText is a line in the form that editors understand.
func lineText(f *finding.Finding) string {
	return boot.Line{File: f.Values.Text("file"), Line: f.Values.Int("line")}.String()
}
