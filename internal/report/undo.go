package report

import (
	"fmt"
	"io"
	"time"

	"portrange/internal/act"
	"portrange/internal/act/journal"
)

// Undo is the document of `portrange undo`.
type Undo struct {
	SchemaVersion int     `json:"schema_version"`
	Outcome       Outcome `json:"outcome"`
	// Undoes is the change that is taken back, or the undo that is finished.
	Undoes Entry `json:"undoes"`
	// Resumes is set where an undo was interrupted and is finished.
	Resumes bool       `json:"resumes"`
	Writes  []Write    `json:"writes"`
	Files   []FileDiff `json:"files"`
	Kept    []Kept     `json:"kept"`
}

// Kept is what others changed since, or is gone.
type Kept struct {
	act.Kept
	// Diff is from what portrange left to what is there now; empty for a setting.
	Diff string `json:"diff"`
}

// Entry is a change in the journal.
type Entry struct {
	ID      int           `json:"id"`
	State   journal.State `json:"state"`
	At      time.Time     `json:"at"`
	Command string        `json:"command"`
	User    string        `json:"user"`
}

// newEntry is what is shown of a change.
func newEntry(e *journal.Entry) Entry {
	return Entry{ID: e.ID, State: e.State, At: e.At, Command: e.Command, User: e.User}
}

// NewUndo is the document of an undo that was not carried out yet.
func NewUndo(u *act.Undo) *Undo {
	return &Undo{
		SchemaVersion: SchemaVersion, Outcome: Planned, Undoes: newEntry(&u.Entry), Resumes: u.Resumes,
		Writes: writes(u.Settings), Files: diffs(u.Files), Kept: kept(u.Kept),
	}
}

func kept(list []act.Kept) []Kept {
	all := []Kept{}
	for _, one := range list {
		shown := Kept{Kept: one}
		if one.File != nil {
			shown.Diff = diffs([]journal.File{*one.File})[0].Diff
		}
		all = append(all, shown)
	}
	return all
}

// Confirmation is the document of `portrange confirm`.
type Confirmation struct {
	SchemaVersion int   `json:"schema_version"`
	Confirmed     Entry `json:"confirmed"`
}

// NewConfirmation is the document of a change that was confirmed.
func NewConfirmation(e *journal.Entry) *Confirmation {
	return &Confirmation{SchemaVersion: SchemaVersion, Confirmed: newEntry(e)}
}

// WriteUndo prints which change is taken back, and every write.
func WriteUndo(w io.Writer, doc *Undo, style Style) error {
	p := newPrinter(w, style)
	verb := "Takes back"
	if doc.Resumes {
		verb = "Finishes"
	}
	p.line("%s", p.wrap(fmt.Sprintf("%s change %d, `portrange %s`, by %s on %s%s", verb, doc.Undoes.ID, Printable(doc.Undoes.Command),
		Printable(doc.Undoes.User), timeText(doc.Undoes.At), progressOf(doc.Undoes.State)), 0, 2))
	for _, kept := range doc.Kept {
		label := fmt.Sprintf("%-*s", labelCells, "WARNING")
		p.line("%s%s", p.paint(yellow, label), p.wrap(fmt.Sprintf("%s stays as it is: %s", Printable(kept.What), Printable(kept.Why)), labelCells, labelCells))
		p.diff(kept.Diff)
	}
	p.writes(doc.Writes, doc.Files)
	return p.flush()
}

func progressOf(state journal.State) string {
	switch state {
	case journal.Begun:
		return ", which was interrupted"
	case journal.Waiting:
		return ", which waits for confirmation"
	}
	return ""
}
