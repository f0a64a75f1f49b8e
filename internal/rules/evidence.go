package rules

import (
	"fmt"
	"strings"

	"portrange/internal/finding"
	"portrange/internal/judge"
	"portrange/internal/port"
	"portrange/internal/words"
)

// poolEvidence words what poolValues holds.
func poolEvidence(f *finding.Finding) string {
	v := f.Values
	text := roomText(f)
	if waiting := v.Int("time_wait"); waiting > 0 {
		text += fmt.Sprintf("; %s in TIME_WAIT", words.Thousands(waiting))
	}
	if reusable := v.Int("reusable"); reusable > 0 {
		text += fmt.Sprintf(", %s of them reusable", words.Thousands(reusable))
	}
	return text + mostBy(v)
}

// roomText says how full a pool is, and what fails where no port is left.
func roomText(f *finding.Finding) string {
	v, fails := f.Values, "bind() to port 0 fails"
	switch {
	case f.Subject.Remote != "":
		fails = "connect() fails"
	case f.Subject.Proto == port.UDP.String():
		fails = "bind() to port 0 and connect() fail"
	}
	text := fmt.Sprintf("%s of %s in use, %s left",
		words.Thousands(v.Int("used")), words.Count(v.Int("size"), "port"), words.Thousands(v.Int("left")))
	if v.Int("left") == 0 {
		text += ", " + fails
	}
	return text
}

// stateText says how many ports of a pool are in a state, as the value of its
// name counts them.
func stateText(v finding.Values, name, state string) string {
	n, used := v.Int(name), v.Int("used")
	return fmt.Sprintf("%s of %s in use are in %s (%s)",
		words.Thousands(n), words.Count(used, "port"), state, words.Percent(float64(n)/float64(max(used, 1))))
}

func ownersIn(v finding.Values) []judge.Owner {
	owners, _ := v.Get("owners").([]judge.Owner)
	return owners
}

// mostBy names the process with most ports, where it is known.
func mostBy(v finding.Values) string {
	if owners := ownersIn(v); len(owners) > 0 {
		return "; most by " + owners[0].Process.String()
	}
	return ""
}

// namedOwners is how many processes one sentence names.
const namedOwners = 3

// heldBy names the processes with most ports and how many each has, where they are known.
func heldBy(v finding.Values) string {
	owners := ownersIn(v)
	names := make([]string, 0, namedOwners)
	for _, owner := range owners[:min(namedOwners, len(owners))] {
		names = append(names, fmt.Sprintf("%s: %s", owner.Process, words.Thousands(owner.Used)))
	}
	if len(names) == 0 {
		return ""
	}
	return "; " + strings.Join(names, ", ")
}
