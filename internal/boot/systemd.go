package boot

import (
	"slices"
	"strings"

	"portrange/internal/host"
)

// option is one entry of systemd-sysctl's table of settings.
type option struct {
	*statement
	at Line
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
		if f.cut != "" {
			r.gaps = append(r.gaps, host.Gap{Part: host.PartBootFiles, Object: f.path, Why: f.cut})
		}
		for i := range f.systemd {
			at := f.at(&f.systemd[i])
			r.put(table, &option{statement: &f.systemd[i], at: at, place: at})
		}
	}
	r.applySystemd(table)
	for _, h := range files.hidden {
		by := Line{File: h.by.path, Target: h.by.target}
		r.unread(&h.file, h.file.systemd, &by, hiddenBy(h.by))
	}
	for _, f := range t.mistaken() {
		r.unread(&f, f.systemd, nil, misnamed)
	}
	if !slices.ContainsFunc(files.read, func(f file) bool { return f.target == t.conf.target }) {
		r.unread(&t.conf, t.conf.systemd, nil, "not read: systemd-sysctl does not know "+sysctlConf)
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
		why := overriddenBy(o.at)
		if o.exclude {
			why = excludedBy(o.at)
		}
		r.lose(before.targets, before.at, before.shown, &o.at, why)
	}
	if before.exclude == o.exclude && before.value == o.value {
		before.at = o.at
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
		glob := isGlob(o.key)
		for i, found := range o.targets {
			if named := table.byKey[found.path]; glob && named != nil {
				r.lose(o.targets[i:i+1], o.at, o.shown, &named.at, namedBy(named))
				continue
			}
			r.setSystemd(found.key, o)
		}
	}
}

// namedBy is why a glob leaves a key alone that o names.
func namedBy(o *option) string {
	if o.exclude {
		return excludedBy(o.at)
	}
	return "a glob gives way to " + o.at.String() + ", which names the key"
}

func (r *run) setSystemd(key string, o *option) {
	if c := r.set(key, o.at, o.value, o.shown); c.refused && !o.place.same(o.at) {
		c.by = &o.place
		c.why += "; systemd-sysctl writes the value in the place of " + o.place.String() + ", which says the same"
	}
}
