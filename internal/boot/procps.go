package boot

import (
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// runProcps plays "sysctl --system": all files are read into a list first, then
// every assignment of the list is written, one after the other.
func runProcps(t *Tree) *run {
	r := newRun(t, newKernel(t.page), writeProcps)
	files := t.selected(func(name string) bool { return strings.HasSuffix(name, suffix) })
	var list []option
	for _, f := range files.read {
		for _, loaded := range t.preloaded(f) {
			list = append(list, procpsOptions(loaded)...)
		}
	}
	if t.conf.err == nil { // stat says that it is a regular file
		list = append(list, procpsOptions(t.conf)...)
	}
	r.applyProcps(list)
	for _, h := range files.hidden {
		by := Line{File: h.by.path, Target: h.by.target}
		r.unread(h.file, &by, hiddenBy(h.by), r.procpsKeys)
	}
	for _, f := range t.mistaken() {
		r.unread(f, nil, misnamed, r.procpsKeys)
	}
	return r
}

// preloaded are the files that Preload opens for one name. It hands the path to
// glob(3), so that a file whose own name is a pattern stands for the files of
// its directory that match, and for itself only if none does. The first one
// that cannot be opened ends it.
func (t *Tree) preloaded(f file) []file {
	dir, name := path.Split(f.path)
	if !strings.ContainsAny(name, `*?[{\`) {
		return []file{f}
	}
	at := slices.IndexFunc(t.dirs, func(d directory) bool { return d.path == path.Clean(dir) })
	var found []file
	for _, pattern := range braces(name) {
		for _, sibling := range t.dirs[at].files {
			if matches(pattern, path.Base(sibling.path)) {
				found = append(found, sibling)
			}
		}
	}
	if found == nil {
		found = []file{f}
	}
	opens := func(f file) bool { return f.err == nil || f.err == unix.EISDIR }
	if i := slices.IndexFunc(found, func(f file) bool { return !opens(f) }); i >= 0 {
		found = found[:i]
	}
	return found
}

func procpsOptions(f file) []option {
	var list []option
	for _, row := range procpsRows(f.data) {
		if e, ok := procpsEntry(row.text); ok {
			list = append(list, option{entry: e, line: Line{File: f.path, Line: row.line, Target: f.target}})
		}
	}
	return list
}

// applyProcps is write_setting_list. An exclusion keeps globs off a key and
// does nothing to assignments that name it; one that is a glob itself excludes
// nothing, as only equal paths are compared.
func (r *run) applyProcps(list []option) {
	named := map[string]*option{}
	for i, o := range list {
		if named[o.key] == nil {
			named[o.key] = &list[i]
		}
	}
	for _, o := range list {
		if o.exclude {
			continue
		}
		if !isGlob(o.key) {
			r.setProcps(o.key, o)
			continue
		}
		for _, found := range globKeys(o.key, r.tree.paths()) {
			if by := named[found]; by != nil {
				r.lose(r.procpsKeys(entry{key: found}), o.line, o.value, &by.line, namedBy(by))
				continue
			}
			r.setProcps(found, o)
		}
	}
}

func (r *run) setProcps(path string, o option) {
	if key := r.tree.keyAt(path); key != "" {
		r.set(key, o.line, o.value)
	}
}

// procpsKeys are the keys that an entry names.
func (r *run) procpsKeys(e entry) []string {
	found := []string{e.key}
	if isGlob(e.key) {
		found = globKeys(e.key, r.tree.paths())
	}
	var keys []string
	for _, path := range found {
		if key := r.tree.keyAt(path); key != "" {
			keys = append(keys, key)
		}
	}
	return keys
}
