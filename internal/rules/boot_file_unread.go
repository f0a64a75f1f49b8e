package rules

import (
	"portrange/internal/finding"
)

// bootFileUnread: what a file sets at boot is not known.
var bootFileUnread = &Rule{Kind: finding.Kind{
	Code: "boot-file-unread", Title: "A file that sets values at boot could not be read",
	Evidence: func(f *finding.Finding) string {
		return "it could not be read: " + f.Values.Text("why") + "; it may override " + f.Values.Text("drop_in") + " at boot"
	},
}}

// BootFileUnread is the finding of a file, directory or profile that may override
// the drop-in, and why it could not be read.
func BootFileUnread(path, why, dropIn string) finding.Finding {
	return finding.Finding{
		Kind: &bootFileUnread.Kind, Severity: finding.Warning, Subject: finding.Of(path),
		Values: finding.Values{{Name: "why", V: why}, {Name: "drop_in", V: dropIn}},
		Actions: []finding.Action{{
			Step: finding.Now, Command: finding.Portrange("", "boot"),
			Text: "once it can be read, this shows which value will hold",
		}},
	}
}
