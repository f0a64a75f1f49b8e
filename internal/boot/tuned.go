package boot

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"portrange/internal/host"
	"portrange/internal/port"
)

// runTuned plays tuned after the program that ran at boot, on the settings that
// one left. Its files are those of systemd with other rules: /run hides /etc,
// nothing below /usr is read, globs and a leading dash mean nothing.
func runTuned(t *Tree, after *kernel) *run {
	own := *after
	own.reserved, own.spare, own.other = after.reserved.Clone(), &port.Set{}, maps.Clone(after.other)
	r := newRun(t, &own, writeTuned)
	for _, u := range t.profile.units {
		for _, o := range u.pairs {
			key := t.at(strings.ReplaceAll(o.name, ".", "/"))
			if key == "" {
				continue
			}
			value, apply := r.modified(key, o.value)
			if !apply {
				why := "tuned keeps " + r.kernel.value(key) + ", which meets the condition"
				r.lose([]target{{key: key}}, o.line, spaced(o.value), nil, why)
				continue
			}
			r.set(key, o.line, value, spaced(value))
		}
		if t.profile.reapply && !r.reapply() {
			break
		}
	}
	return r
}

// modified takes the sign off a value that may only raise (>) or lower (<) the
// one that holds (_process_assignment_modifiers in tuned/plugins/base.py).
func (r *run) modified(key, value string) (string, bool) {
	if len(value) < 2 || value[0] != '>' && value[0] != '<' {
		return value, true
	}
	bound, err := strconv.Atoi(strings.TrimSpace(value[1:]))
	if err != nil {
		return value, true
	}
	if !r.kernel.known(key) {
		why := "tuned sets " + value + " depending on a value that is not known"
		r.gaps = append(r.gaps, host.Gap{Part: host.PartBootFiles, Object: key, Why: why})
		return value[1:], true
	}
	now, err := strconv.Atoi(r.kernel.value(key))
	if err != nil {
		return value, true
	}
	return value[1:], value[0] == '>' && bound > now || value[0] == '<' && bound < now
}

// reapply is _apply_system_sysctl of tuned/plugins/plugin_sysctl.py, once for each
// section of a profile. It is false where that comes to too much.
func (r *run) reapply() bool {
	if len(r.claims) > maxStatements {
		why := "not followed to the end: it applies the system's settings anew after each of too many sections"
		r.gaps = append(r.gaps, host.Gap{Part: host.PartBootFiles, Object: string(Tuned), Why: why})
		return false
	}
	stronger := slices.Clone(r.tree.dirs)
	stronger[0], stronger[1] = stronger[1], stronger[0]
	tree := *r.tree
	tree.dirs = stronger[:2]
	files := tree.selected(func(name string) bool { return strings.HasSuffix(name, suffix) })
	for _, f := range append(files.read, r.tree.conf) {
		for i := range f.tuned {
			s := &f.tuned[i]
			r.set(s.targets[0].key, f.at(s), s.value, s.shown)
		}
	}
	return true
}
