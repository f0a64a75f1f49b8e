package rules

import (
	"fmt"

	"portrange/internal/finding"
)

// dropInEdited: the change replaces a file that somebody has edited.
var dropInEdited = &Rule{Kind: finding.Kind{
	Code: "drop-in-edited", Title: "Somebody edited portrange's file",
	Evidence: func(f *finding.Finding) string {
		return fmt.Sprintf("somebody added the line %q", f.Values.Text("text"))
	},
}}

// DropInEdited is the finding of a line that portrange did not write.
func DropInEdited(path, text string) finding.Finding {
	return finding.Finding{
		Kind: &dropInEdited.Kind, Severity: finding.Warning, Subject: finding.Of(path), Values: finding.Values{{Name: "text", V: text}},
		Actions: []finding.Action{{Step: finding.Now, Text: "it goes: keep it in a file of your own"}},
	}
}
