package act

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"portrange/internal/act/journal"
	"portrange/internal/port"
)

// longList is a list of reserved ports that takes three writes, and how the first
// of them leaves it.
func longList() (all, half string) {
	var items []string
	for p := 20000; p < 23600; p += 2 {
		items = append(items, fmt.Sprint(p))
	}
	all = strings.Join(items, ",")
	return all, all[:strings.LastIndexByte(all[:4001], ',')]
}

// reserving is a plan for a long list.
func reserving(t *testing.T) (*Plan, string) {
	t.Helper()
	all, half := longList()
	return plan(t, Wish{Add: ports(t, all)}, seen()), half
}

// halfWrite makes the first write of a long list end half way, in end.
func halfWrite(b *bench, half string, end func() error) {
	b.host.fail = func(op string) error {
		if op != "set "+port.KeyReserved {
			return nil
		}
		b.host.fail = nil
		b.host.put(1, port.KeyReserved, half)
		return end()
	}
}

func TestHalfWrittenListIsTakenBack(t *testing.T) {
	b := newBench(t)
	p, half := reserving(t)
	halfWrite(b, half, func() error { return errFake })
	_, err := b.Apply(p, 0)
	if !errors.Is(err, errFake) || !strings.HasSuffix(err.Error(), "; everything is as it was before") {
		t.Errorf("error %v", err)
	}
	if got := b.host.value(1, port.KeyReserved); got != "" {
		t.Errorf("reserved %q", got)
	}
}

func TestListHalfWrittenByAKillIsTakenBack(t *testing.T) {
	b := newBench(t)
	p, half := reserving(t)
	func() {
		defer func() { _ = recover() }()
		halfWrite(b, half, func() error { panic(death{}) })
		_, _ = b.Apply(p, 0)
	}()
	if found, err := b.Unsettled(); err != nil || found == nil || found.Standing != Interrupted {
		t.Fatalf("unsettled %v, %v", found, err)
	}
	if u := b.undo(); len(u.Kept) != 0 || len(u.Settings) != 1 {
		t.Errorf("undo %+v", u)
	}
	if got := b.host.value(1, port.KeyReserved); got != "" {
		t.Errorf("reserved %q", got)
	}
}

// TestListOfSomebodyElseIsKept has another program write its list between two
// writes of portrange.
func TestListOfSomebodyElseIsKept(t *testing.T) {
	b := newBench(t)
	p, _ := reserving(t)
	halfWrite(b, "1,2,3", func() error { return errFake })
	_, err := b.Apply(p, 0)
	if err == nil || strings.Contains(err.Error(), "as it was before") {
		t.Fatalf("error %v", err)
	}
	for _, want := range []string{"except for " + port.KeyReserved + " in netns host", `it is "1,2,3"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	if got := b.host.value(1, port.KeyReserved); got != "1,2,3" {
		t.Errorf("reserved %q", got)
	}
	if len(err.Error()) > 1000 {
		t.Errorf("an error of %d bytes", len(err.Error()))
	}
}

// TestTakingBackTriesAgain has failures that pass.
func TestTakingBackTriesAgain(t *testing.T) {
	for failures := 1; failures <= attempts; failures++ {
		b := newBench(t)
		p := everything(b)
		left := failures
		b.host.fail = func(op string) error {
			if strings.HasPrefix(op, "write") || len(b.host.log) >= 2 && op == "set "+port.KeyRange && left > 0 {
				left--
				return errFake
			}
			return nil
		}
		_, err := b.Apply(p, 0)
		if !strings.HasSuffix(err.Error(), "as it was before") {
			t.Errorf("%d failures: %v", failures, err)
		}
		b.holds(narrow, "")
	}
}

// TestTakingBackIsVerified has writes that say to have worked, and did not.
func TestTakingBackIsVerified(t *testing.T) {
	b := newBench(t)
	p := everything(b)
	b.host.fail = func(op string) error {
		if op == "write "+DropIn {
			b.host.fail = func(op string) error {
				if op == "get "+port.KeyRange {
					b.host.put(1, port.KeyRange, wider)
				}
				return nil
			}
			return errFake
		}
		return nil
	}
	_, err := b.Apply(p, 0)
	if err == nil || strings.Contains(err.Error(), "as it was before") ||
		!strings.Contains(err.Error(), port.KeyRange+" in netns host is not as before") {
		t.Errorf("error %v", err)
	}
}

// TestUnreadableSettingDoesNotKeepTheRest takes back what can be.
func TestUnreadableSettingDoesNotKeepTheRest(t *testing.T) {
	b := newBench(t)
	p := everything(b)
	b.host.fail = func(op string) error {
		if op == "write "+DropIn || len(b.host.log) >= 2 && op == "get "+port.KeyReserved {
			return errFake
		}
		return nil
	}
	_, err := b.Apply(p, 0)
	if err == nil || !strings.Contains(err.Error(), "may hold in part") {
		t.Errorf("error %v", err)
	}
	b.holds(narrow, "")
}

func TestFilesThatCannotBeReplacedAreRefused(t *testing.T) {
	b := newBench(t)
	p := everything(b)
	b.host.fail = func(op string) error {
		if op == "read attributes of /etc/sysctl.conf" {
			return errFake
		}
		return nil
	}
	if _, err := b.Apply(p, 0); !errors.Is(err, errFake) || !strings.HasSuffix(err.Error(), "; nothing was changed") {
		t.Errorf("error %v", err)
	}
	if len(b.host.log) > 0 || len(b.states()) > 0 {
		t.Errorf("writes %q, journal %v", b.host.log, b.states())
	}
	f := seen(func(f *Look) { f.Files.Bound = map[string]error{DropIn: errFake} })
	if _, err := NewPlan(Wish{Range: wide(), Persist: true}, f); !errors.Is(err, errFake) {
		t.Errorf("plan: %v", err)
	}
}

// TestUndoOnAFullDisk takes the values back, and says that it did.
func TestUndoOnAFullDisk(t *testing.T) {
	b := newBench(t)
	p := everything(b)
	dieAfter(b, 2, func() { _, _ = b.Apply(p, 0) })
	u, err := b.PlanUndo(origin)
	if err != nil {
		t.Fatal(err)
	}
	w := &journal.Writer{Journal: journal.Open("/dev/null")} // no file can be made below it
	err = b.revert(w, &u.Entry, "")
	if err == nil ||
		!strings.Contains(err.Error(), "change 1 (set 15000 64001) is taken back, but cannot be noted as such") {
		t.Errorf("error %v", err)
	}
	b.holds(narrow, "")
	b.undo()
	if got := b.states(); !slices.Equal(got, []journal.State{journal.Reverted}) {
		t.Errorf("journal %v", got)
	}
}
