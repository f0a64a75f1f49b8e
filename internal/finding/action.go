package finding

import (
	"cmp"
	"slices"
	"strings"

	"portrange/internal/host"
	"portrange/internal/port"
)

// Step is when an action is to be taken, or where.
type Step string

// The steps, in the order in which they are taken.
const (
	Now       Step = "now"            // a command that helps at once
	Today     Step = "today"          // needs a decision, a restart or another machine
	InProgram Step = "in the program" // a change of a program or of its configuration
)

// rank is higher the later the step.
func (s Step) rank() int { return slices.Index([]Step{Now, Today, InProgram}, s) }

// CompareSteps orders steps as they are taken, as [cmp.Compare] does numbers.
func CompareSteps(a, b Step) int { return cmp.Compare(a.rank(), b.rank()) }

// Action is one thing to do about a finding: a command, or a text where no
// command does it.
type Action struct {
	Step    Step
	Command Command
	// Setting is the key of the setting that Command changes; empty where it changes
	// none or several. Of two steps that change the same one only the first is taken.
	Setting string
	// Text says what to do, or with a Command what has to be known of it.
	Text string
	// Change is what Text asks a program to do differently, for who carries it out
	// without reading; empty where nothing of the kind helps. Process is that
	// program, nil where it could not be seen.
	Change  Change
	Process *host.Process
	// Effect is what the action is predicted to do to the pool; nil where that
	// cannot be told.
	Effect *Effect
}

// Change is what a program is to do differently.
type Change string

// The changes.
const (
	Restart    Change = "restart"      // end the process and start it again
	KeepAlive  Change = "keep-alive"   // keep connections open and use them again
	BindNoPort Change = "bind-no-port" // set IP_BIND_ADDRESS_NO_PORT before bind()
	CloseIdle  Change = "close"        // close what it is done with
)

// Effect is a prediction for the pool that a finding is about.
type Effect struct {
	// Size is how many ports the pool then has, Left how many of them at once.
	Size int `json:"size" doc:"ports the pool then has"`
	Left int `json:"left" doc:"ports left at once, or at the present rate where rate is given"`
	// Share is the share of the pool then in use.
	Share float64 `json:"share" doc:"share of the pool then in use"`
	// Rate is the connections a second that this side closes first, for which that
	// holds; 0 where the pool is taken as it is.
	Rate float64 `json:"rate,omitempty" doc:"connections a second that this side closes first, for which that holds; absent where the pool is taken as it stands"`
	// Ceiling is the highest such rate that the pool then sustains; 0 where none is known.
	Ceiling float64 `json:"ceiling,omitempty" doc:"highest such rate the pool then sustains; absent where it is not known"`
}

// Command is a command line, word for word. The zero value is no command.
type Command []string

// Portrange is a command of ours about the namespace that ref means (what
// --netns takes, empty for the caller's own).
func Portrange(ref string, words ...string) Command {
	command := append(Command{"portrange"}, words...)
	if ref != "" {
		command = append(command, "--netns", ref)
	}
	return command
}

// Inside runs a command in the namespace that ref means.
func Inside(ref string, words ...string) Command {
	switch {
	case ref == "":
		return words
	case ref == port.Host:
		return append(Command{"nsenter", "--target", "1", "--net"}, words...)
	case strings.Trim(ref, "0123456789") == "": // a process in it
		return append(Command{"nsenter", "--target", ref, "--net"}, words...)
	case strings.Contains(ref, "/"):
		return append(Command{"nsenter", "--net=" + ref}, words...)
	}
	return append(Command{"ip", "netns", "exec", ref}, words...)
}

// String is the command as a shell takes it.
func (c Command) String() string {
	words := make([]string, len(c))
	for i, word := range c {
		words[i] = quoted(word)
	}
	return strings.Join(words, " ")
}

// quoted quotes a word for a shell where it needs it.
func quoted(word string) string {
	name, value, assigns := strings.Cut(word, "=")
	if assigns && isPlain(name) && !isPlain(value) { // key=value reads better with the value quoted
		return name + "=" + quoted(value)
	}
	if isPlain(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

func isPlain(word string) bool {
	special := func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@,=%+", r)
	}
	return word != "" && strings.IndexFunc(word, special) < 0
}
