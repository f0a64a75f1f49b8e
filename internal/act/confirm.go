package act

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"portrange/internal/act/journal"
)

// Confirm makes a change that waits for it lasting, and finishes one that was
// confirmed before and not brought to its end. With an id, it is that change or
// none.
//
// One write decides: from the moment the journal says [journal.Confirming], whoever
// finds the change brings it forward, its files included; until then, back. On
// error the message says on which side of it the change is.
func (a *Actor) Confirm(ctx context.Context, id int) (*journal.Entry, error) {
	w, err := a.Journal.WaitLock(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, noneWaits()
	}
	if err != nil {
		return nil, err
	}
	defer w.Close()
	u, err := a.last()
	if err != nil {
		return nil, err
	}
	if u == nil || !u.Standing.Pending() || id != 0 && u.Entry.ID != id {
		return nil, noneWaits()
	}
	e := &u.Entry
	switch u.Standing {
	case HalfReverted:
		return nil, fmt.Errorf("confirm %s, %s; %s", e.Title(), u.Why(), u.Remedy())
	case HalfConfirmed:
		err = a.complete(w, e)
	default:
		err = a.confirm(w, e)
	}
	if err != nil {
		return nil, err
	}
	a.Clock.Stop(e.ID)
	return e, nil
}

func noneWaits() error {
	return fmt.Errorf("look for a change that waits for confirmation: %w; it may have gone back already", ErrNothing)
}

// confirm decides that a change stays, and makes it so. Where its files cannot be
// written, it waits again.
func (a *Actor) confirm(w *journal.Writer, e *journal.Entry) error {
	m, err := a.moves(forwards(e))
	if err != nil {
		return err
	}
	for _, s := range m.settings {
		return fmt.Errorf("confirm %s: %s in netns %s is %q", e.Title(), s.Key, s.Namespace.Name, s.Before)
	}
	for _, kept := range m.kept {
		return fmt.Errorf("confirm %s: %s: %s; `portrange undo` takes back the rest", e.Title(), kept.What, kept.Why)
	}
	before := e.State
	e.State = journal.Confirming
	err = w.Update(e)
	if err == nil {
		err = a.complete(w, e)
	}
	if err == nil {
		return nil
	}
	e.State = before
	_, errBack := a.restore(moves{files: backwards(e).files})
	if errBack == nil {
		errBack = w.Update(e)
		now, err := w.Entry(e.ID)
		if errors.Is(err, fs.ErrNotExist) { // the journal has lost it, and the copy is what a clock has
			now, err = w.Recall(e.ID)
		}
		if err == nil && now.State == before {
			errBack = nil // the decisive write was what failed
		}
	}
	if errBack == nil {
		return fmt.Errorf("%w; not confirmed: the running values go back in time", err)
	}
	half := Unsettled{*e, HalfConfirmed}
	return fmt.Errorf("%w. Going back to where it waits failed too: %w. It may be confirmed in part: %s",
		err, errBack, half.Remedy())
}

// complete brings a confirmed change to its end: after a reboot that is its settings
// too. What others changed since stays.
func (a *Actor) complete(w *journal.Writer, e *journal.Entry) error {
	m, err := a.moves(forwards(e))
	if err == nil {
		err = a.carryOut(moves{settings: m.settings})
	}
	if err != nil {
		return err
	}
	t := &transaction{actor: a, writer: w, entry: &journal.Entry{ID: e.ID, Files: m.files}}
	if err := t.files(); err != nil {
		return err
	}
	done := *e
	done.State, done.Note = journal.Done, ""
	if kept := keptNote(m.kept); kept != "" {
		done.Note = "confirmed" + kept
	}
	if err := w.Update(&done); err != nil {
		return err
	}
	*e = done
	// A clock that could read nothing meanwhile may have put them back.
	_, err = a.restore(moves{settings: e.Settings})
	return err
}
