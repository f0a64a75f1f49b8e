package boot

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"portrange/internal/host"
	"portrange/internal/rootfs"
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
	*lookup
	page    int
	program Program     // which of systemd and procps applies the directories here
	dirs    []directory // those of both programs, the strongest first
	conf    file
	// credential is sysctl.extra, which systemd's unit loads and which is read after all files.
	credential file
	profile    profile

	taken   map[Program]taken
	stopped map[string]bool // the bounds that were met
	gaps    []host.Gap
	unnamed int // how many gaps there are besides
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
	r, err := rootfs.Open(root)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	t := newTree(newLookup(keys), unix.Getpagesize())
	masked := r.Link("/etc/systemd/system/systemd-sysctl.service") == "/dev/null"
	if !masked && (r.Exists("/usr/lib/systemd/systemd-sysctl") || r.Exists("/lib/systemd/systemd-sysctl")) {
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
	for _, gap := range loader.gaps {
		t.gap(gap)
	}
	return t, nil
}

func newTree(keys *lookup, page int) *Tree {
	return &Tree{lookup: keys, page: page, program: Procps, taken: map[Program]taken{}, stopped: map[string]bool{}}
}

func (t *Tree) readDir(r *rootfs.Root, path string) directory {
	dir := directory{path: path}
	names, err := r.Names(path)
	if err != nil {
		t.gap(host.Gap{Part: host.PartBootFiles, Object: path, Why: err.Error()})
	}
	slices.Sort(names)
	for _, name := range names {
		dir.files = append(dir.files, t.readFile(r, path+"/"+name))
	}
	return dir
}

// readFile notes a gap, unless there is no such file, be it behind a link that
// leads nowhere, or a directory stands in its place.
func (t *Tree) readFile(r *rootfs.Root, path string) file {
	f := r.Read(path)
	if f.Err != nil && !errors.Is(f.Err, fs.ErrNotExist) && !errors.Is(f.Err, unix.EISDIR) {
		t.gap(host.Gap{Part: host.PartBootFiles, Object: path, Why: f.Err.Error()})
	}
	return t.understand(f)
}

// maxGaps is how many gaps are told one by one.
const maxGaps = 100

func (t *Tree) gap(gap host.Gap) {
	if len(t.gaps) == maxGaps {
		t.unnamed++
		return
	}
	t.gaps = append(t.gaps, gap)
}

// missing are the gaps of reading.
func (t *Tree) missing() []host.Gap {
	gaps := slices.Clone(t.gaps)
	if t.unnamed > 0 {
		gaps = append(gaps, host.Gap{
			Part: host.PartBootFiles, Object: fmt.Sprintf("%d more", t.unnamed), Why: "for reasons as above",
		})
	}
	return gaps
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
	changed.taken = map[Program]taken{} // there is room for it
	changed.dirs = slices.Clone(t.dirs)
	path := dropInDir + "/" + name
	others := slices.DeleteFunc(slices.Clone(t.dirs[0].files), func(f file) bool { return f.path == path })
	files := append(others, changed.understand(rootfs.File{Path: path, Target: path, Data: content}))
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
