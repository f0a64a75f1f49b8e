package rules

import (
	"time"

	"portrange/internal/finding"
	"portrange/internal/words"
)

// changeOverdue: a change should have gone back, and its clock did not see to it.
var changeOverdue = &Rule{Kind: finding.Kind{
	Code: "change-overdue", Title: "A change that was not confirmed did not go back",
	Evidence: func(f *finding.Finding) string {
		return "portrange " + f.Values.Text("command") + " should have gone back at " + f.Values.Text("deadline") +
			" and did not: what watched the clock was killed, or still tries"
	},
}}

// ChangeOverdue is the finding of a change that still holds although it was not
// confirmed in time. title names it.
func ChangeOverdue(title, command string, deadline time.Time) finding.Finding {
	return finding.Finding{
		Kind: &changeOverdue.Kind, Severity: finding.Warning, Subject: finding.Of(title),
		Values:  finding.Values{{Name: "command", V: command}, {Name: "deadline", V: words.Moment(deadline)}},
		Actions: []finding.Action{{Step: finding.Now, Command: finding.Portrange("", "undo"), Text: "takes it back"}, confirming("keeps it")},
	}
}
