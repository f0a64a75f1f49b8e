package act

import (
	"fmt"
	"slices"
	"time"

	"portrange/internal/act/journal"
	"portrange/internal/finding"
	"portrange/internal/rules"
)

// Standing is what a change in the journal comes down to now. Whoever asks what is
// pending, whether it is overdue and what is to be done about it asks [Stand].
type Standing string

// The standings.
const (
	// Over: nothing of it is left to be done or to be taken back.
	Over Standing = "over"
	// Void: nothing of it holds, and the journal does not say so yet. To whoever
	// asks for it to be taken back, it is not the change before it that he means.
	Void Standing = "void"
	// Holds: it was made, and stays.
	Holds Standing = "holds"
	// Interrupted: it was killed on its way and a part of it holds. It stays so
	// until somebody takes it back, or finishes it if it is an undo.
	Interrupted Standing = "interrupted"
	// Waits: it goes back at its deadline unless it is confirmed.
	Waits Standing = "waits"
	// Overdue: it should have gone back and did not.
	Overdue Standing = "overdue"
	// HalfConfirmed: it was confirmed, and is to be finished.
	HalfConfirmed Standing = "half-confirmed"
	// HalfReverted: it was to be taken back, and a part of it still holds.
	HalfReverted Standing = "half-reverted"
)

// Circumstances are what a [Standing] follows from.
type Circumstances struct {
	State    journal.State
	IsUndo   bool
	Limited  bool // it has a deadline
	Passed   bool // which is over
	Rebooted bool // the machine was booted since
	Running  bool // something of its settings holds
	Files    bool // something of its files holds
}

// Stand tells how a change stands. It is the one place that knows.
//
// A setting that holds in a later boot is not this change's unless a file is too:
// the kernel forgot it. So a reboot takes back what has written no file, which is
// what waits for confirmation.
func Stand(c Circumstances) Standing {
	holds := c.Files || c.Running && !c.Rebooted
	switch c.State {
	case journal.Done:
		return Holds
	case journal.Reverted:
		return Over
	case journal.Confirming:
		return HalfConfirmed
	case journal.Reverting:
		if holds {
			return HalfReverted
		}
	case journal.Begun:
		switch {
		case c.IsUndo, holds && (!c.Limited || c.Rebooted):
			return Interrupted
		case holds:
			return limited(c)
		}
	case journal.Waiting:
		switch {
		case c.Rebooted && holds:
			return Interrupted
		case c.Rebooted:
			return Over
		case holds, !c.Passed:
			return limited(c)
		}
	}
	return Void
}

func limited(c Circumstances) Standing {
	if c.Passed {
		return Overdue
	}
	return Waits
}

// Pending reports whether a change is in the way of another one: taking it back,
// or finishing it, would trample that.
func (s Standing) Pending() bool {
	return s == Waits || s == Overdue || s == HalfConfirmed || s == HalfReverted
}

// step is what brings a change to its end.
type step string

// The steps.
const (
	leave    step = "leave"
	forward  step = "forward"
	backward step = "backward"
)

// next is what the clock of a change does when it strikes.
func (s Standing) next() step {
	switch s {
	case Waits, Overdue, HalfReverted:
		return backward
	case HalfConfirmed:
		return forward
	}
	return leave
}

// Unsettled is the last change with how it stands.
type Unsettled struct {
	Entry    journal.Entry
	Standing Standing
}

// circumstances looks at what of an entry holds. It does not look where the answer
// makes no difference.
func (a *Actor) circumstances(e *journal.Entry) (Circumstances, error) {
	c := Circumstances{
		State: e.State, IsUndo: e.Undoes != 0, Rebooted: e.Boot != a.Host.Boot(),
		Limited: e.Deadline != nil, Passed: e.Deadline != nil && time.Now().After(*e.Deadline),
	}
	if e.State == journal.Done || e.State == journal.Reverted || e.State == journal.Confirming {
		return c, nil
	}
	back, err := a.moves(backwards(e))
	c.Running, c.Files = len(back.settings) > 0, len(back.files) > 0
	return c, err
}

