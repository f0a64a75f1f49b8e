package faults

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Situation is all that a change is about, by name: the range, the reserved
// ports and the files, temporary ones included. What is not there is not in it.
type Situation map[string]string

// Outcome is what came of one run of the program with one fault.
type Outcome struct {
	// Start is the situation before the first change, to which undo leads back, Before
	// that before the command, Asked the one that the command leads to, After the one
	// that it led to, End the one after a plain undo.
	Start, Before, Asked, After, End Situation
	// Half reports whether a value is one that a killed write leaves of a setting that
	// takes several.
	Half func(name, value string) bool

	Killed bool // before it ended by itself
	Mute   bool // what it prints is lost
	Exit   int
	Said   string // on both streams
	// Late is set where the change was to go back by itself, and did not.
	Late bool
	// State is that of the newest entry of the journal after the command, empty for
	// none.
	State string

	Undone   bool // an undo was run
	UndoExit int
	UndoSaid string
	EndState string
}

// Exit codes (portrange --help).
const (
	exitOK      = 0
	exitFailure = 2
)

// What the program says about a change that failed: that nothing of it holds, or
// that all of it does.
var (
	nothingHolds = []string{
		"as it was before", "nothing was changed", "Nothing was changed", "not confirmed: the running values",
	}
	allHolds = []string{"is applied", "is taken back", "is confirmed"}
)

// Judge lists what does not agree. Empty is right.
func Judge(o *Outcome) []string {
	var wrong []string
	complain := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	since := differences(o.Before, o.After)
	for _, name := range since {
		value, is := o.After[name]
		asked, wanted := o.Asked[name]
		switch {
		case is == wanted && value == asked:
		case o.Killed && (isTemporary(name) || o.Half(name, value)):
		case !o.Killed && o.Half(name, value) && strings.Contains(o.Said, name):
		default:
			complain("%s is %q: neither as before nor as asked for", name, short(value))
		}
	}
	if !o.Killed && !o.Mute {
		said(o, since, complain)
	}
	if o.Late {
		complain("it did not go back in time")
	}
	if o.Undone {
		undone(o, complain)
	}
	return wrong
}

// said holds what is there against the exit code and the words.
func said(o *Outcome, since []string, complain func(string, ...any)) {
	missing := differences(o.Asked, o.After)
	switch {
	case o.Exit == exitOK:
		if len(missing) > 0 {
			complain("exit code 0, and %q are not as asked for", missing)
		}
		if o.State == "begun" {
			complain("exit code 0, and the journal says begun")
		}
	case says(o.Said, nothingHolds):
		if len(since) > 0 {
			complain("said to be as before, and %q are not", since)
		}
	case says(o.Said, allHolds):
		if len(missing) > 0 {
			complain("said to hold, and %q do not", missing)
		}
	case unsaid(o.Said, missing) != nil: // else it names all that is not as asked for
		if names := unsaid(o.Said, since); names != nil {
			complain("%q are not as before, and were not named", names)
		}
	}
	if o.Exit != exitOK && strings.TrimSpace(o.Said) == "" {
		complain("exit code %d without a word", o.Exit)
	}
}

// undone holds what an undo left against the start.
func undone(o *Outcome, complain func(string, ...any)) {
	none := o.UndoExit == exitFailure && strings.Contains(o.UndoSaid, "there is none")
	if o.UndoExit != exitOK && !none {
		complain("undo: exit code %d", o.UndoExit)
	}
	if left := differences(o.Start, o.End); len(left) > 0 {
		complain("after undo %q are not as at the start", left)
	}
	if o.EndState == "begun" || o.EndState == "waiting" {
		complain("after undo the journal says %s", o.EndState)
	}
}

// unsaid are the names that a text does not have.
func unsaid(text string, names []string) []string {
	var none []string
	for _, name := range names {
		if !strings.Contains(text, name) {
			none = append(none, name)
		}
	}
	return none
}

func says(text string, phrases []string) bool {
	return slices.ContainsFunc(phrases, func(phrase string) bool { return strings.Contains(text, phrase) })
}

// differences are the names of what is not the same in both.
func differences(a, b Situation) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(a)) {
		if value, is := b[name]; !is || value != a[name] {
			names = append(names, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(b)) {
		if _, is := a[name]; !is {
			names = append(names, name)
		}
	}
	return names
}

// isTemporary reports whether a file's name bears the program's mark of one that
// is not finished.
func isTemporary(name string) bool { return strings.Contains(name, "/.portrange-tmp-") }

func short(text string) string {
	const longest = 60
	if len(text) > longest {
		return text[:longest] + "…"
	}
	return text
}
