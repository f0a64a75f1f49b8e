package act

import (
	"context"
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
	e, err := a.last()
	if err != nil {
		return nil, err
	}
	if e == nil {
		return nil, fmt.Errorf("look for a change to take back: %w in %s", ErrNothing, journal.Dir)
	}
	u := &Undo{Origin: origin, Entry: *e, Resumes: e.State == journal.Begun && e.Undoes != 0, Kept: []Kept{}}
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
	if now == nil || now.ID != u.Entry.ID || now.State != u.Entry.State {
		return fmt.Errorf("the journal: %w; run the command again", ErrChanged)
	}
	switch {
	case u.Resumes:
		if err := a.carryOut(moves{settings: u.Settings, files: u.Files}); err != nil {
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
	return a.revert(w, now, "taken back by `portrange undo`")
}

// revert takes an entry back in place. An entry that resists stays what it is,
// for another attempt; a note tells why.
func (a *Actor) revert(w *journal.Writer, e *journal.Entry, note string) error {
	m, err := a.moves(backwards(e))
	if err == nil {
		err = a.carryOut(m)
	}
	if err != nil {
		e.Note = "could not be taken back: " + err.Error()
		_ = w.Update(e)
		return err
	}
	for _, kept := range m.kept {
		note += "; kept " + kept.What + ", " + kept.Why
	}
	was := e.State
	e.State, e.Note = journal.Reverted, note
	if err := w.Update(e); err != nil {
		return fmt.Errorf("%s is taken back, but cannot be noted as such, and counts as %s until "+
			"`portrange undo` is run again: %w", e.Title(), was, err)
	}
	if e.Deadline != nil {
		a.Clock.Stop(e.ID)
	}
	return nil
}

// Revert takes an entry back because its time is over, unless it was confirmed
// or taken back before. It waits for its turn.
func (a *Actor) Revert(ctx context.Context, id int) error {
	w, err := a.Journal.WaitLock(ctx)
	if err != nil {
		return err
	}
	defer w.Close()
	e, err := w.Entry(id)
	if err != nil || !Awaits(&e) {
		return err
	}
	return a.revert(w, &e, "not confirmed in time")
}

// Awaits reports whether an entry goes back unless it is confirmed.
func Awaits(e *journal.Entry) bool {
	return e.Deadline != nil && (e.State == journal.Waiting || e.State == journal.Begun)
}

// Confirm makes a change that waits for it lasting: files are written now. With
// an id, it is that change or none. On error the change still waits, and goes
// back in time.
func (a *Actor) Confirm(ctx context.Context, id int) (*journal.Entry, error) {
	w, err := a.Journal.WaitLock(ctx)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	e, err := a.last()
	if err != nil {
		return nil, err
	}
	if e == nil || e.State != journal.Waiting || id != 0 && e.ID != id {
		return nil, fmt.Errorf("look for a change that waits for confirmation: %w; "+
			"it may have gone back already", ErrNothing)
	}
	m, err := a.moves(forwards(e))
	if err != nil {
		return nil, err
	}
	for _, s := range m.settings {
		return nil, fmt.Errorf("confirm %s: %s in netns %s is %q again", e.Title(), s.Key, s.Namespace.Name, s.Before)
	}
	for _, kept := range m.kept {
		return nil, fmt.Errorf("confirm %s: %s: %s; `portrange undo` takes back the rest",
			e.Title(), kept.What, kept.Why)
	}
	t := &transaction{actor: a, writer: w, entry: e}
	if err := t.confirm(); err != nil {
		return nil, err
	}
	a.Clock.Stop(e.ID)
	return e, nil
}

// confirm writes the files, all or none.
func (t *transaction) confirm() error {
	err := t.files()
	if err == nil {
		err = t.finish(journal.Done)()
	}
	if err == nil {
		return nil
	}
	t.entry.State = journal.Waiting
	back, errBack := t.actor.moves(moves{files: backwards(t.entry).files})
	if errBack == nil {
		errBack = t.actor.carryOut(back)
	}
	if errBack != nil {
		return fmt.Errorf("%w. Taking back the files written so far failed too: %w", err, errBack)
	}
	return fmt.Errorf("%w; not confirmed: the running values go back in time", err)
}
