package act

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"portrange/internal/act/journal"
	"portrange/internal/port"
)

const (
	narrow = "32768 60999"
	wider  = "15000 64001"
)

// everything is a plan with each kind of write: reserved ports, range, drop-in
// and a line of another file taken out.
func everything(b *bench) *Plan {
	b.t.Helper()
	const conf = "/etc/sysctl.conf"
	if b.host.files[conf] == nil {
		b.host.files[conf] = &journal.Content{Mode: 0o644, Data: []byte("net.ipv4.ip_local_port_range = 1024 2000\n")}
	}
	f := seen(withHolds(held(20000, port.TCP, port.Listen)), func(f *Look) {
		conflict := overriddenBy(conf, 1)
		f.Files.Boot = fakeBoot{conflicts: append(f.Files.Boot.(fakeBoot).conflicts, conflict)}
		f.Files.Contents[conf] = b.host.files[conf]
		f.Files.Contents[DropIn] = b.host.files[DropIn]
	})
	return plan(b.t, Wish{Range: wide(), ReserveFound: true, Persist: true, FixConflicts: true}, f)
}

func TestApplyUndoUndo(t *testing.T) {
	b := newBench(t)
	p := everything(b)
	b.apply(p, 0)
	b.holds(wider, wider)
	want := []string{
		"set host net.ipv4.ip_local_reserved_ports = 20000",
		"set host net.ipv4.ip_local_port_range = 15000 64001",
		"write " + DropIn, "write /etc/sysctl.conf",
	}
	if !slices.Equal(b.host.log, want) {
		t.Errorf("writes %q, want %q", b.host.log, want)
	}
	b.host.log = nil
	b.undo()
	b.holds(narrow, "")
	if got := string(b.host.files["/etc/sysctl.conf"].Data); got != "net.ipv4.ip_local_port_range = 1024 2000\n" {
		t.Errorf("sysctl.conf after undo %q", got)
	}
	if !slices.Equal(b.host.log[:2], []string{
		"set host net.ipv4.ip_local_port_range = 32768 60999", "set host net.ipv4.ip_local_reserved_ports = ",
	}) {
		t.Errorf("undo writes %q: the range goes first, then its reserved ports", b.host.log)
	}
	b.undo()
	b.holds(wider, wider)
	b.undo()
	b.holds(narrow, "")
}

// TestFailureTakesEverythingBack refuses one operation after the other.
func TestFailureTakesEverythingBack(t *testing.T) {
	for _, operation := range []string{"set " + port.KeyReserved, "set " + port.KeyRange, "write " + DropIn, "write /etc/sysctl.conf"} {
		t.Run(operation, func(t *testing.T) {
			b := newBench(t)
			p := everything(b)
			b.host.fail = func(op string) error {
				if op == operation {
					return errFake
				}
				return nil
			}
			_, err := b.Apply(p, 0)
			if !errors.Is(err, errFake) || !strings.Contains(err.Error(), "as it was before") {
				t.Errorf("error %v", err)
			}
			b.holds(narrow, "")
			if got := b.host.value(1, port.KeyReserved); got != "" {
				t.Errorf("reserved %q", got)
			}
			if got := b.states(); !slices.Equal(got, []journal.State{journal.Reverted}) {
				t.Errorf("journal %v", got)
			}
			if _, err := b.PlanUndo(origin); !errors.Is(err, ErrNothing) {
				t.Errorf("undo of a change that failed: %v", err)
			}
		})
	}
}

func TestFailureThatCannotBeTakenBackSaysSo(t *testing.T) {
	b := newBench(t)
	p := everything(b)
	sets := 0
	b.host.fail = func(op string) error {
		if strings.HasPrefix(op, "write") {
			return errFake
		}
		if op == "set "+port.KeyRange {
			if sets++; sets > 1 {
				return errors.New("nor back")
			}
		}
		return nil
	}
	_, err := b.Apply(p, 0)
	if err == nil || !strings.Contains(err.Error(), "may hold in part") || !strings.Contains(err.Error(), "nor back") {
		t.Errorf("error %v", err)
	}
	b.stands(Interrupted)
	b.host.fail = nil
	b.undo()
	b.holds(narrow, "")
}

// TestClockOutlastsAFailureThatIsNotTakenBack: whatever holds of the change goes back in time.
func TestClockOutlastsAFailureThatIsNotTakenBack(t *testing.T) {
	b := newBench(t)
	set := false
	b.host.fail = func(op string) error {
		if set && strings.HasPrefix(op, "set ") {
			return errFake
		}
		set = set || op == "set "+port.KeyReserved
		return nil
	}
	if _, err := b.Apply(everything(b), time.Hour); err == nil || !strings.Contains(err.Error(), "may hold in part") {
		t.Fatalf("error %v", err)
	}
	if _, runs := b.clock.running[1]; !runs {
		t.Error("the clock of what holds in part was stopped")
	}
	b.stands(Waits)
}

