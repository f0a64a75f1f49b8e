package act

import "portrange/internal/act/journal"

// This is a model of everything that can happen to a change: commands, clocks,
// other writers, kills and reboots, each step of one between any two of another.
// It has one setting and one file, which hold one of few values. What it decides
// by is the code's own [Stand]; what it leaves out is how things are done.

// value is what the setting or the file holds.
type value int8

const (
	valueA value = iota // what was there before; of the file, that there is none
	valueB
	valueC
	valueX // written by another program
)

// world is a state of the model. It is compared, so it has no pointers.
type world struct {
	entries [maxEntries]modelEntry
	n       int8
	run     value
	file    value
	lock    int8 // 1 + the process that has it
	broken  bool // the journal can be neither read nor written
	dark    bool // nor can the copies
	procs   [2 + maxEntries]process
	// budget is what can still happen.
	budget budget
	ghost  ghost
}

const maxEntries = 3

type budget struct{ commands, kills, reboots, others, faults, outages int8 }

// ghost is what was said, which no program of the world sees.
type ghost struct {
	// run and file are what somebody was told to be there, and to stay.
	run, file         value
	saysRun, saysFile bool
	other             bool // another program has written
	wronged           bool // a value of portrange's own was taken for somebody else's
}

type modelEntry struct {
	state            journal.State
	before, after    value
	fileOld, fileNew value
	limited, passed  bool
	rebooted         bool
	undoes           int8
	// Nobody in the world sees these: confirm decided; undo did; what watched the
	// clock was killed, by a kill or a reboot.
	confirmed, undone, unwatched bool
}

// process is a command or a clock at work.
type process struct {
	kind    kind
	pc      int8
	id      int8 // the entry it is about
	want    value
	limited bool
	persist bool
	seen    journal.State // of the entry when an undo was planned
	before  value         // of the setting and the file when a set was planned
	fileOld value
	putBack bool // a clock that did without lock
}

type kind int8

const (
	idle kind = iota
	setting
	confirming
	undoing
	clocking
)

// law is what may be replaced by a wrong rule, to see that it is found.
type law struct {
	stand     func(Circumstances) Standing
	pending   func(Standing) bool
	fileFirst bool // confirm writes the file before it decides
	untidy    bool // void changes are left as they are
	hasty     bool // set says that there is nothing to do before it asks what is pending
	givesUp   bool // a clock ends at the first error
	rash      bool // a clock that does without the lock does not look what became of its change
	blind     bool // confirm does not look again at the end
	stale     bool // a clock puts forward again what a later change may have replaced
	deaf      bool // a clock that did without the journal does not ask it again
}

func lawful() *law { return &law{stand: Stand, pending: Standing.Pending} }

// circumstances of an entry: those that the code would find.
func (w *world) circumstances(i int8) Circumstances {
	e := &w.entries[i]
	return Circumstances{
		State: e.state, IsUndo: e.undoes != 0, Limited: e.limited, Passed: e.passed, Rebooted: e.rebooted,
		Running: e.before != e.after && w.run == e.after, Files: e.fileOld != e.fileNew && w.file == e.fileNew,
	}
}

// latest is the last entry that does not stand as passed over, -1 for none.
func (l *law) latest(w *world, passed ...Standing) (int8, Standing) {
next:
	for i := w.n - 1; i >= 0; i-- {
		standing := l.stand(w.circumstances(i))
		for _, p := range passed {
			if standing == p {
				continue next
			}
		}
		return i, standing
	}
	return -1, Over
}

func (l *law) unsettled(w *world) (int8, Standing) {
	i, standing := l.latest(w, Over, Void)
	if standing == Holds {
		return -1, Over
	}
	return i, standing
}

// end ends a process, and frees the lock that it has.
func (w *world) end(p int) {
	if w.lock == int8(p)+1 {
		w.lock = 0
	}
	w.procs[p] = process{}
}

