package netns

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"portrange/internal/host"
	"portrange/internal/port"
)

// The directories of bind mounts, by root: ip-netns(8) and container network
// plugins use the first, Docker the second.
const (
	namedDir  = "run/netns"
	dockerDir = "var/run/docker/netns"
)

// dockerPrefix marks the names of Docker's directory.
const dockerPrefix = "docker/"

// finder looks at one file system tree.
type finder struct {
	root string
	// inode tells which namespace a file is.
	inode func(path string) (uint64, error)
	// link tells it from one of the links in /proc/PID/ns.
	link func(path string) (uint64, error)
}

func newFinder() finder { return finder{root: "/", inode: nsfsInode, link: linkInode} }

func (f finder) path(elem ...string) string {
	return filepath.Join(append([]string{f.root}, elem...)...)
}

func (f finder) proc(pid int, elem ...string) string {
	return f.path(append([]string{"proc", strconv.Itoa(pid)}, elem...)...)
}

// nsfsInode is the inode number of a file that must be a namespace.
func nsfsInode(path string) (uint64, error) {
	var fsStat unix.Statfs_t
	if err := unix.Statfs(path, &fsStat); err != nil {
		return 0, &fs.PathError{Op: "statfs", Path: path, Err: err}
	}
	if fsStat.Type != unix.NSFS_MAGIC {
		return 0, fmt.Errorf("%s is not a namespace", path)
	}
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil {
		return 0, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	return stat.Ino, nil
}

// linkInode reads the namespace from a link of the form "net:[4026531840]".
func linkInode(path string) (uint64, error) {
	target, err := os.Readlink(path)
	if err != nil {
		return 0, err
	}
	digits, ok := strings.CutPrefix(strings.TrimSuffix(target, "]"), "net:[")
	if !ok {
		return 0, fmt.Errorf("read %s: %q is not a network namespace", path, target)
	}
	id, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read %s: %q is not a network namespace", path, target)
	}
	return id, nil
}

// sameMark reports whether two processes share a namespace.
func (f finder) sameMark(a, b string) (bool, error) {
	markA, errA := f.mark(a)
	markB, errB := f.mark(b)
	return markA == markB, errors.Join(errA, errB)
}

// mark identifies the namespace of a process without the right to look at
// /proc/PID/ns: each namespace has inodes of its own under /proc/PID/net, which
// anybody may read (fs/proc/proc_net.c). Equal marks mean equal namespaces.
func (f finder) mark(process string) (uint64, error) {
	var stat unix.Stat_t
	if err := unix.Stat(f.path("proc", process, "net", "dev"), &stat); err != nil {
		return 0, err
	}
	return stat.Ino, nil
}

// survey is one search.
type survey struct {
	finder
	procs  procfs.FS
	found  map[uint64]*candidate
	hidden []int // processes whose namespace may not be read
	host   uint64
	gaps   []host.Gap
}

// candidate is what is known of a namespace so far.
type candidate struct {
	Namespace
	mounted bool   // Path is a bind mount, which outlives processes
	started uint64 // when PID started
}

func (f finder) newSurvey() (*survey, error) {
	procs, err := procfs.NewFS(f.path("proc"))
	if err != nil {
		return nil, fmt.Errorf("look for network namespaces: %w; is /proc mounted?", err)
	}
	return &survey{finder: f, procs: procs, found: map[uint64]*candidate{}}, nil
}

func (f finder) find(ctx context.Context) ([]Namespace, []host.Gap) {
	s, err := f.newSurvey()
	if err != nil {
		return nil, []host.Gap{{Part: "network namespaces", Why: err.Error()}}
	}
	if _, err := s.addOwn(); err != nil {
		s.gap("own network namespace", err)
	}
	s.addMounts()
	s.addProcesses(ctx)
	s.reportHidden()
	return s.list(), s.gaps
}

// current is cheaper than find as long as the namespace has a name.
func (f finder) current() (Namespace, error) {
	s, err := f.newSurvey()
	if err != nil {
		return Namespace{}, err
	}
	own, err := s.addOwn()
	if err != nil {
		return Namespace{}, fmt.Errorf("find own network namespace: %w", err)
	}
	s.addMounts()
	if own.ID != s.host && own.Name == "" {
		s.addProcesses(context.Background())
	}
	s.name(own)
	return own.Namespace, nil
}

func (f finder) hostOnly() (Namespace, error) {
	s, err := f.newSurvey()
	if err != nil {
		return Namespace{}, err
	}
	path := s.proc(1, "ns", "net")
	if s.host, err = s.link(path); err != nil {
		return Namespace{}, fmt.Errorf("find network namespace of process 1: %w", err)
	}
	c := s.at(s.host)
	c.Path = path
	s.name(c)
	return c.Namespace, nil
}

func (s *survey) gap(what string, err error) {
	s.gaps = append(s.gaps, host.Gap{Part: host.PartNamespaces, Object: what, Why: err.Error()})
}

func (s *survey) at(id uint64) *candidate {
	c, known := s.found[id]
	if !known {
		c = &candidate{Namespace: Namespace{ID: id}}
		s.found[id] = c
	}
	return c
}

