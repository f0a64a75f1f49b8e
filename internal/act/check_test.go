package act

import (
	"fmt"
	"strings"
	"testing"

	"portrange/internal/act/journal"
)

// templates are the commands that somebody may give.
func templates() []process {
	return []process{
		{kind: setting, want: valueB},
		{kind: setting, want: valueB, limited: true},
		{kind: setting, want: valueB, persist: true},
		{kind: setting, want: valueB, limited: true, persist: true},
		{kind: setting, want: valueC},
		{kind: setting, want: valueA},
		{kind: confirming},
		{kind: undoing},
	}
}

// happening is a next world, and what led to it.
type happening struct {
	what string
	world
}

// next lists all that can happen.
func (l *law) next(w *world) []happening {
	var all []happening
	add := func(what string, change func(n *world) bool) {
		n := *w
		if change(&n) {
			all = append(all, happening{what, n})
		}
	}
	for p := range w.procs {
		if w.procs[p].kind == idle {
			continue
		}
		add(fmt.Sprintf("step %d", p), func(n *world) bool { return l.step(n, p) })
		add(fmt.Sprintf("kill %d", p), func(n *world) bool { return n.kill(p) })
	}
	if free := w.free(); free >= 0 && w.budget.commands > 0 {
		for _, command := range templates() {
			add(fmt.Sprintf("start %d: %+v", free, command), func(n *world) bool {
				n.procs[free] = command
				n.budget.commands--
				return true
			})
		}
	}
	for i := range w.n {
		add(fmt.Sprintf("the time of %d is over", i), func(n *world) bool { return n.pass(i) })
	}
	add("another program sets", func(n *world) bool { return n.interfere(&n.run) })
	add("another program writes", func(n *world) bool { return n.interfere(&n.file) })
	add("reboot", (*world).reboot)
	add("the disk fails or is back", (*world).fault)
	return all
}

// free is a place for a command, -1 for none.
func (w *world) free() int {
	for p := range 2 {
		if w.procs[p].kind == idle {
			return p
		}
	}
	return -1
}

func (w *world) kill(p int) bool {
	if w.budget.kills == 0 {
		return false
	}
	w.budget.kills--
	s := w.procs[p]
	if s.kind == clocking {
		w.entries[s.id].unwatched = true
		if s.putBack {
			w.unsay()
		}
	}
	w.end(p)
	return true
}

func (w *world) pass(i int8) bool {
	e := &w.entries[i]
	settled := e.state == journal.Done || e.state == journal.Reverted
	if !e.limited || e.passed || e.rebooted || settled {
		return false
	}
	e.passed = true
	return true
}

func (w *world) interfere(v *value) bool {
	if w.budget.others == 0 {
		return false
	}
	w.budget.others--
	*v, w.ghost.other = valueX, true
	w.unsay()
	return true
}

// reboot leaves what is on disk: the kernel starts at A, and the file is applied.
func (w *world) reboot() bool {
	if w.budget.reboots == 0 {
		return false
	}
	w.budget.reboots--
	w.procs, w.lock, w.broken, w.dark = [len(w.procs)]process{}, 0, false, false
	for i := range w.n {
		w.entries[i].rebooted, w.entries[i].unwatched = true, true
	}
	w.run, w.ghost.saysRun = w.file, false
	return true
}

func (w *world) fault() bool {
	switch {
	case w.broken:
		w.broken, w.dark = false, false
	case w.budget.faults > 0:
		w.budget.faults--
		w.broken = true
	case w.budget.outages > 0:
		w.budget.outages--
		w.broken, w.dark = true, true
	default:
		return false
	}
	return true
}

// quiet reports whether nobody is at work.
func (w *world) quiet() bool {
	for p := range w.procs {
		if s := &w.procs[p]; s.kind != idle && (s.kind != clocking || s.pc != waits) {
			return false
		}
	}
	return !w.broken
}

