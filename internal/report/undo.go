package report

import (
	"fmt"
	"io"
	"time"

	"portrange/internal/act"
	"portrange/internal/act/journal"
	"portrange/internal/escape"
	"portrange/internal/words"
)

// Undo is the document of `portrange undo`.
type Undo struct {
	SchemaVersion int     `json:"schema_version" doc:"1; grows when a field changes its meaning or goes away"`
	Outcome       Outcome `json:"outcome" doc:"planned (--dry-run), nothing (to do), refused or applied"`
	// Undoes is the change that is taken back, or the undo that is finished.
	Undoes Entry `json:"undoes" doc:"the change that is taken back"`
	// Resumes is set where an undo was interrupted and is finished.
	Resumes bool       `json:"resumes" doc:"true where an undo had been interrupted and is finished"`
	Writes  []Write    `json:"writes" doc:"the writes of settings, in their order"`
	Files   []FileDiff `json:"files" doc:"the files to be written, after the settings"`
	Kept    []Kept     `json:"kept" doc:"what others changed since, or is gone: it stays as it is"`
}

// Kept is what others changed since, or is gone.
type Kept struct {
	act.Kept
	// Diff is from what portrange left to what is there now; empty for a setting.
	Diff string `json:"diff" doc:"of a file, from what portrange left to what is there now, as unified diff; empty for a setting"`
}

// Entry is a change in the journal.
type Entry struct {
	ID      int           `json:"id" doc:"number of the change"`
	State   journal.State `json:"state" doc:"how far it had come: done, waiting (for confirmation), or begun, confirming or reverting (it was interrupted there)"`
	At      time.Time     `json:"at" doc:"when it was made (RFC 3339, UTC)"`
	Command string        `json:"command" doc:"the command that made it"`
	User    string        `json:"user" doc:"who gave it"`
}

// newEntry is what is shown of a change.
func newEntry(e *journal.Entry) Entry {
	return Entry{ID: e.ID, State: e.State, At: e.At, Command: e.Command, User: e.User}
}

// NewUndo is the document of an undo that was not carried out yet.
func NewUndo(u *act.Undo) *Undo {
	doc := &Undo{
		SchemaVersion: SchemaVersion, Outcome: Planned, Undoes: newEntry(&u.Entry), Resumes: u.Resumes,
		Writes: writes(u.Settings), Files: diffs(u.Files), Kept: []Kept{},
	}
	for _, kept := range u.Kept {
		shown := Kept{Kept: kept}
		if kept.File != nil {
			shown.Diff = diffs([]journal.File{*kept.File})[0].Diff
		}
		doc.Kept = append(doc.Kept, shown)
	}
	return doc
}

// Confirmation is the document of `portrange confirm`.
type Confirmation struct {
	SchemaVersion int   `json:"schema_version" doc:"1; grows when a field changes its meaning or goes away"`
	Confirmed     Entry `json:"confirmed" doc:"the change that stays"`
}

// NewConfirmation is the document of a change that was confirmed.
func NewConfirmation(e *journal.Entry) *Confirmation {
	return &Confirmation{SchemaVersion: SchemaVersion, Confirmed: newEntry(e)}
}

// WriteUndo prints which change is taken back, and every write.
func WriteUndo(w io.Writer, doc *Undo, style Style) error {
	p := newPrinter(w, style)
	entry, verb, progress := &doc.Undoes, "Takes back", ""
	if doc.Resumes {
		verb = "Finishes"
	}
	switch entry.State {
	case journal.Begun:
		progress = ", which was interrupted"
	case journal.Waiting:
		progress = ", which waits for confirmation"
	case journal.Confirming:
		progress = ", which was interrupted as it was confirmed"
	case journal.Reverting:
		progress = ", which was interrupted as it was taken back"
	}
	p.text(plain, fmt.Sprintf("%s change %d, `portrange %s`, by %s on %s%s", verb, entry.ID, escape.Printable(entry.Command),
		escape.Printable(entry.User), words.Moment(entry.At), progress))
	for _, kept := range doc.Kept {
		p.beside(p.padded("WARNING", labelCells), yellow, escape.Printable(kept.What+" stays as it is: "+kept.Why))
		p.diff(kept.Diff)
	}
	p.writes(doc.Writes, doc.Files)
	return p.flush()
}
