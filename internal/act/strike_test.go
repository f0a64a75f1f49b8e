package act

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"portrange/internal/act/journal"
)

// strikeBench is a bench whose change waits for a time that is over, with the
// directory of its journal and what a clock remembers of the change.
func strikeBench(t *testing.T) (*bench, string, *journal.Entry) {
	t.Helper()
	b := newBench(t)
	dir := t.TempDir()
	b.Journal = journal.Open(dir).WithCopies(t.TempDir())
	p := everything(b)
	e := b.apply(p, time.Hour)
	b.overdue(e)
	return b, dir, e
}

// strike lets a clock strike that is told to end as soon as it may.
func (b *bench) strike(e *journal.Entry) (reports []error) {
	ended, end := context.WithCancel(b.t.Context())
	end()
	b.Strike(ended, e, func(err error) { reports = append(reports, err) })
	return reports
}

func TestStrike(t *testing.T) {
	b, _, e := strikeBench(t)
	if reports := b.strike(e); len(reports) > 0 {
		t.Errorf("reports %v", reports)
	}
	b.holds(narrow, "")
	b.stands("")
}

// TestStrikeWithoutJournal has a journal that is away, damaged, or cannot be
// written: the running values go back all the same.
func TestStrikeWithoutJournal(t *testing.T) {
	for name, harm := range map[string]func(dir string) error{
		"away":    func(dir string) error { return os.Rename(dir, dir+".away") },
		"removed": func(dir string) error { return os.RemoveAll(filepath.Join(dir, "journal")) },
		"no directory": func(dir string) error {
			return errors.Join(os.RemoveAll(dir), os.WriteFile(dir, nil, 0o600))
		},
		"no lock": func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, "lock")), os.Mkdir(filepath.Join(dir, "lock"), 0o700))
		},
	} {
		b, dir, e := strikeBench(t)
		if err := harm(dir); err != nil {
			t.Fatal(err)
		}
		reports := b.strike(e)
		b.holds(narrow, "")
		if name != "removed" && (len(reports) == 0 || !strings.Contains(reports[0].Error(), "take back change 1")) {
			t.Errorf("%s: reports %v", name, reports)
		}
		if _, err := os.Stat(dir); name == "away" && err == nil {
			t.Error("something is in the place of what is away")
		}
	}
}

// TestStrikeHealsADamagedEntry: nothing reads a journal with one.
func TestStrikeHealsADamagedEntry(t *testing.T) {
	for name, copied := range map[string]bool{"with a copy": true, "without": false} {
		b, dir, e := strikeBench(t)
		if !copied {
			b.Journal = journal.Open(dir)
		}
		if err := os.WriteFile(filepath.Join(dir, "journal", "00000001.json"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if reports := b.strike(e); len(reports) > 0 {
			t.Errorf("%s: reports %v", name, reports)
		}
		b.holds(narrow, "")
		if now, err := journal.Open(dir).Entry(1); err != nil || now.State != journal.Reverted {
			t.Errorf("%s: entry %+v, %v", name, now, err)
		}
	}
}

// TestStrikeTriesAgain refuses some writes, and then none any more.
func TestStrikeTriesAgain(t *testing.T) {
	b, _, e := strikeBench(t)
	refusals := 5
	b.host.fail = func(operation string) error {
		if strings.HasPrefix(operation, "set") && refusals > 0 {
			refusals--
			return errFake
		}
		return nil
	}
	if reports := b.strike(e); len(reports) == 0 || !errors.Is(reports[0], errFake) {
		t.Errorf("reports %v", reports)
	}
	b.holds(narrow, "")
	b.stands("")
}

// TestStrikeLeavesOthersAlone: what was confirmed, and what another change of the
// same number made.
func TestStrikeLeavesOthersAlone(t *testing.T) {
	b, _, e := strikeBench(t)
	if _, err := b.Confirm(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if reports := b.strike(e); len(reports) > 0 {
		t.Errorf("reports %v", reports)
	}
	b.holds(wider, wider)

	b, dir, e := strikeBench(t)
	if err := os.RemoveAll(filepath.Join(dir, "journal")); err != nil {
		t.Fatal(err)
	}
	other := *e
	other.Command, other.State, other.Deadline = "set 1 2", journal.Done, nil
	b.write(&other)
	b.strike(e)
	b.holds(wider, "")
}

// TestStrikeFinishesAConfirmation that was killed after it was decided.
func TestStrikeFinishesAConfirmation(t *testing.T) {
	b, _, e := strikeBench(t)
	dieAfter(b, 1, func() { _, _ = b.Confirm(t.Context(), 0) })
	if reports := b.strike(e); len(reports) > 0 {
		t.Errorf("reports %v", reports)
	}
	b.holds(wider, wider)
	b.stands("")
}

// TestWaitingChangeWhoseJournalIsLost is still told of, by its copy, and undone.
func TestWaitingChangeWhoseJournalIsLost(t *testing.T) {
	b, dir, _ := strikeBench(t)
	if err := os.RemoveAll(filepath.Join(dir, "journal")); err != nil {
		t.Fatal(err)
	}
	b.stands(Overdue)
	if _, err := b.Confirm(t.Context(), 0); err == nil || !strings.Contains(err.Error(), "not confirmed") {
		t.Errorf("confirm: %v", err)
	}
	if _, err := b.Apply(plan(t, Wish{Add: ports(t, "9")}, seen()), 0); !errors.Is(err, ErrPending) {
		t.Errorf("another change: %v", err)
	}
	b.undo()
	b.holds(narrow, "")
	b.stands("")
}

func TestAwait(t *testing.T) {
	b, dir, e := strikeBench(t)
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	waiting, stop := context.WithTimeout(t.Context(), time.Millisecond)
	defer stop()
	if now, err := b.Await(waiting, e); !errors.Is(err, context.DeadlineExceeded) || now.State != journal.Waiting {
		t.Errorf("%+v, %v", now, err)
	}
	if err := os.Rename(dir+".away", dir); err != nil {
		t.Fatal(err)
	}
	b.undo()
	if now, err := b.Await(t.Context(), e); err != nil || now.State != journal.Reverted {
		t.Errorf("%+v, %v", now, err)
	}
}