// wrong tells what must never be, "" for nothing.
func (l *law) wrong(w *world) string {
	if w.ghost.wronged {
		return "a value of portrange's own counts as somebody else's"
	}
	if !w.quiet() {
		return ""
	}
	g := &w.ghost
	switch {
	case g.saysRun && w.run != g.run:
		return "the running value is not what was said"
	case g.saysFile && w.file != g.file:
		return "the file is not what was said"
	}
	for i := range w.n {
		if text := l.wrongEntry(w, i); text != "" {
			return text
		}
	}
	return l.wrongUndo(*w)
}

// wrongEntry looks at a change that was or was not confirmed.
func (l *law) wrongEntry(w *world, i int8) string {
	e, g := &w.entries[i], &w.ghost
	if e.confirmed && !e.undone && e.state == journal.Reverted {
		return "a change that was confirmed went back"
	}
	if !e.limited || e.confirmed {
		return ""
	}
	said, _ := l.unsettled(w)
	watched := w.procs[2+i].kind != idle
	c := w.circumstances(i)
	running := c.Running && !e.rebooted && !g.saysRun && !g.other && !w.later(i)
	switch {
	case running && e.passed && !watched && !e.unwatched:
		return "a clock ended and its change holds"
	case running && !watched && said < 0:
		return "a change that nobody confirmed holds, nothing watches it and nobody says so"
	case c.Files && !g.saysFile && !g.other && !w.later(i) && said < 0:
		return "a file that nobody confirmed is there and nobody says so"
	}
	return ""
}

// later reports whether a later change has the value too.
func (w *world) later(i int8) bool {
	for j := i + 1; j < w.n; j++ {
		if w.entries[j].after == w.entries[i].after && w.entries[j].state != journal.Reverted {
			return true
		}
	}
	return false
}

// wrongUndo lets somebody undo the last change, to the end.
func (l *law) wrongUndo(w world) string {
	before := w
	i, standing := l.unsettled(&w)
	p := w.free()
	w.procs[p] = process{kind: undoing}
	for range 20 {
		if w.procs[p].kind != idle {
			l.step(&w, p)
		}
	}
	if w.procs[p].kind != idle {
		return "undo does not end"
	}
	if after, now := l.unsettled(&w); l.pending(now) {
		return fmt.Sprintf("after undo, change %d %s", after, now)
	}
	if last := before.n - 1; last >= 0 {
		e := &before.entries[last]
		unmarked := e.state != journal.Done && e.state != journal.Reverted && !e.rebooted
		if unmarked && (w.n != before.n || last > 0 && w.entries[last-1] != before.entries[last-1]) {
			return "undo of a change that was killed takes back the change before it"
		}
	}
	top, _ := l.latest(&before, Over)
	if i < 0 || i != top || w.ghost.other {
		return ""
	}
	e := &before.entries[i]
	run, file := e.before, e.fileOld
	if e.undoes != 0 && standing == Interrupted {
		run, file = e.after, e.fileNew
	}
	if !e.rebooted && w.run != run || w.file != file {
		return "undo leaves a part of a change"
	}
	return ""
}

// explore visits every world that can come about, and returns how many there are
// and the way to the first that is wrong. seen, where given, is shown every quiet one.
func (l *law) explore(start world, seen func(*world)) (worlds int, way []string) {
	type step struct {
		from int
		what string
	}
	known := map[world]bool{start: true}
	queue, steps := []world{start}, []step{{-1, ""}}
	for at := 0; at < len(queue); at++ {
		w := queue[at]
		if seen != nil && w.quiet() {
			seen(&w)
		}
		if text := l.wrong(&w); text != "" {
			way = []string{text, fmt.Sprintf("%+v", w)}
			for ; at > 0; at = steps[at].from {
				way = append(way, steps[at].what)
			}
			return len(queue), way
		}
		for _, h := range l.next(&w) {
			if !known[h.world] {
				known[h.world] = true
				queue, steps = append(queue, h.world), append(steps, step{at, h.what})
			}
		}
	}
	return len(queue), nil
}