func TestChangedMeanwhile(t *testing.T) {
	for name, change := range map[string]func(*fakeHost){
		"setting": func(h *fakeHost) { h.put(1, port.KeyRange, "20000 60000") },
		"file":    func(h *fakeHost) { h.files[DropIn] = &journal.Content{Data: []byte("x")} },
	} {
		b := newBench(t)
		p := everything(b)
		change(b.host)
		_, err := b.Apply(p, 0)
		if !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), "nothing was changed") {
			t.Errorf("%s: error %v", name, err)
		}
		if len(b.host.log) > 0 || len(b.states()) > 0 {
			t.Errorf("%s: writes %q, journal %v", name, b.host.log, b.states())
		}
	}
}

func TestChangedBetweenTwoWrites(t *testing.T) {
	b := newBench(t)
	p := everything(b)
	b.host.fail = func(op string) error {
		if op == "set "+port.KeyReserved {
			b.host.put(1, port.KeyRange, "20000 60000")
		}
		return nil
	}
	_, err := b.Apply(p, 0)
	if !errors.Is(err, ErrChanged) {
		t.Errorf("error %v", err)
	}
	b.holds("20000 60000", "")
	if got := b.host.value(1, port.KeyReserved); got != "" {
		t.Errorf("reserved %q", got)
	}
}

func TestUndoKeepsWhatOthersChanged(t *testing.T) {
	b := newBench(t)
	b.apply(everything(b), 0)
	b.host.put(1, port.KeyRange, "20000 60000")
	u := b.undo()
	b.holds("20000 60000", "")
	if len(u.Kept) != 1 || !strings.Contains(u.Kept[0].What, port.KeyRange) || !strings.Contains(u.Kept[0].Why, `"20000 60000"`) {
		t.Errorf("kept %+v", u.Kept)
	}
	b.undo()
	b.holds("20000 60000", wider)
}

func TestUndoPassesAGoneNamespace(t *testing.T) {
	b := newBench(t)
	b.host.put(2, port.KeyRange, narrow)
	b.apply(plan(t, Wish{Range: wide()}, seen(withPod)), 0)
	b.host.gone[2] = true
	u := b.undo()
	b.holds(narrow, "")
	if len(u.Kept) != 1 || !strings.Contains(u.Kept[0].Why, "gone") {
		t.Errorf("kept %+v", u.Kept)
	}
}

func TestUndoOfWhatDoesNotHoldAnyMore(t *testing.T) {
	b := newBench(t)
	b.apply(plan(t, Wish{Range: wide()}, seen()), 0)
	b.host.put(1, port.KeyRange, narrow) // as after a reboot
	if u := b.undo(); !u.Empty() || len(u.Kept) != 0 {
		t.Errorf("undo %+v", u)
	}
	if _, err := b.PlanUndo(origin); !errors.Is(err, ErrNothing) {
		t.Errorf("after that: %v", err)
	}
}

func TestUndoRefusesAStalePlan(t *testing.T) {
	b := newBench(t)
	b.apply(plan(t, Wish{Range: wide()}, seen()), 0)
	u, err := b.PlanUndo(origin)
	if err != nil {
		t.Fatal(err)
	}
	b.undo()
	if err := b.Undo(u); !errors.Is(err, ErrChanged) {
		t.Errorf("error %v", err)
	}
	b.holds(narrow, "")
}