// alone reports whether no other command is at work.
func (w *world) alone(p int) bool { return w.procs[1-p].kind == idle }

// say notes what somebody was told to hold, as far as nobody else wrote.
func (w *world) say(run, file value) {
	if w.ghost.other {
		return
	}
	w.ghost.run, w.ghost.file, w.ghost.saysRun, w.ghost.saysFile = run, file, true, true
}

// unsay: it is about to change.
func (w *world) unsay() { w.ghost.saysRun, w.ghost.saysFile = false, false }

// update writes an entry's state, and reports whether that worked.
func (w *world) update(i int8, state journal.State) bool {
	if w.broken {
		return false
	}
	w.entries[i].state = state
	return true
}

// foreign is a value that is neither of two.
func foreign(now, one, other value) bool { return now != one && now != other }

// back and forth write the setting or the file of an entry, as the code's moves do:
// a value that is neither old nor new stays.
func (w *world) settingBack(i int8)  { move(&w.run, w.entries[i].after, w.entries[i].before) }
func (w *world) settingForth(i int8) { move(&w.run, w.entries[i].before, w.entries[i].after) }
func (w *world) fileBack(i int8)     { move(&w.file, w.entries[i].fileNew, w.entries[i].fileOld) }
func (w *world) fileForth(i int8)    { move(&w.file, w.entries[i].fileOld, w.entries[i].fileNew) }

func move(v *value, from, to value) {
	if *v == from {
		*v = to
	}
}

// step lets process p do its next step; false where it must wait.
func (l *law) step(w *world, p int) bool {
	switch w.procs[p].kind {
	case setting:
		return l.stepSet(w, p)
	case confirming:
		return l.stepConfirm(w, p)
	case undoing:
		return l.stepUndo(w, p)
	case clocking:
		return l.stepClock(w, p)
	}
	return false
}

// take takes the lock, or ends the process where it cannot be had at once.
func (w *world) take(p int, pc int8) bool {
	if w.lock != 0 || w.broken {
		w.end(p)
		return true
	}
	w.lock = int8(p) + 1
	w.procs[p].pc = pc
	return true
}

// Program counters that commands share: from making to made an entry is carried
// out, from failing on it is taken back.
const (
	making  = 10
	failing = 20
	taking  = 30
	// finishing is of an undo that was interrupted.
	finishing = 40
)

func (l *law) stepSet(w *world, p int) bool {
	s := &w.procs[p]
	switch s.pc {
	case 0: // plan
		if w.broken {
			w.end(p)
			return true
		}
		_, standing := l.unsettled(w)
		s.before, s.fileOld, s.pc = w.run, w.file, 1
		switch nothing := w.run == s.want && (!s.persist || w.file == s.want); {
		case l.pending(standing) && !(l.hasty && nothing):
			w.end(p)
		case nothing:
			if w.alone(p) {
				w.ghost.run, w.ghost.saysRun = s.want, !w.ghost.other
			}
			w.end(p)
		}
	case 1:
		return w.take(p, 2)
	case 2: // compare under the lock
		_, standing := l.unsettled(w)
		s.pc = 3
		if l.pending(standing) || w.run != s.before || w.file != s.fileOld || w.broken {
			w.end(p)
		}
	case 3:
		l.tidyOr(w, p, making)
	case making:
		e := modelEntry{
			before: s.before, after: s.want, fileOld: s.fileOld, fileNew: s.fileOld, limited: s.limited,
		}
		if s.persist {
			e.fileNew = s.want
		}
		w.begin(p, e)
	default:
		return l.stepEntry(w, p)
	}
	return true
}

// tidyOr marks one entry that is void, or goes on where there is none.
func (l *law) tidyOr(w *world, p int, pc int8) {
	for i := w.n - 1; i >= 0 && !l.untidy; i-- {
		standing := l.stand(w.circumstances(i))
		if standing != Over && standing != Void {
			break
		}
		if w.entries[i].state != journal.Reverted {
			if !w.update(i, journal.Reverted) {
				w.end(p)
			}
			return
		}
	}
	w.procs[p].pc = pc
}

