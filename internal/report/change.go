package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/diff"

	"portrange/internal/act"
	"portrange/internal/act/journal"
	"portrange/internal/escape"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/words"
)

// Outcome is what became of a plan.
type Outcome string

// The outcomes.
const (
	Planned Outcome = "planned" // --dry-run
	Nothing Outcome = "nothing" // everything is so already
	Refused Outcome = "refused" // warnings, and nobody said yes
	Applied Outcome = "applied"
	Waiting Outcome = "waiting" // applied until it is confirmed
)

// Change is the document of `portrange set`, `portrange reserve add` and
// `portrange reserve remove`.
type Change struct {
	SchemaVersion int     `json:"schema_version" doc:"1; grows when a field changes its meaning or goes away"`
	Outcome       Outcome `json:"outcome" doc:"planned (--dry-run), nothing (to do), refused, applied, or waiting (for confirmation)"`
	Applying
	Namespaces []NamespaceChange `json:"namespaces" doc:"the network namespaces that the plan is about"`
	Writes     []Write           `json:"writes" doc:"the writes of settings, in their order"`
	Files      []FileDiff        `json:"files" doc:"the files to be written, after the settings"`
	Findings   []Finding         `json:"findings" doc:"what there is to say of files and of the journal, worst first; a warning is what --yes agrees to"`
	Gaps       []host.Gap        `json:"gaps" doc:"what could not be read; numbers beside a gap can be too small"`
}

// NamespaceChange is what happens to one namespace, and what follows.
type NamespaceChange struct {
	act.Change
	Findings []Finding `json:"findings" doc:"what follows from the change, worst first; a warning is what --yes agrees to"`
}

// Applying is what there is to know of a change that was carried out.
type Applying struct {
	// Change is its number in the journal, 0 for none.
	Change int `json:"change,omitempty" doc:"number of the change in the journal; absent where nothing was changed"`
	// RevertsAt is when it goes back unless confirmed; nil where it stays.
	RevertsAt *time.Time `json:"reverts_at,omitempty" doc:"when the change goes back unless it is confirmed; absent where it stays"`
}

// Write is a write of a setting.
type Write struct {
	NetNS  uint64 `json:"netns" doc:"inode number of the network namespace"`
	Name   string `json:"name" doc:"its name"`
	Key    string `json:"key" doc:"the setting"`
	Before string `json:"before" doc:"its value before, with single spaces"`
	After  string `json:"after" doc:"its value after"`
}

// FileDiff is a change of a file as unified diff.
type FileDiff struct {
	Path string `json:"path" doc:"the file"`
	Diff string `json:"diff" doc:"the change as unified diff; /dev/null stands for no file"`
}

// NewChange is the document of a plan that was not carried out yet.
func NewChange(p *act.Plan) *Change {
	doc := &Change{
		SchemaVersion: SchemaVersion, Outcome: Planned, Namespaces: []NamespaceChange{},
		Writes: writes(p.Settings()), Files: diffs(p.Files), Findings: NewFindings(p.Findings), Gaps: p.Gaps,
	}
	for _, change := range p.Changes {
		doc.Namespaces = append(doc.Namespaces, NamespaceChange{change, NewFindings(change.Findings)})
	}
	return doc
}

func writes(settings []journal.Setting) []Write {
	list := []Write{}
	for _, s := range settings {
		list = append(list, Write{NetNS: s.Namespace.ID, Name: s.Namespace.Name, Key: s.Key, Before: s.Before, After: s.After})
	}
	return list
}

func diffs(files []journal.File) []FileDiff {
	list := []FileDiff{}
	for _, f := range files {
		before, after := f.Path, f.Path
		if f.Before == nil {
			before = "/dev/null"
		}
		if f.After == nil {
			after = "/dev/null"
		}
		list = append(list, FileDiff{f.Path, string(diff.Diff(before, f.Before.Bytes(), after, f.After.Bytes()))})
	}
	return list
}

// WriteChange prints a plan: before and after, what follows, and every write.
func WriteChange(w io.Writer, doc *Change, style Style) error {
	p := newPrinter(w, style)
	for i := range doc.Namespaces {
		c := &doc.Namespaces[i]
		p.line("%s", p.paint(bold, fmt.Sprintf("Network namespace %s (%d)", escape.Printable(c.Name), c.NetNS)))
		ports := transition(ends(c.Before), ends(c.After)) + ", " + words.Count(c.After.Size, "port")
		if c.Gained+c.Lost != 0 {
			ports += fmt.Sprintf(": %s gained, %s lost", words.Thousands(c.Gained), words.Thousands(c.Lost))
		}
		p.field("Range", ports)
		if c.ReservedBefore+c.ReservedAfter != "" {
			p.field("Reserved", transition(orNone(c.ReservedBefore), orNone(c.ReservedAfter)))
		}
		p.consequences(c.Findings)
	}
	p.consequences(doc.Findings)
	p.writes(doc.Writes, doc.Files)
	return p.flush()
}

func ends(r judge.RangeInfo) string { return fmt.Sprintf("%d-%d", r.Low, r.High) }

func transition(before, after string) string {
	if before == after {
		return before + " as before"
	}
	return before + " → " + after
}

func orNone(list string) string {
	if list == "" {
		return "none"
	}
	return list
}

// consequences prints all findings: nobody can agree to what is not shown. What
// several in a row ask for is printed once.
func (p *printer) consequences(found []Finding) {
	for i := range found {
		f := &found[i]
		label := p.padded(strings.ToUpper(string(f.Severity)), labelCells)
		p.beside(label, severityInk(f.Severity), escape.Printable(subjectText(&f.Subject)+": "+f.bareEvidence()))
		if i+1 < len(found) && sameSteps(f.Actions, found[i+1].Actions) {
			continue
		}
		for _, action := range f.Actions {
			text := adviceText(&action)
			if action.Effect != "" {
				text += "; " + escape.Printable(action.Effect)
			}
			p.beside(fmt.Sprintf("%*s-> ", labelCells, ""), plain, text)
		}
	}
}

func (p *printer) writes(writes []Write, files []FileDiff) {
	if len(writes)+len(files) == 0 {
		return
	}
	p.text(bold, "To be written, in this order")
	several := slices.ContainsFunc(writes, func(w Write) bool { return w.NetNS != writes[0].NetNS })
	for _, w := range writes {
		text := escape.Printable(orNone(w.After))
		if several {
			text += " in netns " + escape.Printable(w.Name)
		}
		p.line("  %s = %s", w.Key, text)
	}
	for _, f := range files {
		p.diff(f.Diff)
	}
}

func (p *printer) diff(text string) {
	for line := range strings.Lines(text) {
		colour := plain
		switch line[0] {
		case '+':
			colour = green
		case '-':
			colour = red
		}
		p.line("  %s", p.paint(colour, escape.Printable(strings.TrimSuffix(line, "\n"))))
	}
}