func TestConfirm(t *testing.T) {
	b := newBench(t)
	e := b.apply(everything(b), time.Minute)
	b.holds(wider, "")
	if b.clock.running[e.ID] != time.Minute {
		t.Errorf("clocks %v", b.clock.running)
	}
	if _, err := b.Apply(plan(t, Wish{Add: ports(t, "9")}, seen()), 0); !errors.Is(err, ErrPending) {
		t.Errorf("another change meanwhile: %v", err)
	}
	if _, err := b.Confirm(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	b.holds(wider, wider)
	if len(b.clock.running) != 0 {
		t.Errorf("clocks %v", b.clock.running)
	}
	if err := b.Revert(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	b.holds(wider, wider)
	if _, err := b.Confirm(t.Context(), 0); !errors.Is(err, ErrNothing) {
		t.Errorf("second confirmation: %v", err)
	}
	b.undo()
	b.holds(narrow, "")
}

func TestClockThatNeverStruckIsTold(t *testing.T) {
	b := newBench(t)
	b.apply(everything(b), time.Nanosecond) // the fake clock does not strike
	_, err := b.Apply(plan(t, Wish{Add: ports(t, "9")}, seen()), 0)
	if !errors.Is(err, ErrPending) || !strings.Contains(err.Error(), "should have gone back at 20") {
		t.Errorf("error %v", err)
	}
	b.undo()
	b.holds(narrow, "")
}

func TestRevertInTime(t *testing.T) {
	b := newBench(t)
	e := b.apply(everything(b), time.Minute)
	if err := b.Revert(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	b.holds(narrow, "")
	if _, err := b.Confirm(t.Context(), e.ID); !errors.Is(err, ErrNothing) {
		t.Errorf("confirmation after that: %v", err)
	}
	if _, err := b.PlanUndo(origin); !errors.Is(err, ErrNothing) {
		t.Errorf("undo after that: %v", err)
	}
}

func TestUndoOfAWaitingChange(t *testing.T) {
	b := newBench(t)
	e := b.apply(everything(b), time.Minute)
	b.undo()
	b.holds(narrow, "")
	if err := b.Revert(t.Context(), e); err != nil || len(b.clock.running) != 0 {
		t.Errorf("revert %v, clocks %v", err, b.clock.running)
	}
}

func TestConfirmThatFailsStillWaits(t *testing.T) {
	b := newBench(t)
	e := b.apply(everything(b), time.Minute)
	b.host.fail = func(op string) error {
		if op == "write /etc/sysctl.conf" {
			return errFake
		}
		return nil
	}
	if _, err := b.Confirm(t.Context(), 0); !errors.Is(err, errFake) || !strings.Contains(err.Error(), "not confirmed") {
		t.Errorf("error %v", err)
	}
	b.holds(wider, "")
	b.host.fail = nil
	if err := b.Revert(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	b.holds(narrow, "")
}

func TestConfirmRefusesWhatDoesNotHold(t *testing.T) {
	b := newBench(t)
	b.apply(everything(b), time.Minute)
	b.host.put(1, port.KeyRange, "20000 60000")
	if _, err := b.Confirm(t.Context(), 0); err == nil || !strings.Contains(err.Error(), "20000 60000") {
		t.Errorf("error %v", err)
	}
	b.holds("20000 60000", "")
}

func TestNoClockNoChange(t *testing.T) {
	b := newBench(t)
	p := everything(b)
	b.clock.refuses = errFake
	if _, err := b.Apply(p, time.Minute); !errors.Is(err, errFake) {
		t.Errorf("error %v", err)
	}
	if len(b.host.log) > 0 {
		t.Errorf("writes %q", b.host.log)
	}
}

func TestRebootEndsAWait(t *testing.T) {
	b := newBench(t)
	b.apply(everything(b), time.Minute)
	b.host.boot = "boot-2"
	b.host.put(1, port.KeyRange, narrow)
	b.host.put(1, port.KeyReserved, "")
	if _, err := b.PlanUndo(origin); !errors.Is(err, ErrNothing) {
		t.Errorf("undo: %v", err)
	}
	b.apply(everything(b), 0)
	b.holds(wider, wider)
}

// TestInterruptedAnywhere stops a change dead after each of its writes, and
// takes it back.
func TestInterruptedAnywhere(t *testing.T) {
	for writes := range 4 {
		b := newBench(t)
		p := everything(b)
		dieAfter(b, writes, func() { _, _ = b.Apply(p, 0) })
		want := Interrupted
		if writes == 0 {
			want = ""
		}
		b.stands(want)
		b.undo()
		b.holds(narrow, "")
		if got := string(b.host.files["/etc/sysctl.conf"].Data); got != "net.ipv4.ip_local_port_range = 1024 2000\n" {
			t.Errorf("after %d writes: sysctl.conf %q", writes, got)
		}
	}
}

// TestInterruptedUndoIsFinished does the same to an undo.
func TestInterruptedUndoIsFinished(t *testing.T) {
	for writes := range 4 {
		b := newBench(t)
		b.apply(everything(b), 0)
		u, err := b.PlanUndo(Origin{Command: "undo"})
		if err != nil {
			t.Fatal(err)
		}
		dieAfter(b, writes, func() { _ = b.Undo(u) })
		if again := b.undo(); !again.Resumes {
			t.Errorf("after %d writes: %+v does not resume", writes, again)
		}
		b.holds(narrow, "")
		b.undo()
		b.holds(wider, wider)
	}
}

type death struct{}

// dieAfter runs fn and stops it as kill -9 would, after so many writes to the
// host: nothing that fn had still to do is done.
func dieAfter(b *bench, writes int, fn func()) {
	b.t.Helper()
	defer func() {
		b.host.fail = nil
		if died := recover(); died != (death{}) {
			b.t.Fatalf("it did not die after %d writes: %v", writes, died)
		}
	}()
	b.host.fail = func(op string) error {
		if strings.HasPrefix(op, "get") || strings.HasPrefix(op, "read") {
			return nil
		}
		if writes == 0 {
			panic(death{})
		}
		writes--
		return nil
	}
	fn()
}
