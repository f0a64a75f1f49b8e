package boot

import (
	"slices"
	"strings"

	"portrange/internal/host"
)

// option is one entry of systemd-sysctl's table of settings.
type option struct {
	entry
	line Line
	// place is the first line in a row with the same value, which lends the
	// entry its place in the table.
	place   Line
	removed bool
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
	files := t.selected(func(name string) bool {
		return strings.HasSuffix(name, suffix) && !strings.HasPrefix(name, ".")
	})
	for _, f := range append(files.read, t.credential) {
		rows, err := systemdRows(f.data)
		if err != nil {
			r.gaps = append(r.gaps, host.Gap{Part: host.PartBootFiles, Object: f.path, Why: err.Error()})
		}
		for _, row := range rows {
			if e, ok := systemdEntry(row.text); ok {
				line := Line{File: f.path, Line: row.line, Target: f.target}
				r.put(table, &option{entry: e, line: line, place: line})
			}
		}
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
		why := overriddenBy(o.line)
		if o.exclude {
			why = excludedBy(o.line)
		}
		r.lose(r.systemdKeys(before.entry), before.line, before.value, &o.line, why)
	}
	if before.exclude == o.exclude && before.value == o.value {
		before.line = o.line
		return
	}
	before.removed = true
	table.add(o)
}

func (t *options) add(o *option) {
	t.ordered = append(t.ordered, o)
	t.byKey[o.key] = o
}

// applySystemd is apply_all. A key that any line names is out of reach for
// globs, wherever that line stands.
func (r *run) applySystemd(table *options) {
	for _, o := range table.ordered {
		if o.exclude || o.removed {
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

// namedBy is why a glob leaves a key alone that o names.
func namedBy(o *option) string {
	if o.exclude {
		return excludedBy(o.line)
	}
	return "a glob gives way to " + o.line.String() + ", which names the key"
}

func (r *run) setSystemd(path string, o *option) {
	key := r.systemdKeyAt(path)
	if key == "" {
		return
	}
	if c := r.set(key, o.line, o.value); c.refused && !o.place.same(o.line) {
		c.by = &o.place
		c.why += "; systemd-sysctl writes the value in the place of " + o.place.String() + ", which says the same"
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
