package rules

import "portrange/internal/finding"

// notTheHost: files are written where they mean nothing for the namespace.
var notTheHost = &Rule{Kind: finding.Kind{
	Code: "not-the-host", Title: "The files belong to another network namespace",
	Evidence: func(f *finding.Finding) string {
		return "process 1 lives in another network namespace: at boot " + f.Values.Text("directory") + " sets the values there, and not here"
	},
}}

// NotTheHost is the finding of files in directory that are written from a
// namespace which is not the host's.
func NotTheHost(netns uint64, name, directory string) finding.Finding {
	return finding.Finding{
		Kind: &notTheHost.Kind, Severity: finding.Warning, NetNS: netns, Name: name,
		Subject: finding.Of("netns " + name), Values: finding.Values{{Name: "directory", V: directory}},
		Actions: []finding.Action{{Step: finding.Now, Text: "persist from the host, unless these files belong to a container's own system"}},
	}
}
