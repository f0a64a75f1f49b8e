package boot

import (
	"fmt"

	"portrange/internal/host"
)

// Line is a place in a file.
type Line struct {
	File string `json:"file" doc:"the file, as the program names it"`
	Line int    `json:"line" doc:"the line, counted from 1"`
	// Target is the file itself where File is a link or lies behind one.
	Target string `json:"target" doc:"the file itself where its name is a link"`
}

// String is the form that editors and compilers understand.
func (l Line) String() string { return fmt.Sprintf("%s:%d", l.File, l.Line) }

func (l Line) same(other Line) bool { return l.Target == other.Target && l.Line == other.Line }

// claim is one line's wish for the value of one key, and what became of it.
type claim struct {
	key   string
	line  Line
	value string // as written
	// why the claim came to nothing, "" while it holds.
	why string
	// by is the line that defeated it, where one did.
	by *Line
	// refused tells that it was the kernel who defeated it; by is then the
	// line of another key that made it so.
	refused bool
}

// run plays one program through.
type run struct {
	tree   *Tree
	kernel *kernel
	write  writer
	claims []*claim
	wins   map[string]*claim
	gaps   []host.Gap
	// patterns are the bytes of names of files that were matched as patterns.
	patterns int
}

func newRun(t *Tree, k *kernel, write writer) *run {
	return &run{tree: t, kernel: k, write: write, wins: map[string]*claim{}}
}

// set writes a value as the program would; shown is how people see it. A value that the kernel took takes
// the key from whoever had it; one that it refused leaves everything as it was.
func (r *run) set(key string, line Line, value, shown string) *claim {
	c := &claim{key: key, line: line, value: shown}
	r.claims = append(r.claims, c)
	took, err := r.write(r.kernel, key, value)
	if !took {
		c.refused, c.why = true, err.Error()
		if other, ok := err.(*encroaches); ok {
			if culprit := r.wins[other.key]; culprit != nil {
				c.by = &culprit.line
				c.why += ", set by " + culprit.line.String()
			}
		}
		return c
	}
	if before := r.wins[key]; before != nil {
		before.by, before.why = &line, overriddenBy(line)
	}
	r.wins[key] = c
	return c
}

// lose notes a line that never comes to a write.
func (r *run) lose(targets []target, line Line, shown string, by *Line, why string) {
	for _, target := range targets {
		r.claims = append(r.claims, &claim{key: target.key, line: line, value: shown, by: by, why: why})
	}
}

// decision is what the program sets the key to, nil if it leaves it alone.
func (r *run) decision(key string) *Decision {
	winner := r.wins[key]
	if winner == nil {
		return nil
	}
	return &Decision{Value: r.kernel.value(key), Line: winner.line}
}

// unread notes the lines of a file that the program does not read.
func (r *run) unread(f *file, statements []statement, by *Line, why string) {
	for i := range statements {
		if s := &statements[i]; !s.exclude {
			r.lose(s.targets, f.at(s), s.shown, by, why)
		}
	}
}

func hiddenBy(by file) string {
	return fmt.Sprintf("hidden by %s, which has the same name in a stronger directory", by.path)
}

func overriddenBy(line Line) string { return "overridden by " + line.String() }

func excludedBy(line Line) string { return "taken back by the exclusion at " + line.String() }

const misnamed = "not read: the name of the file does not end in " + suffix
