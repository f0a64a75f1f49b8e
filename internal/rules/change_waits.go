package rules

import (
	"time"

	"portrange/internal/finding"
	"portrange/internal/words"
)

// changeWaits: a change goes back unless it is confirmed.
var changeWaits = &Rule{Kind: finding.Kind{
	Code: "change-waits", Title: "A change waits for confirmation",
	Evidence: func(f *finding.Finding) string {
		return "portrange " + f.Values.Text("command") + " goes back at " + f.Values.Text("deadline") + " unless it is confirmed"
	},
}}

// ChangeWaits is the finding of a change that was made with --confirm and still
// waits. title names it.
func ChangeWaits(title, command string, deadline time.Time) finding.Finding {
	return finding.Finding{
		Kind: &changeWaits.Kind, Severity: finding.Info, Subject: finding.Of(title),
		Values:  finding.Values{{Name: "command", V: command}, {Name: "deadline", V: words.Moment(deadline)}},
		Actions: []finding.Action{confirming("keeps it"), {Step: finding.Now, Command: finding.Portrange("", "undo"), Text: "takes it back at once"}},
	}
}
