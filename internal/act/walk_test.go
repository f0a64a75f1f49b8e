package act

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"portrange/internal/act/journal"
	"portrange/internal/port"
)

// sight is what can be seen of a quiet world, of the model as of the code.
type sight struct {
	entries [maxEntries]seenEntry
	run     value
	file    value
}

// seenEntry is an entry; of a setting or a file that it does not change, both values
// are valueA.
type seenEntry struct {
	state                   journal.State
	before, after           value
	fileOld, fileNew        value
	limited, passed, isUndo bool
	rebooted, watched       bool
}

func (w *world) sight() sight {
	s := sight{run: w.run, file: w.file}
	for i := range w.n {
		e := &w.entries[i]
		seen := seenEntry{
			state: e.state, limited: e.limited, passed: e.passed, isUndo: e.undoes != 0, rebooted: e.rebooted,
			watched: w.procs[2+i].kind != idle && e.state != journal.Done && e.state != journal.Reverted,
		}
		if e.before != e.after {
			seen.before, seen.after = e.before, e.after
		}
		if e.fileOld != e.fileNew {
			seen.fileOld, seen.fileNew = e.fileOld, e.fileNew
		}
		s.entries[i] = seen
	}
	return s
}

// The values of the model in the code.
func runText(v value) string { return [...]string{narrow, wider, "20000 60000", "1024 2000"}[v] }

func rangeOf(v value) port.Range {
	return [...]port.Range{{Low: 32768, High: 60999}, {Low: 15000, High: 64001}, {Low: 20000, High: 60000}, {Low: 1024, High: 2000}}[v]
}

func valueOf(text string) value {
	for v := valueA; v <= valueX; v++ {
		if runText(v) == text {
			return v
		}
	}
	panic("no value of the model: " + text)
}

// fileValue is what a drop-in sets: what another program wrote is valueX.
func fileValue(content *journal.Content) value {
	if content == nil {
		return valueA
	}
	values, _ := parseDropIn(content.Data)
	return valueOf(values[port.KeyRange])
}

// walker is the code on a random walk of the model.
type walker struct {
	*bench
	random *rand.Rand
	clocks map[int]journal.Entry // what each remembers
	boots  int
	budget budget
	did    []string
}

func (w *walker) sight() sight {
	w.t.Helper()
	s := sight{run: valueOf(w.host.value(1, port.KeyRange)), file: fileValue(w.host.files[DropIn])}
	for e, err := range w.Journal.Backward() {
		if err != nil {
			w.t.Fatal(err)
		}
		seen := seenEntry{
			state: e.State, limited: e.Deadline != nil, isUndo: e.Undoes != 0, rebooted: e.Boot != w.host.boot,
			passed: e.Deadline != nil && time.Now().After(*e.Deadline),
		}
		_, running := w.clocks[e.ID]
		seen.watched = running && e.State != journal.Done && e.State != journal.Reverted
		for _, s := range e.Settings {
			seen.before, seen.after = valueOf(s.Before), valueOf(s.After)
		}
		for _, f := range e.Files {
			seen.fileOld, seen.fileNew = fileValue(f.Before), fileValue(f.After)
		}
		s.entries[e.ID-1] = seen
	}
	return s
}

// mayDie runs fn, and stops it dead at some operation or lets it come to its end.
// It reports whether it died.
func (w *walker) mayDie(fn func()) (died bool) {
	w.t.Helper()
	left := -1
	if w.budget.kills > 0 && w.random.IntN(2) == 0 {
		left = w.random.IntN(14)
	}
	w.host.fail = func(string) error {
		if left == 0 {
			panic(death{})
		}
		left--
		return nil
	}
	defer func() {
		w.host.fail = nil
		if died = recover() == (death{}); died {
			w.budget.kills--
			w.did[len(w.did)-1] += ", killed"
		}
	}()
	fn()
	return false
}

func (w *walker) set(command process) {
	now := *rangeNow(w.host)
	look := seen(func(f *Look) {
		f.State.Namespaces[0].Settings.Range = now
		f.Files.Contents[DropIn] = w.host.files[DropIn]
		here := place
		here.Boot = w.host.boot
		f.Places[1] = here
	})
	unsettled, err := w.Unsettled()
	if err != nil {
		w.t.Fatal(err)
	}
	if unsettled != nil && unsettled.Standing.Pending() {
		return
	}
	wanted := rangeOf(command.want)
	p, err := NewPlan(Wish{Range: &wanted, Persist: command.persist, Origin: origin}, look)
	if err != nil || p.Empty() { // the file is another program's
		return
	}
	within := time.Duration(0)
	if command.limited {
		within = time.Hour
	}
	w.mayDie(func() { _, _ = w.Apply(p, within) })
	for id := range w.clock.running {
		if e, err := w.Journal.Entry(id); err == nil {
			w.clocks[id] = e
		}
	}
}

func rangeNow(h *fakeHost) *port.Range {
	r := rangeOf(valueOf(h.value(1, port.KeyRange)))
	return &r
}

