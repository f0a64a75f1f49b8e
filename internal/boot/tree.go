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

// sysctlDirs are the directories of both programs, the strongest first. The
// last is a directory of its own only where /lib is not a link into /usr, and
// systemd reads it there only as Debian and others build it, up to version 255.
func sysctlDirs() []string {
	return []string{dropInDir, "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d"}
}

// credentialDirs are where systemd finds the credential sysctl.extra, which its
// unit loads and which is read after all files.
func credentialDirs() []string {
	return []string{"/run/credentials/@system", "/etc/credstore", "/run/credstore", "/usr/local/lib/credstore", "/usr/lib/credstore"}
}

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
	keys       []string
	page       int
	program    Program
	dirs       []directory
	conf       file
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
	defer r.close()
	t := &Tree{keys: slices.Clone(keys), page: unix.Getpagesize(), program: bootProgram(r)}
	for _, dir := range sysctlDirs() {
		t.dirs = append(t.dirs, t.readDir(r, dir))
	}
	t.conf = t.readFile(r, sysctlConf)
	for _, dir := range credentialDirs() {
		t.credential = t.readFile(r, path.Join(dir, "sysctl.extra"))
		if !errors.Is(t.credential.err, fs.ErrNotExist) {
			break
		}
	}
	loader := profileLoader{root: r}
	t.profile = loader.active()
	t.gaps = append(t.gaps, loader.gaps...)
	return t, nil
}

// bootProgram is the program that applies the directories here: systemd's
// where it is installed and its unit not masked, else procps's.
func bootProgram(r *root) Program {
	if r.link("/etc/systemd/system/systemd-sysctl.service") == "/dev/null" {
		return Procps
	}
	if r.exists("/usr/lib/systemd/systemd-sysctl") || r.exists("/lib/systemd/systemd-sysctl") {
		return Systemd
	}
	return Procps
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
// leave behind all keep .conf in their names and are no mistake.
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
	changed.dirs[0].files = append(others, file{path: path, target: path, data: content})
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
	changed.profile = t.profile.without(line)
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
		if leads(path, file) {
			return t.keys[i]
		}
	}
	return ""
}