func (w *world) begin(p int, e modelEntry) {
	if w.broken || w.n == maxEntries {
		w.end(p)
		return
	}
	e.state = journal.Begun
	w.entries[w.n] = e
	w.procs[p].id, w.procs[p].pc = w.n, making+1
	w.n++
	w.unsay()
}

// stepEntry carries out an entry that was begun, by set or by undo.
func (l *law) stepEntry(w *world, p int) bool {
	s := &w.procs[p]
	e := &w.entries[s.id]
	switch s.pc {
	case making + 1:
		if s.pc++; e.limited {
			w.procs[2+s.id] = process{kind: clocking, id: s.id}
		}
	case making + 2:
		s.pc++
		if e.before == e.after { // it has no such setting
			return true
		}
		if foreign(w.run, e.before, e.after) {
			w.ghost.wronged = w.ghost.wronged || !w.ghost.other
			s.pc = failing
			return true
		}
		w.run = e.after
	case making + 3:
		switch {
		case e.limited && w.update(s.id, journal.Waiting):
			w.end(p)
		case e.limited:
			s.pc = failing
		case w.file == e.fileOld || w.file == e.fileNew:
			w.file = e.fileNew
			s.pc++
		default:
			s.pc = failing
		}
	case making + 4:
		if !w.update(s.id, journal.Done) {
			s.pc = failing
			return true
		}
		w.say(e.after, w.file)
		w.end(p)
	case failing:
		w.settingBack(s.id)
		s.pc++
	case failing + 1:
		w.fileBack(s.id)
		s.pc++
	case failing + 2:
		w.update(s.id, journal.Reverted)
		w.end(p)
	}
	return true
}

func (l *law) stepConfirm(w *world, p int) bool {
	s := &w.procs[p]
	switch s.pc {
	case 0:
		if w.lock != 0 {
			return false
		}
		return w.take(p, 1)
	case 1:
		i, standing := l.latest(w, Over)
		s.id, s.pc = i, 2
		switch {
		case w.broken, i < 0, !l.pending(standing), standing == HalfReverted:
			w.end(p)
		case standing == HalfConfirmed:
			s.pc = 3
		case w.run != w.entries[i].after || foreign(w.file, w.entries[i].fileOld, w.entries[i].fileNew):
			w.end(p)
		case l.fileFirst:
			s.pc = 4
		}
	case 2:
		if s.pc = 3; !w.update(s.id, journal.Confirming) {
			w.end(p)
			return true
		}
		w.unsay()
		w.entries[s.id].confirmed = true
	case 3:
		w.settingForth(s.id)
		s.pc++
	case 4:
		w.fileForth(s.id)
		s.pc++
	case 5:
		if s.pc++; w.update(s.id, journal.Done) {
			w.entries[s.id].confirmed = true
		} else {
			s.pc = failing
		}
	case failing:
		w.fileBack(s.id)
		s.pc++
	case failing + 1: // or it may be confirmed in part, it says
		if w.update(s.id, journal.Waiting) {
			w.entries[s.id].confirmed = false
		}
		w.end(p)
	case 6:
		if !l.blind {
			w.settingForth(s.id)
		}
		w.say(w.entries[s.id].after, w.entries[s.id].fileNew)
		w.end(p)
	}
	return true
}

