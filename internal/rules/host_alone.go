package rules

import (
	"portrange/internal/finding"
	"portrange/internal/words"
)

// hostAlone: of several namespaces only the host's keeps a change.
var hostAlone = &Rule{Kind: finding.Kind{
	Code: "host-alone", Title: "Only the host keeps the change after a reboot",
	Evidence: func(f *finding.Finding) string {
		return words.Count(f.Values.Int("others"), "other namespace") + " changed for now: files in " + f.Values.Text("directory") +
			" set the host's values alone; what is started anew, as containers are, has the kernel's default"
	},
}}

// HostAlone is the finding of a change of the host and other namespaces that is
// written to files in directory.
func HostAlone(others int, directory string) finding.Finding {
	return finding.Finding{
		Kind: &hostAlone.Kind, Severity: finding.Info, Subject: finding.Of("other namespaces"),
		Values:  finding.Values{{Name: "others", V: others}, {Name: "directory", V: directory}},
		Actions: []finding.Action{{Step: finding.Today, Text: "configure what starts them: --emit docker, compose or kubernetes prints how"}},
	}
}
