package act

import (
	"errors"
	"strings"
	"testing"
	"time"

	"portrange/internal/act/journal"
)

// TestStand goes through the table: what a case does not name may be either way.
func TestStand(t *testing.T) {
	const either, yes, no = 0, 1, 2
	type row struct {
		state                                             journal.State
		isUndo, limited, passed, rebooted, running, files int
		want                                              Standing
	}
	table := []row{
		{state: journal.Done, want: Holds},
		{state: journal.Reverted, want: Over},
		{state: journal.Confirming, want: HalfConfirmed},

		{state: journal.Reverting, files: yes, want: HalfReverted},
		{state: journal.Reverting, running: yes, rebooted: no, want: HalfReverted},
		{state: journal.Reverting, running: no, files: no, want: Void},
		{state: journal.Reverting, rebooted: yes, files: no, want: Void},

		{state: journal.Begun, isUndo: yes, want: Interrupted},
		{state: journal.Begun, isUndo: no, limited: no, files: yes, want: Interrupted},
		{state: journal.Begun, isUndo: no, limited: no, rebooted: no, running: yes, want: Interrupted},
		{state: journal.Begun, isUndo: no, limited: yes, passed: no, rebooted: no, running: yes, want: Waits},
		{state: journal.Begun, isUndo: no, limited: yes, passed: yes, rebooted: no, running: yes, want: Overdue},
		{state: journal.Begun, isUndo: no, rebooted: yes, files: yes, want: Interrupted},
		{state: journal.Begun, isUndo: no, running: no, files: no, want: Void},
		{state: journal.Begun, isUndo: no, rebooted: yes, files: no, want: Void},

		{state: journal.Waiting, passed: no, rebooted: no, want: Waits},
		{state: journal.Waiting, passed: yes, rebooted: no, running: yes, want: Overdue},
		{state: journal.Waiting, passed: yes, rebooted: no, files: yes, want: Overdue},
		{state: journal.Waiting, passed: yes, rebooted: no, running: no, files: no, want: Void},
		{state: journal.Waiting, rebooted: yes, files: yes, want: Interrupted},
		{state: journal.Waiting, rebooted: yes, files: no, want: Over},
	}
	matches := func(want int, is bool) bool { return want == either || (want == yes) == is }
	for _, r := range table {
		met := 0
		for bits := range 1 << 6 {
			is := func(bit int) bool { return bits>>bit&1 == 1 }
			c := Circumstances{r.state, is(0), is(1), is(2), is(3), is(4), is(5)}
			if !matches(r.isUndo, c.IsUndo) || !matches(r.limited, c.Limited) || !matches(r.passed, c.Passed) ||
				!matches(r.rebooted, c.Rebooted) || !matches(r.running, c.Running) || !matches(r.files, c.Files) {
				continue
			}
			if met++; Stand(c) != r.want {
				t.Errorf("%+v: %s, want %s", c, Stand(c), r.want)
			}
		}
		if met == 0 {
			t.Errorf("%+v names nothing", r)
		}
	}
}

// TestSetOnTopOfWhatWaits has the same values as what waits: nothing would have to
// be written, and in time it would all go back.
func TestSetOnTopOfWhatWaits(t *testing.T) {
	b := newBench(t)
	p := everything(b)
	e := b.apply(p, time.Hour)
	b.stands(Waits)
	u, err := b.Unsettled()
	if err != nil || !errors.Is(u.Err(), ErrPending) || !strings.Contains(u.Err().Error(), "portrange confirm") {
		t.Errorf("%v, %v", u, err)
	}
	b.overdue(e)
	b.stands(Overdue)
	b.undo()
	b.stands("")
}

// overdue lets the time of a change be over.
func (b *bench) overdue(e *journal.Entry) {
	b.t.Helper()
	over := time.Now().Add(-time.Second)
	e.Deadline = &over
	b.write(e)
}

// write puts an entry into the journal.
func (b *bench) write(e *journal.Entry) {
	b.t.Helper()
	w, err := b.Journal.Lock()
	if err == nil {
		err = errors.Join(w.Update(e), w.Close())
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// TestKilledTryIsNotTakenApartLater kills a change with a deadline before it wrote
// anything. Its clock must leave alone what a later change made.
func TestKilledTryIsNotTakenApartLater(t *testing.T) {
	b := newBench(t)
	p := everything(b)
	dieAfter(b, 0, func() { _, _ = b.Apply(p, time.Hour) })
	killed, err := b.Journal.Entry(1)
	if err != nil || killed.State != journal.Begun {
		t.Fatalf("%+v, %v", killed, err)
	}
	b.apply(p, 0)
	if err := b.Revert(t.Context(), &killed); err != nil {
		t.Error(err)
	}
	b.holds(wider, wider)
}

// TestConfirmKilledThenRebooted finds the confirmation decided, and the kernel's own
// values: the change is finished, settings included.
func TestConfirmKilledThenRebooted(t *testing.T) {
	for writes := range 2 {
		b := newBench(t)
		b.apply(everything(b), time.Hour)
		dieAfter(b, writes, func() { _, _ = b.Confirm(t.Context(), 0) })
		b.host.boot = "boot-2"
		b.host.put(1, "net.ipv4.ip_local_port_range", narrow)
		b.stands(HalfConfirmed)
		if _, err := b.Apply(plan(t, Wish{Add: ports(t, "9")}, seen()), 0); !errors.Is(err, ErrPending) {
			t.Errorf("another change: %v", err)
		}
		if _, err := b.Confirm(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		b.holds(wider, wider)
		b.undo()
		b.holds(narrow, "")
	}
}

// TestUndoOfAHalfConfirmedChange takes it all back.
func TestUndoOfAHalfConfirmedChange(t *testing.T) {
	b := newBench(t)
	b.apply(everything(b), time.Hour)
	dieAfter(b, 1, func() { _, _ = b.Confirm(t.Context(), 0) })
	b.undo()
	b.holds(narrow, "")
	b.stands("")
}

// TestInterruptedUndoOfAWaitingChange is finished by whoever comes next, and is not
// confirmed any more.
func TestInterruptedUndoOfAWaitingChange(t *testing.T) {
	b := newBench(t)
	e := b.apply(everything(b), time.Hour)
	u, err := b.PlanUndo(origin)
	if err != nil {
		t.Fatal(err)
	}
	dieAfter(b, 1, func() { _ = b.Undo(u) })
	b.stands(HalfReverted)
	if _, err := b.Confirm(t.Context(), 0); err == nil || !strings.Contains(err.Error(), "`portrange undo` finishes that") {
		t.Errorf("confirmed: %v", err)
	}
	if err := b.Revert(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	b.holds(narrow, "")
	b.stands("")
}

// TestConfirmThatIsRefusedByTheJournal: the decisive write fails.
func TestConfirmThatIsRefusedByTheJournal(t *testing.T) {
	b := newBench(t)
	e := b.apply(everything(b), time.Hour)
	b.host.fail = func(operation string) error {
		if strings.HasPrefix(operation, "write") {
			return errFake
		}
		return nil
	}
	if _, err := b.Confirm(t.Context(), 0); err == nil || !strings.Contains(err.Error(), "not confirmed") {
		t.Errorf("error %v", err)
	}
	b.host.fail = nil
	b.stands(Waits)
	if err := b.Revert(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	b.holds(narrow, "")
}
