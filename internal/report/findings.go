package report

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/words"
)

// Finding is a finding in words, as every document shows it.
type Finding struct {
	Code     string           `json:"code" doc:"stable name of the kind of finding; portrange doctor --explain CODE explains it"`
	Severity finding.Severity `json:"severity" doc:"info, warning or critical"`
	NetNS    uint64           `json:"netns" doc:"inode number of the network namespace; 0 for what belongs to the whole machine"`
	Name     string           `json:"name" doc:"name of that namespace; empty for the whole machine"`
	Subject  finding.Subject  `json:"subject" doc:"what it is about; parts that do not apply are absent"`
	Values   finding.Values   `json:"values" doc:"the numbers behind it by name"`
	Since    time.Time        `json:"since,omitzero" doc:"when it was first seen (RFC 3339, UTC); absent where the host was looked at once"`
	Causes   []string         `json:"causes" doc:"codes of the findings that explain it, which tell what to do about it"`
	Evidence string           `json:"evidence" doc:"the values in words; of a pool, which pool first"`
	Actions  []Action         `json:"actions" doc:"what to do, in this order"`
}

// Action is one thing to do about a finding.
type Action struct {
	Step    finding.Step `json:"step" doc:"now, today or in the program"`
	Command string       `json:"command,omitempty" doc:"command line for a shell; absent where none does it"`
	Setting string       `json:"setting,omitempty" doc:"key of the setting that the command changes; absent where it changes none or several"`
	Text    string       `json:"text,omitempty" doc:"what to do, or what has to be known of the command; absent where the command says all"`
	// Change and Process are Text for machines.
	Change  finding.Change `json:"change,omitempty" doc:"what the text asks a program to do differently: restart, keep-alive, bind-no-port or close; absent where a command does it, and where it is none of these"`
	Process *host.Process  `json:"process,omitempty" doc:"that program; absent where it could not be seen"`
	Effect  string         `json:"effect,omitempty" doc:"what the action is predicted to do to the pool, in words; absent where that cannot be told"`
	// Predicted is Effect in numbers.
	Predicted *finding.Effect `json:"predicted,omitempty" doc:"the same in numbers; absent with it"`
}

// NewFindings puts findings into words. They keep their order.
func NewFindings(found []finding.Finding) []Finding {
	list := make([]Finding, len(found))
	for i := range found {
		f := &found[i]
		actions := make([]Action, len(f.Actions))
		for j, a := range f.Actions {
			actions[j] = Action{a.Step, a.Command.String(), a.Setting, a.Text, a.Change, a.Process, effectText(a.Effect), a.Effect}
		}
		list[i] = Finding{
			Code: f.Code(), Severity: f.Severity, NetNS: f.NetNS, Name: f.Name, Subject: f.Subject, Values: f.Values,
			Since: f.Since, Causes: append([]string{}, f.Causes...), Evidence: f.Evidence(), Actions: actions,
		}
		list[i].Evidence = list[i].poolPrefix() + list[i].Evidence
	}
	return list
}

// poolPrefix names the pool of a finding, so that its evidence says towards whom
// where it stands alone, as in an alert; empty where it is about something else.
func (f *Finding) poolPrefix() string {
	if !f.Subject.IsPool() {
		return ""
	}
	return subjectText(&f.Subject) + ": "
}

// bareEvidence is the evidence for where the subject is printed beside it.
func (f *Finding) bareEvidence() string {
	return strings.TrimPrefix(f.Evidence, f.poolPrefix())
}

// effectText words a prediction.
func effectText(e *finding.Effect) string {
	if e == nil {
		return ""
	}
	text := outlook(e)
	if e.Left > 0 {
		text += fmt.Sprintf(", %s left", words.Thousands(e.Left))
	}
	if e.Ceiling > 0 {
		text += fmt.Sprintf("; sustains %s", words.Rate(e.Ceiling))
	}
	return text
}

// outlook is the share of the pool then in use, in words.
func outlook(e *finding.Effect) string {
	text := fmt.Sprintf("about %s of the pool in use", words.Percent(e.Share))
	if e.Left <= 0 {
		text = "the pool stays full"
	}
	if e.Rate > 0 {
		text += " at the present rate"
	}
	return text
}

// subjectText names what a finding is about.
func subjectText(s *finding.Subject) string {
	pool := s.Proto + " " + s.Local
	if s.Remote != "" {
		pool = strings.TrimSpace(pool) + " → " + s.Remote
	}
	var parts []string
	if pool = strings.TrimSpace(pool); pool != "" {
		parts = append(parts, pool)
	}
	if s.Process != nil {
		parts = append(parts, s.Process.String())
	}
	switch {
	case s.Value != "":
		parts = append(parts, s.Key+" = "+strings.ReplaceAll(words.List(s.Value), ",", ", "))
	case s.Key != "":
		parts = append(parts, s.Key)
	}
	if s.Object != "" {
		parts = append(parts, s.Object)
	}
	return strings.Join(parts, ", ")
}

// notExact says why numbers from a source are not exact, and which way they may
// be off.
func notExact(source string, doubts []judge.Doubt) string {
	reasons := make([]string, len(doubts))
	for i, doubt := range doubts {
		reasons[i] = cmp.Or(doubtTexts[doubt], string(doubt))
	}
	return source + ", not exact: " + strings.Join(reasons, "; ")
}

var doubtTexts = map[judge.Doubt]string{
	judge.DoubtPartial: "some sockets could not be read, so fewer ports may be left, by how many is not known",
	judge.DoubtBuckets: "ports bound before connect() cannot be told apart, so fewer may be left; " +
		"nor can TIME_WAIT ports that connect() may take over, so more may be",
	judge.DoubtV6Only: "IPV6_V6ONLY of connected sockets does not show, so more may be left for bind() to 0.0.0.0",
	judge.DoubtMissed: "sockets came and went while they were listed, which can hide others, so fewer may be left",
	judge.DoubtSharing: "SO_REUSEADDR and SO_REUSEPORT of the sockets that are there do not show, " +
		"so more may be left to one with them",
	judge.DoubtVRF: "it is not certain in which VRF some sockets are, so fewer or more may be left",
	judge.DoubtConnectHooks: "BPF programs of the control group may send connections elsewhere or refuse them, " +
		"and the number holds where they do not",
	judge.DoubtHooksUnread: "whether BPF programs of the control group send connections elsewhere or refuse them " +
		"could not be read, and the number holds where they do not",
	judge.DoubtRules: "routing rules look at SO_MARK, IP_TOS or the like and lead some sockets another way; " +
		"the number holds for those that they do not (--mark and --tos tell which)",
	judge.DoubtLocalPort: "routing rules look at the local port, and connect() fails where it gets one " +
		"from which no way leads; who tries again may get the same ones for ever",
	judge.DoubtShared: "bind() chooses among shared ports at random, and connect() fails with EADDRNOTAVAIL " +
		"where the one chosen is connected there already; who tries again gets on",
	judge.DoubtNoRoute: "no route leads there from this address now, and connect() fails until one does",
	judge.DoubtSources: "routing gives connections one of several local addresses, each with a number of its own",
}
