package cure

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"portrange/internal/finding"
	"portrange/internal/host"
)

// advice is one action of the doctor's JSON, and the finding that it belongs to.
type advice struct {
	Code      string          `json:"-"`
	Step      finding.Step    `json:"step"`
	Command   string          `json:"command"`
	Text      string          `json:"text"`
	Change    finding.Change  `json:"change"`
	Process   *host.Process   `json:"process"`
	Predicted *finding.Effect `json:"predicted"`
}

// String is the action as the table of cures has it.
func (a *advice) String() string {
	if a.Command != "" {
		return "`" + a.Command + "`"
	}
	return string(a.Step) + ": " + string(a.Change)
}

// examined is what the doctor finds, the first first.
type examined struct {
	Findings []struct {
		Code     string           `json:"code"`
		Severity finding.Severity `json:"severity"`
		Evidence string           `json:"evidence"`
		Values   finding.Values   `json:"values"`
		Actions  []advice         `json:"actions"`
	} `json:"findings"`
}

func (w *world) doctor(args ...string) *examined {
	w.t.Helper()
	cmd := w.inside("", nil, append([]string{"portrange", "doctor", "--json"}, args...)...)
	out, err := cmd.Output()
	found := &examined{}
	if err == nil {
		err = json.Unmarshal(out, found)
	}
	if err != nil {
		w.t.Fatalf("doctor: %v\n%s", err, out)
	}
	for i := range found.Findings {
		for j := range found.Findings[i].Actions {
			found.Findings[i].Actions[j].Code = found.Findings[i].Code
		}
	}
	return found
}

// first is the first action of the given steps, and of two findings that of the
// first. No step means any.
func (e *examined) first(steps ...finding.Step) (advice, error) {
	for i := range e.Findings {
		for _, a := range e.Findings[i].Actions {
			if slices.Contains(steps, a.Step) {
				return a, nil
			}
		}
	}
	return advice{}, fmt.Errorf("no action for %q in %s", steps, e)
}

// String lists the findings for a test that fails.
func (e *examined) String() string {
	var b strings.Builder
	for i := range e.Findings {
		f := &e.Findings[i]
		fmt.Fprintf(&b, "\n%s %s: %s", f.Severity, f.Code, f.Evidence)
		for _, a := range f.Actions {
			fmt.Fprintf(&b, "\n    %s: %s %s %+v", a.Step, &a, a.Text, a.Predicted)
		}
	}
	return b.String()
}

// carryOut does what the action says, to the letter: a command as it is printed, or
// what it asks of the program that it names. That program has to be one that runs.
func (w *world) carryOut(a *advice, programs []*program) error {
	if a.Command != "" {
		w.typed(a.Command)
		return nil
	}
	done := false
	for i, p := range programs {
		if a.Process != nil && a.Process.Command != p.name {
			continue
		}
		next, err := p.manner.changed(a.Change)
		if err != nil {
			return err
		}
		p.end()
		programs[i], done = w.run(p.netns, p.name, next), true
	}
	if !done {
		return fmt.Errorf("%s is asked of %v, which is none of the programs here", a.Change, a.Process)
	}
	return nil
}
