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
	for {
		more := t.conflicts(wanted, dropInDir+"/"+name)
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

// conflicts looks at each program and each key by itself.
func (t *Tree) conflicts(wanted map[string]string, own string) []Conflict {
	var conflicts []Conflict
	for _, program := range []Program{Systemd, Procps, Tuned} {
		for _, key := range t.keys {
			if value, sets := wanted[key]; sets {
				search := obstacles{program: program, key: key, value: value, own: own}
				conflicts = append(conflicts, search.in(t)...)
			}
		}
	}
	return conflicts
}

// alone is what the drop-in sets on a host without any other file, where the
// program writes values whole, as systemd does. A range that begins below 1024
// has no effect alone; what is written counts then.
func (t *Tree) alone(name string, content []byte) map[string]string {
	empty := &Tree{keys: t.keys, page: t.page, dirs: []directory{{path: dropInDir}}}
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

// obstacles is the search for what keeps a program from setting a key to the
// value that the drop-in at path own gives it.
type obstacles struct {
	program    Program
	key, value string
	own        string
}

// in takes one line after the other out of the tree until the key has the
// value, or nothing is left to take out.
func (o obstacles) in(t *Tree) []Conflict {
	var found []Conflict
	for {
		r := t.play().of(o.program)
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
func (o obstacles) next(r *run) claim {
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

func (b boot) of(program Program) *run {
	for _, p := range b.programs() {
		if p.Program == program {
			return p.run
		}
	}
	return nil
}
