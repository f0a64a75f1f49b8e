package boot

import (
	"slices"
	"strings"
)

// lookup finds the settings that the keys of lines stand for, among those that a
// tree is about.
type lookup struct {
	keys  []string // written with dots
	paths []string // the same as paths below /proc/sys
	bases []string // the last components of the paths
	globs int      // bytes of all globs, what their braces expand to included
}

// target is a setting that a line is about.
type target struct {
	path string // as the line spells it, globs expanded
	key  string
}

func newLookup(keys []string) *lookup {
	l := &lookup{keys: slices.Clone(keys)}
	for _, key := range keys {
		path := swapped(key)
		l.paths = append(l.paths, path)
		l.bases = append(l.bases, path[strings.LastIndexByte(path, '/')+1:])
	}
	return l
}

// may reports whether a path can lead to one of the keys, by its last component.
// Most lines of most files end there.
func (l *lookup) may(path string) bool {
	return slices.Contains(l.bases, path[strings.LastIndexByte(path, '/')+1:])
}

// systemdAt is the key at a path, "" for none and for a path with "..", which
// sysctl_write refuses.
func (l *lookup) systemdAt(path string) string {
	if !l.may(path) {
		return ""
	}
	path = simplified(procSys + path)
	if i := slices.Index(l.paths, strings.TrimPrefix(path, procSys)); i >= 0 {
		return l.keys[i]
	}
	return ""
}

// at is the key that the kernel finds when it walks along a path below /proc/sys,
// "" for none of them.
func (l *lookup) at(path string) string {
	if !l.may(path) {
		return ""
	}
	for i, file := range l.paths {
		if _, ends := walk(path, file, func(component, name string) bool { return component == name }); ends {
			return l.keys[i]
		}
	}
	return ""
}

// maxGlobs bounds what globs cost, in bytes: a short one with braces can stand for
// more than fits any memory.
const maxGlobs = 256 << 10

// afford takes the bytes of a glob off what all may have together.
func (l *lookup) afford(n int) bool {
	l.globs += n
	return l.globs <= maxGlobs
}

// systemdTargets are the settings that a key of systemd-sysctl names, its globs
// expanded as by glob_extend, which knows braces too. ok is false for a glob that
// costs too much.
func (l *lookup) systemdTargets(key string) (targets []target, ok bool) {
	if !isGlob(key) {
		return l.named(key, l.systemdAt), true
	}
	ok = braces(key, l.afford, func(alternative string) {
		for _, path := range globKeys(alternative, l.paths) {
			targets = append(targets, l.named(path, l.systemdAt)...)
		}
	})
	return targets, ok
}

// procpsTargets is the same for sysctl, which does not expand braces.
func (l *lookup) procpsTargets(key string) (targets []target, ok bool) {
	if !isGlob(key) {
		return l.named(key, l.at), true
	}
	if !l.afford(len(key)) {
		return nil, false
	}
	for _, path := range globKeys(key, l.paths) {
		targets = append(targets, l.named(path, l.at)...)
	}
	return targets, true
}

// tunedTargets is the same for tuned, to which globs mean nothing.
func (l *lookup) tunedTargets(path string) ([]target, bool) { return l.named(path, l.at), true }

func (l *lookup) named(path string, at func(string) string) []target {
	if key := at(path); key != "" {
		return []target{{path: path, key: key}}
	}
	return nil
}
