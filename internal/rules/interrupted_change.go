package rules

import "portrange/internal/finding"

// interruptedChange: a change was killed on its way.
var interruptedChange = &Rule{Kind: finding.Kind{
	Code: "interrupted-change", Title: "An earlier change was interrupted",
	Evidence: func(f *finding.Finding) string {
		return "portrange " + f.Values.Text("command") + " was interrupted on its way, by a crash or a kill: " +
			"a part of it may hold and a part not"
	},
}}

// Interrupted is the finding of a change that was killed on its way. title names it.
func Interrupted(title, command string) finding.Finding {
	return finding.Finding{
		Kind: &interruptedChange.Kind, Severity: finding.Warning,
		Subject: finding.Of(title), Values: finding.Values{{Name: "command", V: command}},
		Actions: []finding.Action{{
			Step: finding.Now, Command: finding.Portrange("", "undo"),
			Text: "takes it back first; or go on: this plan starts from what holds now",
		}},
	}
}
