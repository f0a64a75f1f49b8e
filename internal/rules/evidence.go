package rules

import (
	"fmt"

	"portrange/internal/finding"
	"portrange/internal/judge"
	"portrange/internal/words"
)

// poolEvidence words what [poolValues] holds.
func poolEvidence(f *finding.Finding) string {
	v := f.Values
	text := fmt.Sprintf("%s of %s in use, %s left", words.Thousands(v.Int("used")), words.Count(v.Int("size"), "port"), words.Thousands(v.Int("left")))
	if waiting := v.Int("time_wait"); waiting > 0 {
		text += fmt.Sprintf("; %s in TIME_WAIT", words.Thousands(waiting))
	}
	if reusable := v.Int("reusable"); reusable > 0 {
		text += fmt.Sprintf(", %s of them reusable", words.Thousands(reusable))
	}
	if owners, known := v.Get("owners").([]judge.Owner); known {
		text += "; most by " + owners[0].Process.String()
	}
	return text
}
