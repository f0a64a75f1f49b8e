package boot

import (
	"path"
	"slices"
	"strings"
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
}

// Conflicts tells what would keep a drop-in, were it written to /etc/sysctl.d
// under name, from setting the keys it assigns, for every program. A line that
// sets the same value is no conflict. All lines that stand in the way are
// found, also those that only would once others are gone: with all of them
// taken out, the drop-in decides.
func (t *Tree) Conflicts(name string, content []byte) []Conflict {
	wanted := t.alone(name, content)
	var conflicts []Conflict
	for _, program := range []Program{Systemd, Procps, Tuned} {
		for _, key := range t.keys {
			if value, sets := wanted[key]; sets {
				conflicts = append(conflicts, t.with(name, content).obstacles(program, key, value, dropInDir+"/"+name)...)
			}
		}
	}
	return conflicts
}

// alone is what the drop-in sets on a host without any other file. A range
// that begins below 1024 has no effect alone; what is written counts then.
func (t *Tree) alone(name string, content []byte) map[string]string {
	empty := &Tree{keys: t.keys, page: t.page, dirs: []directory{{path: dropInDir}}}
	r := runProcps(empty.with(name, content))
	values := map[string]string{}
	for _, c := range r.claims {
		values[c.key] = canonical(c.key, c.value)
		if r.wins[c.key] != nil {
			values[c.key] = r.kernel.value(c.key)
		}
	}
	return values
}

// obstacles takes one line after the other out of the tree until the key has
// the value.
func (t *Tree) obstacles(program Program, key, value, own string) []Conflict {
	var found []Conflict
	for {
		r := t.play().of(program)
		if r.settles(program, key, value) {
			return found
		}
		c := r.obstacle(key, own)
		c.Key, c.Program = key, program
		found = append(found, c)
		if c.File == "" || slices.ContainsFunc(found[:len(found)-1], func(o Conflict) bool { return o.same(c.Line) }) {
			return found
		}
		t = t.without(c.Line)
	}
}

func (b boot) of(program Program) *run {
	for _, p := range b.programs() {
		if p.Program == program {
			return p.run
		}
	}
	return nil
}

// settles reports whether the run leaves the wanted value. tuned may also
// leave the key alone.
func (r *run) settles(program Program, key, value string) bool {
	winner := r.wins[key]
	if winner == nil {
		return program == Tuned
	}
	return r.kernel.value(key) == value
}

// obstacle is the line in the way: the one that won, or else the one that
// defeated the drop-in's own.
func (r *run) obstacle(key, own string) Conflict {
	if winner := r.wins[key]; winner != nil && winner.line.File != own {
		return Conflict{Line: winner.line, Value: winner.value, Why: "comes later"}
	}
	for _, c := range slices.Backward(r.claims) {
		if c.key == key && c.line.File == own && c.why != "" {
			return c.blame(r.claims)
		}
	}
	return Conflict{Why: "the drop-in does not set the key with this program"}
}

func (c *claim) blame(claims []*claim) Conflict {
	if c.by == nil {
		return Conflict{Why: c.why}
	}
	conflict := Conflict{Line: *c.by, Why: c.why}
	for _, other := range claims {
		if other.line.same(*c.by) {
			conflict.Value = other.value
		}
	}
	return conflict
}

// maxZ bounds the search for a name. A file that sorts after so many z has a
// name beyond ASCII, which no sensible name beats.
const maxZ = 8

// WinningName returns a name for a drop-in in /etc/sysctl.d that sorts after
// every file with a line for one of the keys: 99-BASE.conf where that is
// enough, else one with as many z in front as it takes. No name comes after
// /etc/sysctl.conf with procps, which reads it last; [Tree.Conflicts] tells.
func (t *Tree) WinningName(base string) string {
	name := "99-" + base + suffix
	for z := 2; z <= maxZ && t.setsAfter(name); z++ {
		name = strings.Repeat("z", z) + "-" + base + suffix
	}
	return name
}

func (t *Tree) setsAfter(name string) bool {
	for _, dir := range t.dirs {
		for _, f := range dir.files {
			other := path.Base(f.path)
			if other > name && strings.HasSuffix(other, suffix) && t.speaks(f) {
				return true
			}
		}
	}
	return false
}

// speaks reports whether a file has a line for one of the keys.
func (t *Tree) speaks(f file) bool {
	r := newRun(t, newKernel(t.page), writeSystemd)
	for _, row := range procpsRows(f.data) {
		if e, ok := procpsEntry(row.text); ok && len(r.systemdKeys(entry{key: systemdKey(e.key)})) > 0 {
			return true
		}
	}
	return false
}
