package boot

import (
	"fmt"
	"slices"
	"strings"

	"portrange/internal/host"
	"portrange/internal/rootfs"
)

// file is a file of settings: what it says, as each program reads it, about the
// keys of its tree. Everything else in it is forgotten.
type file struct {
	path   string // as the programs name it
	target string // the path without links; equal to path where there are none
	err    error  // why it could not be read, nil for a file that was read

	systemd, procps, tuned []statement
	// cut is why systemd-sysctl does not read the file to its end, "" if it does.
	cut string
}

// statement is a line that is about some of the keys.
type statement struct {
	entry
	line    int
	shown   string // the value with single spaces
	targets []target
}

func (f *file) at(s *statement) Line { return Line{File: f.path, Line: s.line, Target: f.target} }

// without is the file without one of its lines.
func (f file) without(line Line) file {
	if f.target != line.Target {
		return f
	}
	gone := func(s statement) bool { return s.line == line.Line }
	f.systemd = slices.DeleteFunc(slices.Clone(f.systemd), gone)
	f.procps = slices.DeleteFunc(slices.Clone(f.procps), gone)
	f.tuned = slices.DeleteFunc(slices.Clone(f.tuned), gone)
	return f
}

// The bounds of what is taken in of all files, for each program that reads them.
const (
	maxStatements = 20_000  // settings that lines are about
	maxValues     = 4 << 20 // bytes of their values
)

// taken is how much that is so far.
type taken struct{ statements, values int }

// understand takes in what a file says.
func (t *Tree) understand(found rootfs.File) file {
	f := file{path: found.Path, target: found.Target, err: found.Err}
	data := string(found.Data)
	err := systemdRows(data, func(row row) {
		if e, ok := systemdEntry(row.text); ok {
			f.systemd = t.take(Systemd, f.systemd, &f, row.line, e, t.lookup.systemdTargets)
		}
	})
	if err != nil {
		f.cut = err.Error()
	}
	procpsRows(data, func(row row) {
		if e, ok := procpsEntry(row.text); ok {
			f.procps = t.take(Procps, f.procps, &f, row.line, e, t.lookup.procpsTargets)
		}
		if e, ok := tunedEntry(row.text); ok {
			f.tuned = t.take(Tuned, f.tuned, &f, row.line, e, t.lookup.tunedTargets)
		}
	})
	return f
}

// take adds a line to the list of a program unless it is about none of the keys, as
// long as there is room.
func (t *Tree) take(
	p Program, list []statement, f *file, line int, e entry, find func(key string) ([]target, bool),
) []statement {
	targets, cheap := find(e.key)
	s := statement{entry: e, line: line, targets: targets}
	n := t.taken[p]
	n.statements, n.values = n.statements+len(targets), n.values+len(targets)*len(e.value)
	switch {
	case !cheap:
		t.stop("globs", f.at(&s), fmt.Sprintf("not expanded: with it, the patterns in keys come to over %d KiB", maxGlobs>>10))
		return list
	case len(targets) == 0:
		return list
	case n.statements > maxStatements || n.values > maxValues:
		t.stop("lines", f.at(&s), fmt.Sprintf("not read, and what follows neither: with it, lines for these settings "+
			"are over %d or have over %d MiB of values", maxStatements, maxValues>>20))
		return list
	}
	t.taken[p] = n
	s.shown = spaced(e.value)
	return append(list, s)
}

// stop notes the first line at which a bound is met.
func (t *Tree) stop(bound string, line Line, why string) {
	if t.stopped[bound] {
		return
	}
	t.stopped[bound] = true
	t.gap(host.Gap{Part: host.PartBootFiles, Object: line.String(), Why: why})
}

// tunedEntry is how tuned splits a line of the system's files
// (_apply_sysctl_config_line in tuned/plugins/plugin_sysctl.py).
func tunedEntry(text string) (entry, bool) {
	text = strings.TrimSpace(text)
	if text == "" || strings.ContainsAny(text[:1], "#;") {
		return entry{}, false
	}
	name, value, assigns := strings.Cut(text, "=")
	return entry{key: strings.ReplaceAll(strings.TrimSpace(name), ".", "/"), value: strings.TrimSpace(value)}, assigns
}
