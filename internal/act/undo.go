package act

import (
	"fmt"

	"portrange/internal/act/journal"
)

// Undo is what taking back the last change comes down to.
type Undo struct {
	Origin `json:"-"`
	// Entry is the change to take back or, with Resumes, the interrupted undo
	// that is to be finished.
	Entry   journal.Entry `json:"-"`
	Resumes bool          `json:"resumes"`
	// Settings and Files are the writes.
	Settings []journal.Setting `json:"-"`
	Files    []journal.File    `json:"-"`
	// Kept is what others changed since: it stays as it is.
	Kept []Kept `json:"kept"`
}

// Empty reports whether there is nothing to write.
func (u *Undo) Empty() bool { return len(u.Settings)+len(u.Files) == 0 }

// PlanUndo finds out what taking back the last change means now. The error is
// [ErrNothing] where there is none.
//
// The last change may itself be an undo: then that is taken back. An undo that
// was interrupted is finished first.
func (a *Actor) PlanUndo(origin Origin) (*Undo, error) {
	last, err := a.last()
	if err != nil {
		return nil, err
	}
	if last == nil {
		return nil, fmt.Errorf("look for a change to take back: %w in %s", ErrNothing, journal.Dir)
	}
	e := &last.Entry
	u := &Undo{Origin: origin, Entry: *e, Resumes: last.Standing == Interrupted && e.Undoes != 0, Kept: []Kept{}}
	wanted := backwards(e)
	if u.Resumes {
		wanted = forwards(e)
	}
	m, err := a.moves(wanted)
	if err != nil {
		return nil, err
	}
	u.Settings, u.Files, u.Kept = m.settings, m.files, append(u.Kept, m.kept...)
	return u, nil
}

// Undo carries it out. A complete change is taken back by an entry of its own,
// so that this can be taken back too; one that was interrupted, or waits for
// confirmation, is simply no more.
func (a *Actor) Undo(u *Undo) error {
	w, err := a.Journal.Lock()
	if err != nil {
		return err
	}
	defer w.Close()
	now, err := a.last()
	if err != nil {
		return err
	}
	if now == nil || now.Entry.ID != u.Entry.ID || now.Entry.State != u.Entry.State {
		return fmt.Errorf("the journal: %w; run the command again", ErrChanged)
	}
	switch {
	case u.Resumes:
		if _, err := a.restore(forwards(&u.Entry)); err != nil {
			return err
		}
		u.Entry.State = journal.Done
		return w.Update(&u.Entry)
	case u.Entry.State == journal.Done && !u.Empty():
		return a.commit(w, &journal.Entry{
			At: u.At, Command: u.Command, User: u.User, Boot: a.Host.Boot(), Undoes: u.Entry.ID,
			Settings: u.Settings, Files: u.Files,
		}, 0)
	}
	return a.revert(w, &now.Entry, "taken back by `portrange undo`")
}

// revert takes an entry back in place. That it is being taken back stands in the
// journal first, where that can be written: what is interrupted now, or resists, is
// finished by whoever comes next.
func (a *Actor) revert(w *journal.Writer, e *journal.Entry, note string) error {
	e.State = journal.Reverting
	_ = w.Update(e) // without, it still is in a state from which it is taken back
	kept, err := a.restore(backwards(e))
	if err != nil {
		e.Note = "could not be taken back: " + err.Error()
		_ = w.Update(e)
		return err
	}
	e.State, e.Note = journal.Reverted, note+keptNote(kept)
	if err := w.Update(e); err != nil {
		return fmt.Errorf("%s is taken back, but cannot be noted as such; "+
			"that is done by the next change, or `portrange undo`: %w", e.Title(), err)
	}
	if e.Deadline != nil {
		a.Clock.Stop(e.ID)
	}
	return nil
}

func keptNote(kept []Kept) string {
	note := ""
	for _, k := range kept {
		note += "; kept " + k.What + ", " + k.Why
	}
	return note
}
