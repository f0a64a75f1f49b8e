package act

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"portrange/internal/act/journal"
	"portrange/internal/kernel/sysctl"
	"portrange/internal/port"
	"portrange/internal/words"
)

// Apply carries out a plan. With a positive within, the change goes back after
// that time unless it is confirmed, and the files are written on confirmation.
//
// Either everything holds when Apply returns, or nothing does and the error says
// why. It names what somebody else changed meanwhile, which is kept, and should
// taking back fail as well, what is not as before. It
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
	if err := a.tidy(w); err != nil {
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

// takeBack undoes what was done so far, and says what became of that. What the
// entry says then is of no great matter: an entry that still is Begun, and of
// which nothing holds, is passed over.
func (t *transaction) takeBack(cause error) error {
	t.entry.State = journal.Begun
	kept, err := t.actor.restore(backwards(t.entry))
	if t.entry.Deadline != nil && err == nil {
		t.actor.Clock.Stop(t.entry.ID) // else it tries again in time
	}
	if err != nil {
		return fmt.Errorf("%w. Taking back what was done so far failed too: %w. %s may hold in part: "+
			"`portrange show` and `portrange boot` tell, `portrange undo` tries again", cause, err, t.entry.Title())
	}
	outcome := "everything is as it was before"
	if len(kept) > 0 {
		outcome = "what was done so far is taken back, except for " + listKept(kept)
	}
	t.entry.State, t.entry.Note = journal.Reverted, fmt.Sprintf("failed: %v; %s", cause, outcome)
	_ = t.writer.Update(t.entry)
	return fmt.Errorf("%w; %s", cause, outcome)
}

// listKept names what was left alone, and why.
func listKept(kept []Kept) string {
	var names []string
	for _, k := range kept {
		names = append(names, k.What+" ("+k.Why+")")
	}
	return strings.Join(names, ", ")
}

// attempts is how often something is taken back that resists: a failure may pass.
const attempts = 3

// restore carries out what is still to be done of wanted, and looks whether it
// holds, whatever the writes said. It returns what was kept; an error names what
// could not be read, or is not so.
func (a *Actor) restore(wanted moves) ([]Kept, error) {
	var errs []error
	for range attempts {
		left, errRead := a.moves(wanted)
		if errRead == nil && left.empty() {
			return left.kept, nil
		}
		errs = []error{errRead, a.carryOut(left)}
	}
	left, errRead := a.moves(wanted)
	if errRead == nil && left.empty() {
		return left.kept, nil
	}
	for _, name := range left.names() {
		errs = append(errs, fmt.Errorf("%s is not as before", name))
	}
	if len(left.kept) > 0 {
		errs = append(errs, errors.New("and somebody else changed "+listKept(left.kept)))
	}
	return left.kept, errors.Join(append(errs, errRead)...)
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

func (m *moves) empty() bool { return len(m.settings)+len(m.files) == 0 }

// names are those of what is to be written.
func (m *moves) names() []string {
	var names []string
	for i := range m.settings {
		names = append(names, settingName(&m.settings[i]))
	}
	for i := range m.files {
		names = append(names, m.files[i].Path)
	}
	return names
}

func settingName(s *journal.Setting) string { return s.Key + " in netns " + s.Namespace.Name }

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
// as after nor what portrange itself leaves between the two was changed by
// somebody else, and is kept. An error is about what could not be read; the rest
// is there all the same.
func (a *Actor) moves(wanted moves) (moves, error) {
	var m moves
	var errs []error
	for _, s := range wanted.settings {
		now, err := a.Host.Get(s.Namespace, s.Key)
		switch {
		case errors.Is(err, ErrGone):
			m.kept = append(m.kept, Kept{What: settingName(&s), Why: ErrGone.Error()})
		case err != nil:
			errs = append(errs, err)
		case sameValue(s.Key, now, s.After):
		case sameValue(s.Key, now, s.Before), halfWritten(&s, now):
			s.Before = now
			m.settings = append(m.settings, s)
		default:
			why := fmt.Sprintf("changed by somebody else since: it is %q, and was set to %q",
				words.List(now), words.List(s.Before))
			m.kept = append(m.kept, Kept{What: settingName(&s), Why: why})
		}
	}
	for _, f := range wanted.files {
		now, err := a.Host.ReadFile(f.Path)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("read %s: %w", f.Path, err))
		case now.Equal(f.After):
		case now.Equal(f.Before):
			m.files = append(m.files, f)
		default:
			since := journal.File{Path: f.Path, Before: f.Before, After: now}
			m.kept = append(m.kept, Kept{What: f.Path, Why: "changed by somebody else since", File: &since})
		}
	}
	return m, errors.Join(errs...)
}

// halfWritten reports whether a value is one on the way between the old and the
// new one: a long list takes several writes, and the writer may be killed, or
// fail, between two of them.
func halfWritten(s *journal.Setting, now string) bool {
	return s.Key == port.KeyReserved && sysctl.Between(s.Before, s.After, now)
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