// TestModel visits all interleavings of commands with clocks, kills, a reboot,
// another program and a disk that fails, a few of each at a time.
func TestModel(t *testing.T) {
	for name, b := range map[string]budget{
		"two commands, kills":            {commands: 2, kills: 2},
		"two commands, a kill, a reboot": {commands: 2, kills: 1, reboots: 1},
		"two commands, disk, a kill":     {commands: 2, kills: 1, faults: 1},
		"two commands, all disks":        {commands: 2, outages: 1},
		"two commands, another program":  {commands: 2, kills: 1, others: 1},
		"three commands, a kill":         {commands: 3, kills: 1},
		"three commands, a reboot":       {commands: 3, reboots: 1},
	} {
		if testing.Short() && b.commands > 2 {
			continue
		}
		worlds, way := lawful().explore(world{budget: b}, nil)
		if t.Logf("%s: %d worlds", name, worlds); way != nil {
			t.Errorf("%s:\n%s", name, strings.Join(way, "\n  "))
		}
	}
}

// TestModelFindsWrongRules breaks one rule after the other: each must be found.
func TestModelFindsWrongRules(t *testing.T) {
	state := func(from func(Circumstances) bool, to Standing) func(l *law) {
		return func(l *law) {
			l.stand = func(c Circumstances) Standing {
				if from(c) {
					return to
				}
				return Stand(c)
			}
		}
	}
	for name, tt := range map[string]struct {
		wrong  func(l *law)
		budget budget
	}{
		"nobody waits for a change that was killed": {
			state(func(c Circumstances) bool { return c.State == journal.Begun }, Interrupted), budget{commands: 1, kills: 1},
		},
		"a void change is over": {
			state(func(c Circumstances) bool { return c.State == journal.Begun && !c.Running && !c.Files && !c.IsUndo }, Over),
			budget{commands: 2, kills: 1},
		},
		"what is half taken back is over": {
			state(func(c Circumstances) bool { return c.State == journal.Reverting }, Over), budget{commands: 2, kills: 2},
		},
		"what is half confirmed goes back": {
			state(func(c Circumstances) bool { return c.State == journal.Confirming }, Waits), budget{commands: 2, kills: 1, reboots: 1},
		},
		"a reboot ends every wait, and confirm writes the file first": {
			func(l *law) {
				state(func(c Circumstances) bool { return c.State == journal.Waiting && c.Rebooted }, Over)(l)
				l.fileFirst = true
			}, budget{commands: 2, kills: 1, reboots: 1},
		},
		"what waits is in nobody's way":                  {func(l *law) { l.pending = func(Standing) bool { return false } }, budget{commands: 2}},
		"set says there is nothing to do":                {func(l *law) { l.hasty = true }, budget{commands: 2}},
		"void changes are left as they are":              {func(l *law) { l.untidy = true }, budget{commands: 2, kills: 1}},
		"a clock gives up":                               {func(l *law) { l.givesUp = true }, budget{commands: 1, faults: 1}},
		"a clock without lock does not look":             {func(l *law) { l.rash = true }, budget{commands: 2, kills: 1}},
		"a clock without journal does not look again":    {func(l *law) { l.deaf = true }, budget{commands: 2, outages: 1}},
		"a clock puts forward what was replaced":         {func(l *law) { l.stale = true }, budget{commands: 3}},
		"confirm does not look again when it is through": {func(l *law) { l.blind = true }, budget{commands: 2, kills: 1, outages: 1}},
	} {
		l := lawful()
		tt.wrong(l)
		worlds, way := l.explore(world{budget: tt.budget}, nil)
		if way == nil {
			t.Errorf("%s: not found in %d worlds", name, worlds)
			continue
		}
		t.Logf("%s: found in world %d: %s", name, worlds, way[0])
	}
}
