package act

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"portrange/internal/act/journal"
)

// Apply carries out a plan. With a positive within, the change goes back after
// that time unless it is confirmed, and the files are written on confirmation.
//
// Either everything holds when Apply returns, or nothing does and the error
// says why; should taking back fail as well, the error says what holds. It
// cannot be interrupted by a context: it takes milliseconds, and stopping half
// way is what it is there to avoid.
func (a *Actor) Apply(p *Plan, within time.Duration) (*journal.Entry, error) {
	w, err := a.Journal.Lock()
	if err != nil {
		return nil, err
	}
	defer w.Close()
	if err := a.pending(); err != nil {
		return nil, err
	}
	e := &journal.Entry{
		At: p.At, Command: p.Command, User: p.User, Boot: a.Host.Boot(),
		Settings: p.Settings(), Files: p.Files,
	}
	if within > 0 {
		deadline := time.Now().Add(within)
		e.Deadline = &deadline
	}
	return e, a.commit(w, e, within)
}

// commit writes the entry, and then carries it out.
func (a *Actor) commit(w *journal.Writer, e *journal.Entry, within time.Duration) error {
	err := a.leaveOutGone(e)
	if err == nil {
		err = a.expect(e)
	}
	if err != nil {
		return fmt.Errorf("%w; nothing was changed", err)
	}
	if err := w.Begin(e); err != nil {
		return fmt.Errorf("%w; nothing was changed", err)
	}
	t := &transaction{actor: a, writer: w, entry: e}
	if within > 0 {
		startClock := func() error {
			if err := a.Clock.Start(e.ID, within); err != nil {
				return fmt.Errorf("start the clock for taking it back: %w", err)
			}
			return nil
		}
		return t.run(startClock, t.settings, t.finish(journal.Waiting))
	}
	return t.run(t.settings, t.files, t.finish(journal.Done))
}

// expect compares everything before anything is touched.
func (a *Actor) expect(e *journal.Entry) error {
	for i := range e.Settings {
		if err := a.expectSetting(&e.Settings[i]); err != nil && !errors.Is(err, ErrGone) {
			return err
		}
	}
	for i := range e.Files {
		if err := a.expectFile(&e.Files[i]); err != nil {
			return err
		}
	}
	return nil
}

// transaction is an entry on its way.
type transaction struct {
	actor  *Actor
	writer *journal.Writer
	entry  *journal.Entry
}

// run does one step after the other, and takes all of them back when one fails.
func (t *transaction) run(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return t.takeBack(err)
		}
	}
	return nil
}

func (t *transaction) settings() error {
	for i := range t.entry.Settings {
		err := t.actor.writeSetting(&t.entry.Settings[i])
		if err != nil && (len(t.entry.Settings) == 1 || !errors.Is(err, ErrGone)) { // no port of it is anybody's any more
			return err
		}
	}
	return nil
}

func (t *transaction) files() error {
	for i := range t.entry.Files {
		f := &t.entry.Files[i]
		if f.Foreign && f.Before != nil && f.After != nil {
			if _, err := t.writer.Backup(t.entry.ID, f); err != nil {
				return err
			}
		}
		if err := t.actor.writeFile(f); err != nil {
			return err
		}
	}
	return nil
}

func (t *transaction) finish(state journal.State) func() error {
	return func() error {
		t.entry.State = state
		return t.writer.Update(t.entry)
	}
}

// takeBack undoes what was done so far. What the entry says then is of no
// great matter: an entry that still is Begun, and of which nothing holds, is
// passed over.
func (t *transaction) takeBack(cause error) error {
	t.entry.State = journal.Begun
	back, err := t.actor.moves(backwards(t.entry))
	if err == nil {
		err = t.actor.carryOut(back)
	}
	if t.entry.Deadline != nil {
		t.actor.Clock.Stop(t.entry.ID)
	}
	if err != nil {
		return fmt.Errorf("%w. Taking back what was done so far failed too: %w. %s may hold in part: "+
			"`portrange show` and `portrange boot` tell, `portrange undo` tries again", cause, err, t.entry.Title())
	}
	t.entry.State, t.entry.Note = journal.Reverted, "failed and taken back: "+cause.Error()
	_ = t.writer.Update(t.entry)
	return fmt.Errorf("%w; everything is as it was before", cause)
}

// moves are the writes from where things are to where they shall be.
type moves struct {
	settings []journal.Setting
	files    []journal.File
	kept     []Kept
}

// Kept is something that is left alone when a change is taken back.
type Kept struct {
	What string `json:"what" doc:"the setting and its network namespace, or the file"`
	Why  string `json:"why" doc:"what happened to it"`
	// File is how portrange left a file, and how it is now; nil for a setting.
	File *journal.File `json:"-"`
}

// backwards is an entry the other way round: last write first.
func backwards(e *journal.Entry) moves {
	var m moves
	for _, s := range slices.Backward(e.Settings) {
		s.Before, s.After = s.After, s.Before
		m.settings = append(m.settings, s)
	}
	for _, f := range slices.Backward(e.Files) {
		f.Before, f.After = f.After, f.Before
		m.files = append(m.files, f)
	}
	return m
}

func forwards(e *journal.Entry) moves { return moves{settings: e.Settings, files: e.Files} }

// moves picks what is still to be done of wanted. What is neither as before nor
// as after was changed by somebody else, and is kept.
func (a *Actor) moves(wanted moves) (moves, error) {
	var m moves
	for _, s := range wanted.settings {
		what := s.Key + " in netns " + s.Namespace.Name
		now, err := a.Host.Get(s.Namespace, s.Key)
		switch {
		case errors.Is(err, ErrGone):
			m.kept = append(m.kept, Kept{What: what, Why: ErrGone.Error()})
		case err != nil:
			return m, err
		case sameValue(s.Key, now, s.After):
		case sameValue(s.Key, now, s.Before):
			m.settings = append(m.settings, s)
		default:
			why := fmt.Sprintf("changed by somebody else since: it is %q, and was set to %q", now, s.Before)
			m.kept = append(m.kept, Kept{What: what, Why: why})
		}
	}
	for _, f := range wanted.files {
		now, err := a.Host.ReadFile(f.Path)
		switch {
		case err != nil:
			return m, err
		case now.Equal(f.After):
		case now.Equal(f.Before):
			m.files = append(m.files, f)
		default:
			since := journal.File{Path: f.Path, Before: f.Before, After: now}
			m.kept = append(m.kept, Kept{What: f.Path, Why: "changed by somebody else since", File: &since})
		}
	}
	return m, nil
}

// carryOut does as many of the moves as it can.
func (a *Actor) carryOut(m moves) error {
	var errs []error
	for i := range m.settings {
		errs = append(errs, a.writeSetting(&m.settings[i]))
	}
	for i := range m.files {
		errs = append(errs, a.writeFile(&m.files[i]))
	}
	return errors.Join(errs...)
}
