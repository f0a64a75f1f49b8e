package rules

import (
	"fmt"

	"portrange/internal/boot"
	"portrange/internal/finding"
	"portrange/internal/words"
)

// notAfterReboot: a setting that a change makes will not hold after a reboot.
var notAfterReboot = &Rule{Kind: finding.Kind{
	Code: "not-after-reboot", Title: "A reboot takes the change back",
	Evidence: func(f *finding.Finding) string {
		by := "the kernel's default"
		if f.Values.Get("file") != nil {
			by = lineText(f)
		}
		return fmt.Sprintf("will be %q after a reboot, by %s", words.List(f.Values.Text("after_reboot")), by)
	},
}}

// NotAfterReboot is the finding of a setting that will be value after a change
// and, after a reboot, what s says. persists tells that the change writes other
// settings for the next boot.
func NotAfterReboot(s *boot.Setting, value string, persists bool) finding.Finding {
	action := finding.Action{Step: finding.Now, Text: "add --persist to keep it"}
	if persists {
		action = keep("", s.Key, value, *s.Boot)
	}
	return finding.Finding{
		Kind: &notAfterReboot.Kind, Severity: finding.Info, Subject: finding.OfSetting(s.Key, value),
		Values:  append(finding.Values{{Name: "after_reboot", V: *s.Boot}}, decidedBy(s)...),
		Actions: []finding.Action{action},
	}
}
