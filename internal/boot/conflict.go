package boot

import (
	"fmt"
	"slices"
)

// Conflict is a line that keeps a drop-in from setting a key.
type Conflict struct {
	Key     string  `json:"key"`
	Program Program `json:"program"`
	// Line is the line to take out. It is the zero Line where no line is to
	// blame but the kernel itself, which refuses the drop-in's value.
	Line
	Value string `json:"value"` // as written there
	Why   string `json:"why"`
	// Refused tells that the kernel refuses the drop-in's value: because of
	// Line, which holds another key at a value or this one in its place, or by
	// itself.
	Refused bool `json:"refused"`
}

// Conflicts tells what would keep a drop-in, were it written to /etc/sysctl.d
// under name, from setting the keys it assigns, for every program. A line that
// sets the same value is no conflict. All lines in the way are found, also
// those that only would be once others are gone: with all of them taken out,
// the drop-in decides, unless the kernel refuses its value.
func (t *Tree) Conflicts(name string, content []byte) []Conflict {
	wanted := t.alone(name, content)
	t = t.with(name, content)
	var conflicts []Conflict
	search := obstacles{own: dropInDir + "/" + name, patience: maxPlayed}
	for {
		more := search.all(t, wanted)
		more = slices.DeleteFunc(more, func(c Conflict) bool { return slices.Contains(conflicts, c) })
		conflicts = append(conflicts, more...)
		if !slices.ContainsFunc(more, func(c Conflict) bool { return c.File != "" }) {
			return conflicts
		}
		// What is in the way of one program may be what kept a line from
		// another.
		for _, c := range more {
			t = t.without(c.Line)
		}
	}
}

// alone is what the drop-in sets on a host without any other file, where the
// program writes values whole, as systemd does. A range that begins below 1024
// has no effect alone; what is written counts then.
func (t *Tree) alone(name string, content []byte) map[string]string {
	empty := newTree(t.lookup, t.page)
	empty.dirs = []directory{{path: dropInDir}}
	r := runSystemd(empty.with(name, content))
	values := map[string]string{}
	for _, c := range r.claims {
		values[c.key] = canonical(c.key, c.value)
		if r.wins[c.key] != nil {
			values[c.key] = r.kernel.value(c.key)
		}
	}
	return values
}

// maxPlayed bounds the search for obstacles, in claims of all boots that it plays.
// Each line found takes a boot without it.
const maxPlayed = 1 << 21

// obstacles is the search for what keeps a program from setting a key to the
// value that the drop-in at path own gives it.
type obstacles struct {
	program    Program
	key, value string
	own        string
	patience   int // claims that are still to be played
}

// all looks at each program and each key by itself.
func (o *obstacles) all(t *Tree, wanted map[string]string) []Conflict {
	var conflicts []Conflict
	for _, o.program = range []Program{Systemd, Procps, Tuned} {
		for _, o.key = range t.keys {
			var sets bool
			if o.value, sets = wanted[o.key]; sets {
				conflicts = append(conflicts, o.in(t)...)
			}
		}
	}
	return conflicts
}

// in takes one line after the other out of the tree until the key has the
// value, or nothing is left to take out.
func (o *obstacles) in(t *Tree) []Conflict {
	var found []Conflict
	for {
		if o.patience < 0 {
			why := "more lines are in its way than are looked for"
			return append(found, Conflict{Key: o.key, Program: o.program, Why: why})
		}
		played := t.play()
		o.patience -= played.cost()
		r := played.of(o.program)
		if won := r.wins[o.key]; won == nil && o.program == Tuned || won != nil && r.kernel.value(o.key) == o.value {
			return found // tuned may leave the key alone
		}
		lost := o.next(r)
		conflict := Conflict{Key: o.key, Program: o.program, Value: lost.value, Why: lost.why, Refused: lost.refused}
		if lost.by == nil {
			// A line is not to blame if the kernel refuses without it too.
			found = slices.DeleteFunc(found, func(c Conflict) bool { return lost.refused && c.Refused })
			return append(found, conflict)
		}
		conflict.Line, conflict.Value = *lost.by, ""
		if i := slices.IndexFunc(r.claims, func(c *claim) bool { return c.line.same(*lost.by) }); i >= 0 {
			conflict.Value = r.claims[i].value
		}
		found = append(found, conflict)
		t = t.without(conflict.Line)
	}
}

// next is the defeat of the drop-in's own line, by whatever it was.
func (o *obstacles) next(r *run) claim {
	for _, c := range slices.Backward(r.claims) {
		if c.key == o.key && c.line.File == o.own && c.why != "" {
			return *c
		}
	}
	switch winner := r.wins[o.key]; {
	case winner != nil && winner.line.File != o.own:
		return claim{by: &winner.line, why: "sets the key without regard to the drop-in"}
	case winner != nil && len(winner.value) >= r.tree.page:
		return claim{why: fmt.Sprintf("of a list longer than %d bytes it writes only the first part; "+
			"one with longer ranges fits", r.tree.page-1)}
	}
	return claim{why: "the value depends on what other lines set"}
}

// cost is about how long it took to play.
func (b boot) cost() int {
	cost := 0
	for _, p := range b.programs() {
		cost += len(p.claims) + p.patterns
		for _, dir := range p.tree.dirs {
			cost += len(dir.files)
		}
	}
	return cost
}

func (b boot) of(program Program) *run {
	for _, p := range b.programs() {
		if p.Program == program {
			return p.run
		}
	}
	return nil
}
