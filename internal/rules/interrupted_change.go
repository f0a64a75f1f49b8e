package rules

import "portrange/internal/finding"

// interruptedChange: a change was killed on its way, there, back or as it was confirmed.
var interruptedChange = &Rule{Kind: finding.Kind{
	Code: "interrupted-change", Title: "An earlier change was interrupted",
	Evidence: func(f *finding.Finding) string {
		text := "portrange " + f.Values.Text("command") + " was interrupted "
		switch Progress(f.Values.Text("progress")) {
		case WhileConfirmed:
			return text + "as it was confirmed: it stays, and what it wanted written to files may not be there yet"
		case WhileTakenBack:
			return text + "as it was taken back: a part of it may still hold"
		}
		return text + "on its way, by a crash or a kill: a part of it may hold and a part not"
	},
}}

// Progress is how far an interrupted change had come.
type Progress string

// Where a change can be interrupted.
const (
	WhileMade      Progress = "made"
	WhileConfirmed Progress = "confirmed"
	WhileTakenBack Progress = "taken back"
)

// Interrupted is the finding of a change that was killed on its way. title names it.
func Interrupted(title, command string, progress Progress) finding.Finding {
	f := finding.Finding{
		Kind: &interruptedChange.Kind, Severity: finding.Warning, Subject: finding.Of(title),
		Values: finding.Values{{Name: "command", V: command}, {Name: "progress", V: string(progress)}},
	}
	undo := finding.Action{Step: finding.Now, Command: finding.Portrange("", "undo"), Text: "takes it back"}
	switch progress {
	case WhileConfirmed:
		f.Actions = append(f.Actions, confirming("finishes it"))
	case WhileTakenBack:
		undo.Text = "finishes that"
	}
	f.Actions = append(f.Actions, undo)
	return f
}

// confirming is the action of confirming a change.
func confirming(text string) finding.Action {
	return finding.Action{Step: finding.Now, Command: finding.Portrange("", "confirm"), Text: text}
}