func (l *law) stepUndo(w *world, p int) bool {
	s := &w.procs[p]
	switch s.pc {
	case 0: // plan
		i, _ := l.latest(w, Over)
		if i < 0 || w.broken {
			w.end(p)
			return true
		}
		s.id, s.seen, s.pc = i, w.entries[i].state, 1
	case 1:
		return w.take(p, 2)
	case 2:
		i, standing := l.latest(w, Over)
		if w.broken || i != s.id || w.entries[i].state != s.seen {
			w.end(p)
			return true
		}
		e := &w.entries[i]
		switch c := w.circumstances(i); {
		case standing == Interrupted && e.undoes != 0:
			s.pc = finishing
		case standing == Holds && (c.Running || c.Files):
			s.pc = 3
		default:
			s.pc = taking
		}
	case 3:
		l.tidyOr(w, p, making)
	case making:
		e := w.entries[s.id]
		undo := modelEntry{before: w.run, after: w.run, fileOld: w.file, fileNew: w.file, undoes: s.id + 1}
		if w.run == e.after {
			undo.after = e.before
		}
		if w.file == e.fileNew {
			undo.fileNew = e.fileOld
		}
		w.begin(p, undo)
	case taking:
		w.unsay()
		w.entries[s.id].undone = true
		w.update(s.id, journal.Reverting)
		s.pc++
	case taking + 1, taking + 2, taking + 3:
		l.stepBack(w, p)
	case finishing:
		w.settingForth(s.id)
		s.pc++
	case finishing + 1:
		w.fileForth(s.id)
		s.pc++
	case finishing + 2:
		w.update(s.id, journal.Done)
		w.end(p)
	default:
		return l.stepEntry(w, p)
	}
	return true
}

// stepBack takes an entry back in place.
func (l *law) stepBack(w *world, p int) {
	s := &w.procs[p]
	switch s.pc {
	case taking + 1:
		w.settingBack(s.id)
	case taking + 2:
		w.fileBack(s.id)
	case taking + 3:
		switch marked := w.update(s.id, journal.Reverted); {
		case s.kind == clocking && !marked:
			w.lock, s.pc = 0, 1
			return
		default:
			if s.kind == undoing {
				w.say(w.run, w.file)
			}
			w.end(p)
			return
		}
	}
	s.pc++
}

// Program counters of a clock.
const (
	waits   = 0
	strikes = 1
	decides = 2
	without = 3 // lock and journal
	forth   = 4
)

func (l *law) stepClock(w *world, p int) bool {
	s := &w.procs[p]
	e := &w.entries[s.id]
	switch s.pc {
	case waits:
		settled := !w.dark && (e.state == journal.Done || e.state == journal.Reverted)
		switch {
		case settled, l.givesUp && w.broken:
			w.end(p)
		case e.passed:
			s.pc = strikes
		default:
			return false
		}
	case strikes:
		switch {
		case w.broken && s.putBack, w.lock != 0 && s.putBack:
			return false // until the journal can be had
		case w.broken, w.lock != 0:
			s.pc = without
		default:
			w.lock, s.pc = int8(p)+1, decides
		}
	case decides:
		l.decide(w, p)
	case without:
		awaits := e.state == journal.Begun || e.state == journal.Waiting || e.state == journal.Reverting
		if s.pc = strikes; w.dark || awaits || l.rash {
			w.settingBack(s.id)
			s.putBack = true
		}
	case forth, forth + 1:
		if s.pc == forth {
			w.settingForth(s.id)
		} else {
			w.fileForth(s.id)
		}
		s.pc++
	case forth + 2:
		if w.update(s.id, journal.Done) {
			w.say(w.entries[s.id].after, w.entries[s.id].fileNew)
			w.end(p)
		} else {
			w.lock, s.pc = 0, strikes
		}
	default:
		l.stepBack(w, p)
	}
	return true
}

// decide is a clock's decision under the lock.
func (l *law) decide(w *world, p int) {
	s := &w.procs[p]
	if w.broken {
		w.lock, s.pc = 0, strikes
		return
	}
	switch l.stand(w.circumstances(s.id)).next() {
	case backward:
		w.unsay()
		w.update(s.id, journal.Reverting)
		s.pc = taking + 1
	case forward:
		s.pc = forth
	default:
		if last, _ := l.latest(w, Over); s.putBack && !l.deaf && (last == s.id || l.stale) && w.entries[s.id].state == journal.Done {
			w.settingForth(s.id)
		}
		w.end(p)
	}
}
