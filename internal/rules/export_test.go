package rules

import (
	"slices"

	"portrange/internal/finding"
)

// Commands are the commands of all actions of all cases, of namespaces that ref
// means, each once.
func Commands(ref string) []finding.Command {
	var commands []finding.Command
	take := func(found []finding.Finding) {
		for _, f := range found {
			for _, action := range f.Actions {
				known := func(c finding.Command) bool { return slices.Equal(c, action.Command) }
				if len(action.Command) > 0 && !slices.ContainsFunc(commands, known) {
					commands = append(commands, action.Command)
				}
			}
		}
	}
	for _, s := range symptoms() {
		if len(s.sick.Now.Namespaces) > 0 && s.sick.Boot == nil { // files apply to the host alone
			s.sick.ns().Ref = ref
		}
		take(s.sick.examine(All()))
	}
	for _, a := range alterations() {
		a.sick.Before.Ref, a.sick.After.Ref = ref, ref
		take(ExamineChange(a.sick))
	}
	return commands
}