func (a *Actor) stand(e *journal.Entry) (Standing, error) {
	c, err := a.circumstances(e)
	return Stand(c), err
}

// last is the change that undo means: the latest one that is not over. It is nil
// where there is none.
func (a *Actor) last() (*Unsettled, error) { return a.latest(Over) }

// Unsettled is the last change where somebody has to decide about it, or may;
// nil where it simply holds, and where there is none.
func (a *Actor) Unsettled() (*Unsettled, error) {
	u, err := a.latest(Over, Void)
	if err != nil || u == nil || u.Standing == Holds {
		return nil, err
	}
	return u, nil
}

// latest is the latest change that stands otherwise than passed over; nil for none.
// One that the journal has lost counts while it holds.
func (a *Actor) latest(passed ...Standing) (*Unsettled, error) {
	for _, e := range a.Journal.Orphans() {
		c, err := a.circumstances(&e)
		if standing := Stand(c); err == nil && c.Running && standing.Pending() {
			return &Unsettled{e, standing}, nil
		}
	}
	for e, err := range a.Journal.Backward() {
		if err != nil {
			return nil, err
		}
		standing, err := a.stand(&e)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(passed, standing) {
			return &Unsettled{e, standing}, nil
		}
	}
	return nil, nil
}

// Why tells how the change stands, as a clause behind its title.
func (u *Unsettled) Why() string {
	at := ""
	if u.Entry.Deadline != nil {
		at = u.Entry.Deadline.Local().Format(time.DateTime)
	}
	switch u.Standing {
	case Waits:
		return "until " + at
	case Overdue:
		return "which should have gone back at " + at + " and did not"
	case HalfConfirmed:
		return "which was confirmed and is not finished"
	case HalfReverted:
		return "which was to be taken back and is not finished"
	}
	return "which was interrupted on its way"
}

// Remedy tells what to type about it.
func (u *Unsettled) Remedy() string {
	switch u.Standing {
	case Waits, Overdue:
		return "`portrange confirm` keeps it, `portrange undo` takes it back"
	case HalfConfirmed:
		return "`portrange confirm` finishes it, `portrange undo` takes it back"
	case HalfReverted:
		return "`portrange undo` finishes that"
	}
	return "`portrange undo` takes it back"
}

// Finding is what there is to say of it.
func (u *Unsettled) Finding() finding.Finding {
	title := fmt.Sprintf("change %d", u.Entry.ID)
	switch u.Standing {
	case Waits:
		return rules.ChangeWaits(title, u.Entry.Command, *u.Entry.Deadline)
	case Overdue:
		return rules.ChangeOverdue(title, u.Entry.Command, *u.Entry.Deadline)
	case HalfConfirmed:
		return rules.Interrupted(title, u.Entry.Command, rules.WhileConfirmed)
	case HalfReverted:
		return rules.Interrupted(title, u.Entry.Command, rules.WhileTakenBack)
	}
	return rules.Interrupted(title, u.Entry.Command, rules.WhileMade)
}

// Err is the error of whoever is kept by it from going on.
func (u *Unsettled) Err() error {
	return fmt.Errorf("%w: %s, %s; %s", ErrPending, u.Entry.Title(), u.Why(), u.Remedy())
}

// tidy marks the changes on top of the last one as over. Without, a clock that
// still runs would take their values for its own when a later change has the same.
func (a *Actor) tidy(w *journal.Writer) error {
	for e, err := range w.Backward() {
		if err != nil {
			return err
		}
		standing, err := a.stand(&e)
		if err != nil || standing != Over && standing != Void {
			return err
		}
		if e.State == journal.Reverted {
			continue
		}
		e.State, e.Note = journal.Reverted, "nothing of it held any more"
		if err := w.Update(&e); err != nil {
			return err
		}
	}
	return nil
}
