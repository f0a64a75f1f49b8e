package boot

import (
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"portrange/internal/host"
)

// runProcps plays "sysctl --system": all files are read into a list first, then
// every assignment of the list is written, one after the other.
func runProcps(t *Tree) *run {
	r := newRun(t, newKernel(t.page), writeProcps)
	files := t.selected(func(name string) bool { return strings.HasSuffix(name, suffix) })
	var list []option
	for _, f := range files.read {
		for _, loaded := range r.preloaded(f) {
			list = append(list, procpsOptions(&loaded)...)
		}
	}
	if t.conf.err == nil { // stat says that it is a regular file
		list = append(list, procpsOptions(&t.conf)...)
	}
	r.applyProcps(list)
	for _, h := range files.hidden {
		by := Line{File: h.by.path, Target: h.by.target}
		r.unread(&h.file, h.file.procps, &by, hiddenBy(h.by))
	}
	for _, f := range t.mistaken() {
		r.unread(&f, f.procps, nil, misnamed)
	}
	return r
}

// preloaded are the files that Preload opens for one name. It hands the path to
// glob(3), so that a file whose own name is a pattern stands for the files of
// its directory that match, and for itself only if none does. The first one
// that cannot be opened ends it.
func (r *run) preloaded(f file) []file {
	dir, name := path.Split(f.path)
	if !strings.ContainsAny(name, `*?[{\`) {
		return []file{f}
	}
	at := slices.IndexFunc(r.tree.dirs, func(d directory) bool { return d.path == path.Clean(dir) })
	siblings := r.tree.dirs[at].files
	var found []file
	afford := func(bytes int) bool {
		r.patterns += bytes * (1 + len(siblings))
		return r.patterns <= maxGlobs
	}
	cheap := braces(name, afford, func(pattern string) {
		for _, sibling := range siblings {
			if matches(pattern, path.Base(sibling.path)) {
				found = append(found, sibling)
			}
		}
	})
	if !cheap {
		why := "taken by its name alone: as the pattern that its name is to sysctl, it stands for too much"
		r.gaps = append(r.gaps, host.Gap{Part: host.PartBootFiles, Object: f.path, Why: why})
	}
	if found == nil || !cheap {
		found = []file{f}
	}
	opens := func(f file) bool { return f.err == nil || f.err == unix.EISDIR }
	if i := slices.IndexFunc(found, func(f file) bool { return !opens(f) }); i >= 0 {
		found = found[:i]
	}
	return found
}

func procpsOptions(f *file) []option {
	list := make([]option, len(f.procps))
	for i := range f.procps {
		list[i] = option{statement: &f.procps[i], at: f.at(&f.procps[i])}
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
		glob := isGlob(o.key)
		for i, found := range o.targets {
			if by := named[found.path]; glob && by != nil {
				r.lose(o.targets[i:i+1], o.at, o.shown, &by.at, namedBy(by))
				continue
			}
			r.set(found.key, o.at, o.value, o.shown)
		}
	}
}
