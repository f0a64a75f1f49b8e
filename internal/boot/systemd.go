package boot

import (
	"slices"
	"strings"

	"portrange/internal/port"
)

// option is one entry of systemd-sysctl's table of settings.
type option struct {
	entry
	line Line
}

// options is that table, an ordered hashmap: a key keeps its place while the
// value stays the same, and moves to the end when another value comes.
type options struct {
	ordered []*option
	byKey   map[string]*option
}

// runSystemd plays systemd-sysctl: all files are read into the table first,
// then it is written in order. It does not read /etc/sysctl.conf.
func runSystemd(t *Tree) *run {
	r := newRun(t, newKernel(t.page), writeSystemd)
	table := &options{byKey: map[string]*option{}}
	files := t.selected(func(name string) bool { return strings.HasSuffix(name, suffix) && !isHidden(name) })
	for _, f := range append(files.read, t.credential) {
		r.parseSystemd(table, f)
	}
	r.applySystemd(table)
	for _, h := range files.hidden {
		by := Line{File: h.by.path, Target: h.by.target}
		r.unread(h.file, &by, hiddenBy(h.by), r.systemdKeys)
	}
	for _, f := range t.mistaken() {
		r.unread(f, nil, misnamed, r.systemdKeys)
	}
	if !slices.ContainsFunc(files.read, func(f file) bool { return f.target == t.conf.target }) {
		r.unread(t.conf, nil, "not read: systemd-sysctl does not know "+sysctlConf, r.systemdKeys)
	}
	return r
}

func (r *run) parseSystemd(table *options, f file) {
	rows, err := systemdRows(f.data)
	if err != nil {
		r.gaps = append(r.gaps, port.Gap{What: f.path, Why: err.Error()})
	}
	for _, row := range rows {
		if e, ok := systemdEntry(row.text); ok {
			r.put(table, &option{entry: e, line: Line{File: f.path, Line: row.line, Target: f.target}})
		}
	}
}

// put enters a line into the table. An exclusion takes the place of an
// assignment to the same key and so undoes it, although the manual page speaks
// of globs alone.
func (r *run) put(table *options, o *option) {
	before := table.byKey[o.key]
	if before == nil {
		table.add(o)
		return
	}
	if !before.exclude {
		why := "overridden by " + o.line.String()
		if o.exclude {
			why = excludedBy(o.line)
		}
		r.lose(r.systemdKeys(before.entry), before.line, before.value, &o.line, why)
	}
	if before.exclude == o.exclude && before.value == o.value {
		before.line = o.line
		return
	}
	table.remove(before)
	table.add(o)
}

func (t *options) add(o *option) {
	t.ordered = append(t.ordered, o)
	t.byKey[o.key] = o
}

func (t *options) remove(o *option) {
	t.ordered = slices.DeleteFunc(t.ordered, func(other *option) bool { return other == o })
	delete(t.byKey, o.key)
}

// applySystemd is apply_all. A key that any line names is out of reach for
// globs, wherever that line stands.
func (r *run) applySystemd(table *options) {
	for _, o := range table.ordered {
		if o.exclude {
			continue
		}
		if !isGlob(o.key) {
			r.setSystemd(o.key, o)
			continue
		}
		for _, found := range r.systemdGlob(o.key) {
			if named := table.byKey[found]; named != nil {
				r.lose(r.systemdKeys(entry{key: found}), o.line, o.value, &named.line, namedBy(named))
				continue
			}
			r.setSystemd(found, o)
		}
	}
}

func namedBy(o *option) string {
	if o.exclude {
		return excludedBy(o.line)
	}
	return yieldsTo(o.line)
}

func (r *run) setSystemd(path string, o *option) {
	if key := r.systemdKeyAt(path); key != "" {
		r.set(key, o.line, o.value)
	}
}

// systemdKeyAt is the key at a path, "" for none and for a path with "..",
// which sysctl_write refuses.
func (r *run) systemdKeyAt(path string) string {
	path = simplified(procSys + path)
	if i := slices.Index(r.tree.paths(), strings.TrimPrefix(path, procSys)); i >= 0 {
		return r.tree.keys[i]
	}
	return ""
}

// systemdGlob is glob_extend, which expands braces too.
func (r *run) systemdGlob(pattern string) []string {
	var found []string
	for _, alternative := range braces(pattern) {
		found = append(found, globKeys(alternative, r.tree.paths())...)
	}
	return found
}

// systemdKeys are the keys that an entry names.
func (r *run) systemdKeys(e entry) []string {
	found := []string{e.key}
	if isGlob(e.key) {
		found = r.systemdGlob(e.key)
	}
	var keys []string
	for _, path := range found {
		if key := r.systemdKeyAt(path); key != "" {
			keys = append(keys, key)
		}
	}
	return keys
}
