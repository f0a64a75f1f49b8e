package rules

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"portrange/internal/finding"
	"portrange/internal/host"
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

// firstOf is the process with most ports, nil where none is known.
func firstOf(owners []judge.Owner) *host.Process {
	if len(owners) == 0 {
		return nil
	}
	return &owners[0].Process
}

// mostBy names the program with most ports, where it is known.
func mostBy(v finding.Values) string {
	if programs := programsOf(ownersIn(v)); len(programs) > 0 {
		return "; most by " + programs[0].String()
	}
	return ""
}

// ofProgram is the processes of one name together.
type ofProgram struct {
	first     host.Process
	processes int
	used      int
}

// String is the process or, of several, their name and number.
func (o ofProgram) String() string {
	if o.processes == 1 {
		return o.first.String()
	}
	return fmt.Sprintf("%s (%s processes)", o.first.Command, words.Thousands(o.processes))
}

// programsOf adds up the processes of one name, the program with most ports first.
func programsOf(owners []judge.Owner) []ofProgram {
	var programs []ofProgram
	for _, owner := range owners {
		at := slices.IndexFunc(programs, func(o ofProgram) bool { return o.first.Command == owner.Command })
		if at < 0 {
			at, programs = len(programs), append(programs, ofProgram{first: owner.Process})
		}
		programs[at].processes++
		programs[at].used += owner.Used
	}
	slices.SortStableFunc(programs, func(a, b ofProgram) int { return cmp.Compare(b.used, a.used) })
	return programs
}

// namedOwners is how many programs one sentence names.
const namedOwners = 3

// heldBy names the programs with most ports and how many each has, where they are known.
func heldBy(v finding.Values) string {
	programs := programsOf(ownersIn(v))
	names := make([]string, 0, namedOwners)
	for _, program := range programs[:min(namedOwners, len(programs))] {
		names = append(names, fmt.Sprintf("%s: %s", program, words.Thousands(program.used)))
	}
	if len(names) == 0 {
		return ""
	}
	return "; " + strings.Join(names, ", ")
}
