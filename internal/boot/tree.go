package boot

import (
	"bytes"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"portrange/internal/host"
)

const (
	procSys    = "/proc/sys/"
	dropInDir  = "/etc/sysctl.d"
	sysctlConf = "/etc/sysctl.conf"
	suffix     = ".conf"
)

// Program is one of the programs that set values at boot.
type Program string

// The programs.
const (
	Systemd Program = "systemd" // systemd-sysctl
	Procps  Program = "procps"  // sysctl --system
	Tuned   Program = "tuned"
)

// Tree is what a file system says about settings, taken into memory.
type Tree struct {
	keys    []string
	page    int
	program Program     // which of systemd and procps applies the directories here
	dirs    []directory // those of both programs, the strongest first
	conf    file
	// credential is sysctl.extra, which systemd's unit loads and which is read after all files.
	credential file
	profile    profile
	gaps       []host.Gap
}

// directory is one sysctl.d directory with all its files, in byte order.
type directory struct {
	path  string
	files []file
}

// Read takes in what the file system below root says about keys, which are
// written with dots. Links resolve inside root, as after chroot(2). What cannot
// be read becomes a gap of the report; the error is for a root that cannot be
// opened.
func Read(root string, keys []string) (*Tree, error) {
	r, err := openRoot(root)
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(r.fd) }()
	t := &Tree{keys: slices.Clone(keys), page: unix.Getpagesize(), program: Procps}
	masked := r.link("/etc/systemd/system/systemd-sysctl.service") == "/dev/null"
	if !masked && (r.exists("/usr/lib/systemd/systemd-sysctl") || r.exists("/lib/systemd/systemd-sysctl")) {
		t.program = Systemd
	}
	// The last is a directory of its own only where /lib is not a link into /usr,
	// and systemd reads it there only as Debian and others build it, up to version 255.
	for _, dir := range []string{dropInDir, "/run/sysctl.d", "/usr/local/lib/sysctl.d",
		"/usr/lib/sysctl.d", "/lib/sysctl.d"} {
		t.dirs = append(t.dirs, t.readDir(r, dir))
	}
	t.conf = t.readFile(r, sysctlConf)
	for _, dir := range []string{"/run/credentials/@system", "/etc/credstore", "/run/credstore",
		"/usr/local/lib/credstore", "/usr/lib/credstore"} {
		t.credential = t.readFile(r, dir+"/sysctl.extra")
		if !errors.Is(t.credential.err, fs.ErrNotExist) {
			break
		}
	}
	loader := profileLoader{root: r}
	if loader.enabled() {
		if t.profile, err = loader.load(); err != nil { // then tuned sets nothing at all
			gap := host.Gap{Part: host.PartBootFiles, Object: string(Tuned), Why: err.Error()}
			loader.gaps = append(loader.gaps, gap)
		}
	}
	t.gaps = append(t.gaps, loader.gaps...)
	return t, nil
}

func (t *Tree) readDir(r *root, path string) directory {
	dir := directory{path: path}
	names, err := r.names(path)
	if err != nil {
		t.gaps = append(t.gaps, host.Gap{Part: host.PartBootFiles, Object: path, Why: err.Error()})
	}
	slices.Sort(names)
	for _, name := range names {
		dir.files = append(dir.files, t.readFile(r, path+"/"+name))
	}
	return dir
}

// readFile notes a gap, unless there is no such file, be it behind a link that
// leads nowhere, or a directory stands in its place.
func (t *Tree) readFile(r *root, path string) file {
	f := r.read(path)
	if f.err != nil && !errors.Is(f.err, fs.ErrNotExist) && !errors.Is(f.err, unix.EISDIR) {
		t.gaps = append(t.gaps, host.Gap{Part: host.PartBootFiles, Object: path, Why: f.err.Error()})
	}
	return f
}

// selection is what a program makes of the directories.
type selection struct {
	read   []file // in the order of reading
	hidden []hiding
}

// hiding is a file that is not read because one of its name stands in a
// stronger directory.
type hiding struct {
	file file
	by   file
}

// selected picks the files with a wanted name, each name from the strongest
// directory that has it, whatever it is there: a link that leads nowhere, a
// directory and an empty file hide as well as a file with settings.
func (t *Tree) selected(wanted func(name string) bool) selection {
	var s selection
	strongest := map[string]file{}
	for _, dir := range t.dirs {
		for _, f := range dir.files {
			name := path.Base(f.path)
			if !wanted(name) {
				continue
			}
			if first, known := strongest[name]; !known {
				strongest[name] = f
				s.read = append(s.read, f)
			} else if first.target != f.target {
				s.hidden = append(s.hidden, hiding{file: f, by: first})
			}
		}
	}
	slices.SortFunc(s.read, func(a, b file) int { return strings.Compare(path.Base(a.path), path.Base(b.path)) })
	return s
}

// mistaken are the files that no program reads because of their names, though
// whoever wrote them may think so. Copies that package managers and editors
// leave behind are no mistake: their names keep .conf, begin with a dot or end in ~.
func (t *Tree) mistaken() []file {
	var files []file
	for _, dir := range t.dirs {
		for _, f := range dir.files {
			name := path.Base(f.path)
			if !strings.Contains(name, suffix) && !strings.HasPrefix(name, ".") && !strings.HasSuffix(name, "~") {
				files = append(files, f)
			}
		}
	}
	return files
}

// with is a copy of the tree that has one more drop-in in /etc/sysctl.d.
func (t *Tree) with(name string, content []byte) *Tree {
	changed := *t
	changed.dirs = slices.Clone(t.dirs)
	path := dropInDir + "/" + name
	others := slices.DeleteFunc(slices.Clone(t.dirs[0].files), func(f file) bool { return f.path == path })
	files := append(others, file{path: path, target: path, data: content})
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.path, b.path) })
	changed.dirs[0].files = files
	return &changed
}

// without is a copy of the tree in which one line is gone, whatever links lead
// to it.
func (t *Tree) without(line Line) *Tree {
	changed := *t
	changed.dirs = slices.Clone(t.dirs)
	for i := range changed.dirs {
		files := slices.Clone(changed.dirs[i].files)
		for j := range files {
			files[j] = files[j].without(line)
		}
		changed.dirs[i].files = files
	}
	changed.conf = t.conf.without(line)
	changed.credential = t.credential.without(line)
	changed.profile.units = slices.Clone(t.profile.units)
	for i := range changed.profile.units {
		u := &changed.profile.units[i]
		u.pairs = slices.DeleteFunc(slices.Clone(u.pairs), func(o pair) bool { return o.line.same(line) })
	}
	return &changed
}

func (f file) without(line Line) file {
	if f.target != line.Target {
		return f
	}
	lines := bytes.SplitAfter(f.data, []byte("\n"))
	if line.Line <= len(lines) {
		gone := lines[line.Line-1]
		lines[line.Line-1] = gone[len(bytes.TrimSuffix(gone, []byte("\n"))):]
	}
	f.data = bytes.Join(lines, nil)
	return f
}

// paths are the keys as paths below /proc/sys.
func (t *Tree) paths() []string {
	paths := make([]string, len(t.keys))
	for i, key := range t.keys {
		paths[i] = swapped(key)
	}
	return paths
}

// keyAt is the key that the kernel finds when it walks along a path below
// /proc/sys, "" for none of them.
func (t *Tree) keyAt(path string) string {
	for i, file := range t.paths() {
		if _, ends := walk(path, file, func(component, name string) bool { return component == name }); ends {
			return t.keys[i]
		}
	}
	return ""
}
