package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/diff"

	"portrange/internal/act"
	"portrange/internal/act/journal"
	"portrange/internal/host"
	"portrange/internal/judge"
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
	SchemaVersion int     `json:"schema_version"`
	Outcome       Outcome `json:"outcome"`
	Applying
	Namespaces []act.Change    `json:"namespaces"`
	Writes     []Write         `json:"writes"`
	Files      []FileDiff      `json:"files"`
	Findings   []judge.Finding `json:"findings"`
	Gaps       []host.Gap      `json:"gaps"`
}

// Applying is what there is to know of a change that was carried out.
type Applying struct {
	// Change is its number in the journal, 0 for none.
	Change int `json:"change,omitempty"`
	// RevertsAt is when it goes back unless confirmed; nil where it stays.
	RevertsAt *time.Time `json:"reverts_at,omitempty"`
}

// Write is a write of a setting.
type Write struct {
	NetNS  uint64 `json:"netns"`
	Name   string `json:"name"`
	Key    string `json:"key"`
	Before string `json:"before"`
	After  string `json:"after"`
}

// FileDiff is a change of a file as unified diff.
type FileDiff struct {
	Path string `json:"path"`
	Diff string `json:"diff"`
}

// NewChange is the document of a plan that was not carried out yet.
func NewChange(p *act.Plan) *Change {
	return &Change{
		SchemaVersion: SchemaVersion, Outcome: Planned, Namespaces: p.Changes,
		Writes: writes(p.Settings()), Files: diffs(p.Files), Findings: p.Findings, Gaps: p.Gaps,
	}
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
		p.namespaceChange(&doc.Namespaces[i])
	}
	p.consequences(doc.Findings)
	p.writes(doc.Writes, doc.Files)
	return p.flush()
}

func (p *printer) namespaceChange(c *act.Change) {
	p.line("%s", p.paint(bold, fmt.Sprintf("Network namespace %s (%d)", Printable(c.Name), c.NetNS)))
	p.field("Range", transition(ends(c.Before), ends(c.After))+", "+count(c.After.Size, "port")+balance(c))
	if c.ReservedBefore+c.ReservedAfter != "" {
		p.field("Reserved", transition(orNone(c.ReservedBefore), orNone(c.ReservedAfter)))
	}
	p.consequences(c.Findings)
}

func ends(r judge.Range) string { return fmt.Sprintf("%d-%d", r.Low, r.High) }

func balance(c *act.Change) string {
	if c.Gained+c.Lost == 0 {
		return ""
	}
	return fmt.Sprintf(": %s gained, %s lost", thousands(c.Gained), thousands(c.Lost))
}

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

// consequences prints all findings: nobody can agree to what is not shown.
func (p *printer) consequences(found []judge.Finding) {
	for i := range found {
		p.finding(&found[i])
		if i+1 == len(found) || found[i+1].Advice != found[i].Advice {
			p.line("%*s-> %s", labelCells, "", p.wrap(Printable(found[i].Advice), labelCells+3, labelCells+3))
		}
	}
}

func (p *printer) writes(writes []Write, files []FileDiff) {
	if len(writes)+len(files) == 0 {
		return
	}
	p.line("%s", p.paint(bold, "To be written, in this order"))
	for _, w := range writes {
		p.line("  %s = %s", w.Key, orNone(w.After)+in(writes, w))
	}
	for _, f := range files {
		p.diff(f.Diff)
	}
}

func (p *printer) diff(text string) {
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		p.line("  %s", p.paint(diffInk(line), Printable(line)))
	}
}

// in names the namespace of a write where there are several.
func in(writes []Write, w Write) string {
	for _, other := range writes {
		if other.NetNS != w.NetNS {
			return " in netns " + Printable(w.Name)
		}
	}
	return ""
}

func diffInk(line string) ink {
	switch {
	case strings.HasPrefix(line, "+"):
		return green
	case strings.HasPrefix(line, "-"):
		return red
	}
	return plain
}
