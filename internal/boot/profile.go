package boot

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"portrange/internal/host"
	"portrange/internal/rootfs"
)

const (
	tunedMain    = "/etc/tuned/tuned-main.conf"
	tunedActive  = "/etc/tuned/active_profile"
	tunedMode    = "/etc/tuned/profile_mode"
	tunedPost    = "/etc/tuned/post_loaded_profile"
	tunedUnit    = "tuned.service"
	sysctlPlugin = "sysctl"
)

// profile is what tuned sets at boot. The zero profile is a host where tuned
// does not run.
type profile struct {
	// units are the sections handled by the sysctl plugin, in the order tuned
	// applies them.
	units []unit
	// reapply is reapply_sysctl: after its own settings tuned applies those of
	// the system again.
	reapply bool
}

// unit is one section of the merged profile.
type unit struct {
	section
	plugin   string
	enabled  bool
	priority int
}

// profileLoader finds and merges the profiles that tuned would load
// (tuned/profiles/loader.py, locator.py, merger.py).
type profileLoader struct {
	root      *rootfs.Root
	dirs      []string // the strongest first
	loaded    []string // files, each taken once
	units     []unit
	variables map[string]string
	gaps      []host.Gap

	options int // sections, options and names of profiles in all files
	grown   int // bytes that stand for variables
}

// The bounds of what tuned's files say together: profiles have some dozens of
// options, and may include each other.
const (
	maxOptions  = 1 << 13
	maxExpanded = 1 << 20
)

// spend is an error once there are too many options.
func (l *profileLoader) spend(n int) error {
	if l.options += n; l.options > maxOptions {
		return fmt.Errorf("not read to the end: over %d sections, options and profiles", maxOptions)
	}
	return nil
}

// enabled reports whether systemd starts tuned: some target wants it.
func (l *profileLoader) enabled() bool {
	for _, dir := range []string{"/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"} {
		targets, err := l.root.Names(dir)
		if err != nil {
			l.gaps = append(l.gaps, host.Gap{Part: host.PartBootFiles, Object: dir, Why: err.Error()})
		}
		for _, target := range targets {
			unit := path.Join(dir, target, tunedUnit)
			if strings.HasSuffix(target, ".wants") && (l.root.Link(unit) != "" || l.root.Exists(unit)) {
				return l.root.Link("/etc/systemd/system/"+tunedUnit) != "/dev/null"
			}
		}
	}
	return false
}

// load is the profile of the next boot.
func (l *profileLoader) load() (profile, error) {
	main, err := l.parse(tunedMain, true)
	if err != nil {
		return profile{}, err
	}
	l.dirs = l.profileDirs(main[0])
	names, err := l.activeNames()
	if err != nil {
		return profile{}, err
	}
	if err := l.loadAll(names); err != nil {
		return profile{}, err
	}
	l.setVariables()
	p := profile{reapply: truth(main[0], "reapply_sysctl", true)}
	for _, u := range l.units {
		if u.plugin == sysctlPlugin && u.enabled {
			p.units = append(p.units, l.expanded(u))
		}
	}
	slices.SortStableFunc(p.units, func(a, b unit) int { return cmp.Compare(a.priority, b.priority) })
	return p, nil
}

// profileDirs are the directories of profiles. Newer versions have them one
// level deeper, look nowhere else, and let the directories be configured
// (CFG_DEF_PROFILE_DIRS in tuned/consts.py).
func (l *profileLoader) profileDirs(main *section) []string {
	if !l.root.Exists("/usr/lib/tuned/profiles") {
		return []string{"/etc/tuned", "/usr/lib/tuned"}
	}
	if list, set := main.get("profile_dirs"); set {
		dirs := listed(list)
		slices.Reverse(dirs)
		return dirs
	}
	return []string{"/etc/tuned/profiles", "/usr/lib/tuned/profiles"}
}

