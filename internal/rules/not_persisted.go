package rules

import (
	"fmt"

	"portrange/internal/boot"
	"portrange/internal/finding"
	"portrange/internal/words"
)

// notPersisted: a reboot takes a setting back, as no file has it.
var notPersisted = &Rule{
	Kind: finding.Kind{
		Code: "not-persisted", Title: "A setting that a reboot takes back",
		Evidence: func(f *finding.Finding) string {
			return fmt.Sprintf("it is %q, but no file says so: after a reboot the kernel's default holds, %q",
				words.List(f.Values.Text("running")), words.List(f.Values.Text("after_reboot")))
		},
	},
	Namespace: func(p *Place) {
		p.drifts(false, func(s *boot.Setting) []finding.Action {
			return []finding.Action{keep(p.NS.Ref, s.Key, *s.Running, *s.Boot)}
		})
	},
}
