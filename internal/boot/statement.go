package boot

import (
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

// maxStatements bounds how many settings the lines of all files are about, counted
// for each program that reads them.
const maxStatements = 1 << 16

// understand takes in what a file says.
func (t *Tree) understand(found rootfs.File) file {
	f := file{path: found.Path, target: found.Target, err: found.Err}
	data := string(found.Data)
	err := systemdRows(data, func(row row) {
		if e, ok := systemdEntry(row.text); ok {
			f.systemd = t.take(f.systemd, &f, row.line, e, t.lookup.systemdTargets)
		}
	})
	if err != nil {
		f.cut = err.Error()
	}
	procpsRows(data, func(row row) {
		if e, ok := procpsEntry(row.text); ok {
			f.procps = t.take(f.procps, &f, row.line, e, t.lookup.procpsTargets)
		}
		if e, ok := tunedEntry(row.text); ok {
			f.tuned = t.take(f.tuned, &f, row.line, e, t.lookup.tunedTargets)
		}
	})
	return f
}

// take adds a line to a list unless it is about none of the keys, as long as there
// is room.
func (t *Tree) take(list []statement, f *file, line int, e entry, find func(key string) ([]target, bool)) []statement {
	targets, cheap := find(e.key)
	s := statement{entry: e, line: line, targets: targets}
	switch {
	case !cheap:
		t.stop("globs", f.at(&s), "not expanded: with it, the patterns in keys come to over 1 MiB")
		return list
	case len(targets) == 0:
		return list
	case t.statements >= maxStatements:
		t.stop("statements", f.at(&s), "not read, nor are others: too many lines are about these settings")
		return list
	}
	t.statements += len(targets)
	s.shown = spaced(e.value)
	return append(list, s)
}

// stop notes the first line at which a bound is met.
func (t *Tree) stop(bound string, line Line, why string) {
	if t.stopped[bound] {
		return
	}
	if t.stopped == nil {
		t.stopped = map[string]bool{}
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