// activeNames are the profiles to load. In automatic mode tuned picks one by
// looking at the hardware, which is not to be foreseen from files.
func (l *profileLoader) activeNames() ([]string, error) {
	texts := map[string]string{}
	for _, path := range []string{tunedActive, tunedMode, tunedPost} {
		f := l.root.Read(path)
		if f.Err != nil && !errors.Is(f.Err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read %s: %w", path, f.Err)
		}
		texts[path] = strings.TrimSpace(string(f.Data))
	}
	mode := texts[tunedMode]
	if mode == "auto" || mode == "" && texts[tunedActive] == "" {
		return nil, errors.New("tuned picks its profile by itself at boot (automatic mode); " +
			"set one with tuned-adm profile NAME")
	}
	names := strings.Fields(texts[tunedActive] + " " + texts[tunedPost])
	if len(names) == 0 {
		return nil, nil
	}
	return slices.DeleteFunc(names, func(name string) bool { return !safeName.MatchString(name) }), nil
}

var safeName = regexp.MustCompile(`^[a-zA-Z0-9_.-]+$`)

// loadAll loads profiles, each after those it includes.
func (l *profileLoader) loadAll(names []string) error {
	if err := l.spend(len(names)); err != nil {
		return err
	}
	for _, name := range names {
		file, err := l.locate(name)
		if err != nil {
			return err
		}
		if file == "" {
			continue
		}
		l.loaded = append(l.loaded, file)
		sections, err := l.parse(file, false)
		if err != nil {
			return err
		}
		for _, s := range sections {
			list, includes := s.get("include")
			if s.name != "main" || !includes {
				continue
			}
			if strings.Contains(list, "${f:") {
				why := "tuned computes what it includes: " + shown(list)
				l.gaps = append(l.gaps, host.Gap{Part: host.PartBootFiles, Object: file, Why: why})
				continue
			}
			if err := l.loadAll(listed(list)); err != nil {
				return err
			}
		}
		l.merge(sections)
	}
	return nil
}

// locate finds a profile's file, "" for one to be skipped: loaded before, or
// marked with a dash and missing. A profile may include the one of its own
// name from a weaker directory.
func (l *profileLoader) locate(name string) (string, error) {
	name, optional := strings.CutPrefix(name, "-")
	skipped := optional
	for _, dir := range l.dirs {
		file := path.Join(dir, path.Base(name), "tuned.conf")
		if slices.Contains(l.loaded, file) {
			skipped = true
			continue
		}
		if l.root.Exists(file) {
			return file, nil
		}
	}
	if !skipped {
		return "", fmt.Errorf("find tuned profile %s in %s: no such profile", shown(name), strings.Join(l.dirs, " and "))
	}
	return "", nil
}

func (l *profileLoader) parse(path string, headless bool) ([]*section, error) {
	f := l.root.Read(path)
	if f.Err != nil {
		return nil, fmt.Errorf("read %s: %w", path, f.Err)
	}
	sections, err := parseINI(f, headless)
	if err != nil {
		return nil, err
	}
	for _, s := range sections {
		if err := l.spend(1 + len(s.pairs)); err != nil {
			return nil, err
		}
	}
	return sections, nil
}

// merge lays the sections of a profile over those loaded before.
func (l *profileLoader) merge(sections []*section) {
	for _, s := range sections {
		u := newUnit(s)
		if (u.plugin == sysctlPlugin) && (has(s, "cpuinfo_regex") || has(s, "uname_regex")) {
			why := "section " + shown(s.name) + " applies to some hardware only; taken to apply here"
			l.gaps = append(l.gaps, host.Gap{Part: host.PartBootFiles, Object: string(Tuned), Why: why})
		}
		i := slices.IndexFunc(l.units, func(known unit) bool { return known.name == s.name })
		switch {
		case s.name == "main":
		case i < 0:
			l.units = append(l.units, u)
		case truth(s, "replace", false):
			l.units[i] = u
		default:
			l.units[i].overlay(u, s)
		}
	}
}