// addOwn adds the namespace of the calling thread, which may have no name and
// be no process's, only this thread's.
func (s *survey) addOwn() (*candidate, error) {
	thread, err := os.Readlink(s.path("proc/thread-self"))
	if err != nil {
		return nil, err
	}
	path := s.path("proc", thread, "ns/net")
	id, err := s.link(path)
	if err != nil {
		return nil, err
	}
	own := s.at(id)
	own.Path = path
	process, _, _ := strings.Cut(thread, "/")
	path = s.path("proc", process, "ns/net")
	if at, err := s.link(path); err == nil && at == id {
		own.Path = path // threads of this program come and go
	}
	return own, nil
}

// addMounts also settles which namespace is the host's, for which names count.
func (s *survey) addMounts() {
	s.addMountsIn(namedDir, "")
	s.addMountsIn(dockerDir, dockerPrefix)
	s.host = s.findHost()
}

func (s *survey) addMountsIn(dir, prefix string) {
	entries, err := os.ReadDir(s.path(dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.gap("network namespaces", err)
	}
	for _, entry := range entries {
		path := s.path(dir, entry.Name())
		id, err := s.inode(path)
		if err != nil {
			s.gap("network namespace "+prefix+entry.Name(), err)
			continue
		}
		c := s.at(id)
		if !c.mounted {
			c.Path, c.Name, c.mounted = path, prefix+entry.Name(), true
		}
	}
}

// findHost is the namespace of process 1, at which not even every root may
// look. Then it is the caller's if that is the same; and where nothing tells,
// it is the caller's unless that has a name.
func (s *survey) findHost() uint64 {
	if id, err := s.link(s.proc(1, "ns", "net")); err == nil {
		return id
	}
	own, err := s.link(s.path("proc/thread-self/ns/net"))
	if err != nil {
		return 0
	}
	same, err := s.sameMark("1", "thread-self")
	if err != nil {
		same = s.at(own).Name == ""
	}
	if !same {
		return 0
	}
	return own
}

func (s *survey) addProcesses(ctx context.Context) {
	procs, err := s.procs.AllProcs()
	if err != nil {
		s.gap("network namespaces of processes", err)
		return
	}
	sort.Sort(procs)
	for _, proc := range procs {
		if err := ctx.Err(); err != nil {
			s.gap("network namespaces of processes", err)
			return
		}
		s.addProcess(proc)
	}
	if s.host != 0 {
		return
	}
	for id, c := range s.found { // findHost with the help of other processes
		if same, err := s.sameMark("1", strconv.Itoa(c.PID)); err == nil && same {
			s.host = id
			return
		}
	}
}

// addProcess passes over a process that ended meanwhile, and over a zombie,
// which has left its namespace.
func (s *survey) addProcess(proc procfs.Proc) {
	path := s.proc(proc.PID, "ns", "net")
	id, err := s.link(path)
	if errors.Is(err, fs.ErrPermission) {
		s.hidden = append(s.hidden, proc.PID)
	}
	if err != nil {
		return
	}
	c := s.at(id)
	if id == s.host && c.PID != 0 {
		return // most processes are the host's: do not read them all
	}
	stat, err := proc.Stat()
	if err != nil || c.PID != 0 && stat.Starttime >= c.started {
		return
	}
	c.PID, c.Command, c.started = proc.PID, stat.Comm, stat.Starttime
	if !c.mounted {
		c.Path = path
	}
}

// reportHidden turns processes that may not be looked at into a gap, except
// those that live in a namespace that was found through others.
func (s *survey) reportHidden() {
	known := map[uint64]bool{}
	processes := []string{"thread-self"}
	for _, c := range s.found {
		processes = append(processes, strconv.Itoa(c.PID))
	}
	for _, process := range processes {
		if mark, err := s.mark(process); err == nil {
			known[mark] = true
		}
	}
	var missing []int
	for _, pid := range s.hidden {
		mark, err := s.mark(strconv.Itoa(pid))
		if !known[mark] && !errors.Is(err, fs.ErrNotExist) {
			missing = append(missing, pid)
		}
	}
	if len(missing) > 0 {
		s.gap("network namespaces", fmt.Errorf("missing may be those of %s: %w; run as root or with CAP_SYS_PTRACE",
			s.describe(missing), fs.ErrPermission))
	}
}

// describe names one process and counts the others.
func (s *survey) describe(pids []int) string {
	name := fmt.Sprintf("process %d", pids[0])
	if proc, err := s.procs.Proc(pids[0]); err == nil {
		if command, err := proc.Comm(); err == nil {
			name = processName(command, pids[0])
		}
	}
	if others := len(pids) - 1; others > 0 {
		return fmt.Sprintf("%s and %d more processes", name, others)
	}
	return name
}

func processName(command string, pid int) string { return fmt.Sprintf("%s (%d)", command, pid) }

// list gives a name to all that was found, and an order.
func (s *survey) list() []Namespace {
	namespaces := make([]Namespace, 0, len(s.found))
	for _, c := range s.found {
		s.name(c)
		namespaces = append(namespaces, c.Namespace)
	}
	slices.SortFunc(namespaces, func(a, b Namespace) int {
		switch s.host {
		case a.ID:
			return -1
		case b.ID:
			return 1
		}
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return namespaces
}

// name prefers a process to Docker's name of a namespace, which is random.
func (s *survey) name(c *candidate) {
	if c.ID == s.host {
		c.Name = port.Host
		return
	}
	if c.PID != 0 {
		c.Container = s.container(c.PID)
		if c.Name == "" || strings.HasPrefix(c.Name, dockerPrefix) {
			c.Name = processName(c.Command, c.PID)
		}
	}
	if c.Name == "" {
		c.Name = fmt.Sprintf("net:[%d]", c.ID)
	}
}