// command gives one.
func (w *walker) command() {
	w.budget.commands--
	all := templates()
	command := all[w.random.IntN(len(all))]
	w.did = append(w.did, fmt.Sprintf("%+v", command))
	switch command.kind {
	case setting:
		w.set(command)
	case confirming:
		w.mayDie(func() { _, _ = w.Confirm(w.t.Context(), 0) })
	case undoing:
		w.mayDie(func() {
			if u, err := w.PlanUndo(Origin{Command: "undo"}); err == nil {
				_ = w.Undo(u)
			}
		})
	}
}

// pass ends the time of the last change, if it has one that still counts.
func (w *walker) pass() {
	for id, e := range w.clocks {
		now, err := w.Journal.Entry(id)
		if err != nil || now.State == journal.Done || now.State == journal.Reverted || now.Boot != w.host.boot {
			continue
		}
		w.did = append(w.did, fmt.Sprintf("the time of %d is over", id))
		over := time.Now().Add(-time.Hour)
		now.Deadline, e.Deadline = &over, &over
		w.clocks[id] = e
		lock, err := w.Journal.Lock()
		if err != nil {
			w.t.Fatal(err)
		}
		if err := lock.Update(&now); err != nil {
			w.t.Fatal(err)
		}
		lock.Close()
	}
}

// strike lets the clocks strike whose time is over.
func (w *walker) strike() {
	for id, e := range w.clocks {
		if time.Now().Before(*e.Deadline) {
			continue
		}
		w.did = append(w.did, fmt.Sprintf("clock %d", id))
		w.mayDie(func() {
			if err := w.Revert(w.t.Context(), &e); err != nil {
				w.t.Errorf("clock: %v", err)
			}
		})
		delete(w.clocks, id)
		delete(w.clock.running, id)
	}
}

func (w *walker) interfere() {
	if w.budget.others == 0 {
		return
	}
	w.budget.others--
	if w.random.IntN(2) == 0 {
		w.did = append(w.did, "another program sets")
		w.host.put(1, port.KeyRange, runText(valueX))
		return
	}
	w.did = append(w.did, "another program writes")
	w.host.files[DropIn] = &journal.Content{Data: []byte(port.KeyRange + " = " + runText(valueX) + "\n")}
}

func (w *walker) reboot() {
	if w.budget.reboots == 0 {
		return
	}
	w.budget.reboots--
	w.did = append(w.did, "reboot")
	w.boots++
	w.host.boot = fmt.Sprintf("boot-%d", w.boots+1)
	w.host.put(1, port.KeyRange, runText(fileValue(w.host.files[DropIn])))
	clear(w.clocks)
	clear(w.clock.running)
}

// walks takes the code on random walks of a model, and returns the first that comes
// to a state which the model does not have, "" for none.
func (l *law) walks(t *testing.T, b budget, walks int) string {
	t.Helper()
	known, reached := map[sight]bool{}, map[sight]bool{}
	l.explore(world{budget: b}, func(w *world) { known[w.sight()] = true })
	for seed := range walks {
		w := &walker{
			bench: quickBench(t), random: rand.New(rand.NewPCG(uint64(seed), 1)), clocks: map[int]journal.Entry{}, budget: b,
		}
		for range 12 {
			if w.step(); t.Failed() {
				t.Fatalf("walk %d: %s", seed, strings.Join(w.did, "; "))
			}
			s := w.sight()
			if !known[s] {
				return fmt.Sprintf("walk %d: %s: %+v", seed, strings.Join(w.did, "; "), s)
			}
			reached[s] = true
		}
	}
	t.Logf("%+v: the model has %d quiet worlds to be seen, the walks came to %d", b, len(known), len(reached))
	return ""
}

// quickBench has its journal where fsync costs nothing.
func quickBench(t *testing.T) *bench {
	t.Helper()
	b := newBench(t)
	const shared = "/dev/shm"
	if info, err := os.Stat(shared); err == nil && info.IsDir() {
		dir, err := os.MkdirTemp(shared, "portrange-walk-")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		b.Journal = journal.Open(dir)
	}
	return b
}

// TestWalks: every state that the code comes to is one that the model has, and has
// found nothing wrong with.
func TestWalks(t *testing.T) {
	walks := 300
	if testing.Short() {
		walks = 50
	}
	for _, b := range []budget{
		{commands: 2, kills: 2}, {commands: 2, kills: 1, reboots: 1}, {commands: 2, kills: 1, others: 1}, {commands: 3, kills: 1},
	} {
		if testing.Short() && b.commands > 2 {
			continue
		}
		if stranger := lawful().walks(t, b, walks); stranger != "" {
			t.Errorf("the model has no such world: %s", stranger)
		}
	}
}

// TestWalksTellCodeAndModelApart has models that are not the code's.
func TestWalksTellCodeAndModelApart(t *testing.T) {
	for name, other := range map[string]*law{
		"confirm writes the file first": {stand: Stand, pending: Standing.Pending, fileFirst: true},
		"void changes are left":         {stand: Stand, pending: Standing.Pending, untidy: true},
	} {
		if other.walks(t, budget{commands: 2, kills: 2}, 500) == "" {
			t.Errorf("%s: the code does as this model", name)
		}
	}
}

func (w *walker) step() {
	switch w.random.IntN(6) {
	case 0, 1:
		if w.budget.commands > 0 {
			w.command()
		}
	case 2:
		w.pass()
	case 3:
		w.strike()
	case 4:
		w.interfere()
	case 5:
		w.reboot()
	}
}