func newUnit(s *section) unit {
	u := unit{section: section{name: s.name}, plugin: s.name, enabled: truth(s, "enabled", true)}
	if plugin, set := s.get("type"); set {
		u.plugin = plugin
	}
	priority, _ := s.get("priority")
	u.priority, _ = strconv.Atoi(priority)
	// What speaks to tuned and not to the plugin (tuned/profiles/unit.py).
	reserved := []string{"type", "enabled", "replace", "drop", "devices", "devices_udev_regex", "cpuinfo_regex",
		"uname_regex", "script_pre", "script_post", "priority"}
	for _, o := range s.pairs {
		if !slices.Contains(reserved, o.name) {
			u.put(o)
		}
	}
	return u
}

func (u *unit) overlay(newer unit, s *section) {
	u.plugin, u.enabled = newer.plugin, newer.enabled
	if has(s, "priority") {
		u.priority = newer.priority
	}
	drop, _ := s.get("drop")
	dropped := map[string]bool{}
	for _, name := range listed(drop) {
		dropped[name] = true
	}
	u.pairs = slices.DeleteFunc(slices.Clone(u.pairs), func(o pair) bool { return dropped[o.name] })
	for _, o := range newer.pairs {
		u.put(o)
	}
}

// setVariables takes in the section [variables] and the file it includes.
func (l *profileLoader) setVariables() {
	l.variables = map[string]string{}
	i := slices.IndexFunc(l.units, func(u unit) bool { return u.name == "variables" })
	if i < 0 {
		return
	}
	for _, o := range l.units[i].pairs {
		if o.name != "include" {
			l.variables[o.name] = l.expand(o.value)
			continue
		}
		sections, err := l.parse(path.Clean(o.value), true)
		if err != nil {
			l.gaps = append(l.gaps, host.Gap{Part: host.PartBootFiles, Object: string(Tuned), Why: err.Error()})
		}
		for _, s := range sections {
			for _, o := range s.pairs {
				l.variables[o.name] = l.expand(o.value)
			}
		}
	}
}

var variable = regexp.MustCompile(`\\?\$\{\w+\}`)

// expand replaces ${name}; a backslash before it keeps it as it is. Variables that
// hold each other double with every line.
func (l *profileLoader) expand(text string) string {
	return variable.ReplaceAllStringFunc(text, func(found string) string {
		if found[0] == '\\' {
			return found[1:]
		}
		value, known := l.variables[found[2:len(found)-1]]
		if !known || l.grown > maxExpanded {
			return found
		}
		if l.grown += len(value); l.grown > maxExpanded {
			why := fmt.Sprintf("variables not expanded any more: all together are over %d MiB", maxExpanded>>20)
			l.gaps = append(l.gaps, host.Gap{Part: host.PartBootFiles, Object: string(Tuned), Why: why})
			return found
		}
		return value
	})
}

// expanded is a unit with the values tuned writes. What tuned would compute
// with a function is left out, and reported.
func (l *profileLoader) expanded(u unit) unit {
	pairs := u.pairs
	u.pairs = nil
	for _, o := range pairs {
		if n := len(o.value); n > 1 && o.value[0] == '"' && o.value[n-1] == '"' {
			o.value = o.value[1 : n-1]
		}
		o.value = l.expand(o.value)
		if strings.Contains(o.value, "${f:") {
			why := "tuned computes the value of " + shown(o.name) + ": " + shown(o.value)
			l.gaps = append(l.gaps, host.Gap{Part: host.PartBootFiles, Object: o.line.String(), Why: why})
			continue
		}
		u.pairs = append(u.pairs, o)
	}
	return u
}

// listed splits a list at commas and semicolons.
func listed(list string) []string {
	items := strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ';' })
	for i := range items {
		items[i] = strings.TrimSpace(items[i])
	}
	return items
}

func has(s *section, name string) bool {
	_, set := s.get(name)
	return set
}

func truth(s *section, name string, otherwise bool) bool {
	value, set := s.get(name)
	if !set {
		return otherwise
	}
	return slices.Contains([]string{"1", "true", "yes", "on", "y", "t"}, strings.ToLower(value))
}
