package act

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"portrange/internal/act/journal"
	"portrange/internal/boot"
	"portrange/internal/host"
	"portrange/internal/port"
)

// fakeHost keeps settings and files in memory. fail, where set, may refuse an
// operation: "set KEY", "get KEY", "write PATH".
type fakeHost struct {
	settings map[string]string // "netns key" to value
	files    map[string]*journal.Content
	gone     map[uint64]bool
	boot     string
	fail     func(operation string) error
	log      []string
}

func newFakeHost() *fakeHost {
	h := &fakeHost{settings: map[string]string{}, files: map[string]*journal.Content{}, gone: map[uint64]bool{}, boot: "boot-1"}
	h.put(1, port.KeyRange, "32768 60999")
	h.put(1, port.KeyReserved, "")
	return h
}

func keyOf(id uint64, key string) string { return fmt.Sprintf("%d %s", id, key) }

func (h *fakeHost) put(id uint64, key, value string)   { h.settings[keyOf(id, key)] = value }
func (h *fakeHost) value(id uint64, key string) string { return h.settings[keyOf(id, key)] }

func (h *fakeHost) refuse(operation string) error {
	if h.fail == nil {
		return nil
	}
	return h.fail(operation)
}

func (h *fakeHost) Get(ns journal.Place, key string) (string, error) {
	if h.gone[ns.ID] {
		return "", fmt.Errorf("netns %s: %w", ns.Name, ErrGone)
	}
	return h.value(ns.ID, key), h.refuse("get " + key)
}

func (h *fakeHost) Set(ns journal.Place, key, value string) error {
	if err := h.refuse("set " + key); err != nil {
		return err
	}
	h.log = append(h.log, fmt.Sprintf("set %s %s = %s", ns.Name, key, value))
	h.put(ns.ID, key, value)
	return nil
}

func (h *fakeHost) ReadFile(path string) (*journal.Content, error) {
	return h.files[path], h.refuse("read " + path)
}

func (h *fakeHost) Replaceable(path string) error { return h.refuse("read attributes of " + path) }

func (h *fakeHost) WriteFile(path string, content *journal.Content) error {
	if err := h.refuse("write " + path); err != nil {
		return err
	}
	h.log = append(h.log, "write "+path)
	if content == nil {
		delete(h.files, path)
		return nil
	}
	h.files[path] = content
	return nil
}

func (h *fakeHost) Boot() string { return h.boot }

// fakeClock remembers what was started and stopped.
type fakeClock struct {
	running map[int]time.Duration
	refuses error
}

func (c *fakeClock) Start(id int, after time.Duration) error {
	if c.refuses != nil {
		return c.refuses
	}
	if c.running == nil {
		c.running = map[int]time.Duration{}
	}
	c.running[id] = after
	return nil
}

func (c *fakeClock) Stop(id int) { delete(c.running, id) }

// fakeBoot is a forecast.
type fakeBoot struct {
	conflicts []boot.Conflict
	report    boot.Report
}

func (f fakeBoot) Conflicts(string, []byte) []boot.Conflict { return f.conflicts }
func (f fakeBoot) Report(map[string]string) *boot.Report    { return &f.report }

// bench is an actor on a fake host with a journal of its own.
type bench struct {
	*Actor
	t     *testing.T
	host  *fakeHost
	clock *fakeClock
}

func newBench(t *testing.T) *bench {
	t.Helper()
	host, clock := newFakeHost(), &fakeClock{}
	actor := &Actor{Host: host, Journal: journal.Open(t.TempDir()), Clock: clock}
	return &bench{Actor: actor, t: t, host: host, clock: clock}
}

var place = journal.Place{ID: 1, Cookie: 11, Boot: "boot-1", Name: "host", Host: true}

// seen is a host with default settings and no sockets.
func seen(edit ...func(*Look)) Look {
	f := Look{
		State: &host.State{Namespaces: []host.Namespace{{
			ID: 1, Name: "host", Settings: defaults(), Usage: host.NewUsage(defaults()),
		}}},
		Places: map[uint64]journal.Place{1: place}, Booted: 1,
		Files: &Files{Contents: map[string]*journal.Content{DropIn: nil}, Boot: fakeBoot{}},
	}
	for _, e := range edit {
		e(&f)
	}
	return f
}

// withPod adds a namespace of another name than the host's.
func withPod(f *Look) {
	pod := f.State.Namespaces[0]
	pod.ID, pod.Name = uint64(1+len(f.State.Namespaces)), "pod"
	f.Places[pod.ID] = journal.Place{ID: pod.ID, Name: pod.Name, Boot: "boot-1"}
	f.State.Namespaces = append(f.State.Namespaces, pod)
}

func defaults() host.Settings {
	return host.Settings{
		Range: port.DefaultRange, Reserved: &port.Set{}, UnprivilegedStart: 1024,
		TWReuse: 2, TWReuseDelay: time.Second, Timestamps: 1,
	}
}

var origin = Origin{Command: "set 15000 64001", User: "root", At: time.Date(2026, 11, 22, 20, 43, 44, 0, time.UTC)}

func wide() *port.Range { return &port.Range{Low: 15000, High: 64001} }

func plan(t *testing.T, wish Wish, f Look) *Plan {
	t.Helper()
	if wish.Command == "" {
		wish.Origin = origin
	}
	p, err := NewPlan(wish, f)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func ports(t *testing.T, text string) *port.Set {
	t.Helper()
	set, err := port.ParseSet(text)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func (b *bench) apply(p *Plan, within time.Duration) *journal.Entry {
	b.t.Helper()
	e, err := b.Apply(p, within)
	if err != nil {
		b.t.Fatal(err)
	}
	return e
}

func (b *bench) undo() *Undo {
	b.t.Helper()
	u, err := b.PlanUndo(Origin{Command: "undo"})
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.Undo(u); err != nil {
		b.t.Fatal(err)
	}
	return u
}

// holds checks the running range and whether there is a drop-in with it.
func (b *bench) holds(running string, persisted string) {
	b.t.Helper()
	if got := b.host.value(1, port.KeyRange); got != running {
		b.t.Errorf("running range %q, want %q", got, running)
	}
	values, _ := parseDropIn(b.host.files[DropIn].Bytes())
	if got := values[port.KeyRange]; got != persisted {
		b.t.Errorf("persisted range %q, want %q", got, persisted)
	}
}

// stands checks how the last change stands; "" for nothing that is unsettled.
func (b *bench) stands(want Standing) {
	b.t.Helper()
	u, err := b.Unsettled()
	if err != nil || (u == nil) != (want == "") || u != nil && u.Standing != want {
		b.t.Errorf("unsettled: %+v, %v; want %q", u, err, want)
	}
}

func (b *bench) states() []journal.State {
	b.t.Helper()
	var states []journal.State
	for e, err := range b.Journal.Backward() {
		if err != nil {
			b.t.Fatal(err)
		}
		states = append(states, e.State)
	}
	return states
}

var errFake = errors.New("no")
