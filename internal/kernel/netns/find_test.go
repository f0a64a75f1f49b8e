package netns

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"portrange/internal/host"
)

// machine is a made-up /proc and /run. Its namespaces are small numbers.
type machine struct {
	t    *testing.T
	root string
}

// denied is a namespace link that may not be read.
const denied = "denied"

func newMachine(t *testing.T) machine {
	t.Helper()
	m := machine{t: t, root: t.TempDir()}
	m.write("marks/none", "")
	return m
}

func (m machine) finder() finder {
	return finder{
		root: m.root,
		inode: func(path string) (uint64, error) {
			content, err := os.ReadFile(path)
			if err != nil {
				return 0, err
			}
			return strconv.ParseUint(string(content), 10, 64)
		},
		link: func(path string) (uint64, error) {
			if target, err := os.Readlink(path); err == nil && target == denied {
				return 0, fs.ErrPermission
			}
			return linkInode(path)
		},
	}
}

func (m machine) write(path, content string) {
	m.t.Helper()
	path = filepath.Join(m.root, path)
	m.must(os.MkdirAll(filepath.Dir(path), 0o755))
	m.must(os.WriteFile(path, []byte(content), 0o644))
}

func (m machine) symlink(target, path string) {
	m.t.Helper()
	path = filepath.Join(m.root, path)
	m.must(os.MkdirAll(filepath.Dir(path), 0o755))
	m.must(os.Symlink(target, path))
}

func (m machine) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// process adds one that started at a time and whose namespace may be hidden.
func (m machine) process(pid int, command string, started, id int, hidden bool) {
	m.t.Helper()
	dir := fmt.Sprintf("proc/%d", pid)
	link := fmt.Sprintf("net:[%d]", id)
	if hidden {
		link = denied
	}
	m.symlink(link, dir+"/ns/net")
	m.write(dir+"/comm", command+"\n")
	m.write(dir+"/stat", fmt.Sprintf("%d (%s) S %s%d 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
		pid, command, strings.Repeat("0 ", 18), started))
	m.write(dir+"/cgroup", "0::/\n")
	m.mark(dir, id)
}

// mark makes /proc/PID/net/dev the same inode for processes of one namespace.
func (m machine) mark(dir string, id int) {
	m.t.Helper()
	mark := filepath.Join(m.root, "marks", strconv.Itoa(id))
	if _, err := os.Stat(mark); errors.Is(err, fs.ErrNotExist) {
		m.must(os.WriteFile(mark, nil, 0o644))
	}
	m.must(os.MkdirAll(filepath.Join(m.root, dir, "net"), 0o755))
	m.must(os.Link(mark, filepath.Join(m.root, dir, "net/dev")))
}

// self makes a process the caller.
func (m machine) self(pid int) {
	m.t.Helper()
	id, err := os.Readlink(filepath.Join(m.root, fmt.Sprintf("proc/%d/ns/net", pid)))
	m.must(err)
	thread := fmt.Sprintf("%d/task/%d", pid, pid)
	m.symlink(id, "proc/"+thread+"/ns/net")
	m.must(os.MkdirAll(filepath.Join(m.root, "proc", thread, "net"), 0o755))
	m.must(os.Link(filepath.Join(m.root, fmt.Sprintf("proc/%d/net/dev", pid)), filepath.Join(m.root, "proc", thread, "net/dev")))
	m.symlink(thread, "proc/thread-self")
}

func (m machine) find() ([]Namespace, []host.Gap) {
	namespaces, gaps := m.finder().find(context.Background())
	for i := range namespaces {
		namespaces[i].Path = strings.TrimPrefix(namespaces[i].Path, m.root)
	}
	return namespaces, gaps
}

func (m machine) check(want []Namespace, wantGaps ...host.Gap) {
	m.t.Helper()
	got, gaps := m.find()
	if diff := cmp.Diff(want, got); diff != "" {
		m.t.Errorf("namespaces (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(wantGaps, gaps); diff != "" {
		m.t.Errorf("gaps (-want +got):\n%s", diff)
	}
}

func TestFindNamesEachOnce(t *testing.T) {
	m := newMachine(t)
	m.process(1, "systemd", 1, 10, false)
	m.process(2, "kthreadd", 1, 10, false)
	m.process(70, "worker", 90, 20, false) // a reused, lower PID
	m.process(80, "nginx", 50, 20, false)
	m.write("proc/80/cgroup", "0::/system.slice/docker-"+hex64+".scope\n")
	m.process(90, "haproxy", 60, 30, false)
	m.process(100, "portrange", 99, 10, false)
	m.self(100)
	m.write("run/netns/lb1", "30")
	m.write("run/netns/lb1-again", "30")
	m.write("run/netns/spare", "40")
	m.write("var/run/docker/netns/default", "10")
	m.write("var/run/docker/netns/0a1b2c", "20")
	m.write("var/run/docker/netns/ffffff", "50")
	m.check([]Namespace{
		{ID: 10, Name: "host", Path: "/var/run/docker/netns/default", PID: 1, Command: "systemd"},
		{ID: 50, Name: "docker/ffffff", Path: "/var/run/docker/netns/ffffff"},
		{ID: 30, Name: "lb1", Path: "/run/netns/lb1", PID: 90, Command: "haproxy"},
		{ID: 20, Name: "nginx (80)", Path: "/var/run/docker/netns/0a1b2c", PID: 80, Command: "nginx", Container: Container{"docker", hex64}},
		{ID: 40, Name: "spare", Path: "/run/netns/spare"},
	})
}

func TestFindWithoutDirectories(t *testing.T) {
	m := newMachine(t)
	m.process(1, "init", 1, 10, false)
	m.self(1)
	m.check([]Namespace{{ID: 10, Name: "host", Path: "/proc/1/ns/net", PID: 1, Command: "init"}})
}

func TestFindReportsWhatIsNoNamespace(t *testing.T) {
	m := newMachine(t)
	m.process(1, "init", 1, 10, false)
	m.self(1)
	m.write("run/netns/stale", "no number")
	m.check([]Namespace{{ID: 10, Name: "host", Path: "/proc/1/ns/net", PID: 1, Command: "init"}},
		host.Gap{Part: host.PartNamespaces, Object: "network namespace stale", Why: `strconv.ParseUint: parsing "no number": invalid syntax`})
}

func TestHiddenProcessesAreAGapOnlyWhereNobodyElseIsSeen(t *testing.T) {
	m := newMachine(t)
	m.process(1, "systemd", 1, 10, true)
	m.process(50, "sshd", 5, 10, true)
	m.process(100, "portrange", 99, 10, false)
	m.self(100)
	box := Namespace{ID: 10, Name: "host", Path: "/proc/100/ns/net", PID: 100, Command: "portrange"}
	m.check([]Namespace{box})

	m.process(60, "nginx", 6, 20, true)
	m.process(61, "nginx", 7, 20, true)
	m.check([]Namespace{box}, host.Gap{
		Part: host.PartNamespaces, Object: "network namespaces",
		Why: "missing may be those of nginx (60) and 1 more processes: permission denied; run as root or with CAP_SYS_PTRACE",
	})
}

func TestHostIsRecognisedWithoutARightToProcessOne(t *testing.T) {
	t.Run("through another process", func(t *testing.T) {
		m := newMachine(t)
		m.process(1, "systemd", 1, 10, true)
		m.process(2, "kthreadd", 1, 10, false)
		m.process(100, "portrange", 99, 20, false)
		m.self(100)
		m.check([]Namespace{
			{ID: 10, Name: "host", Path: "/proc/2/ns/net", PID: 2, Command: "kthreadd"},
			{ID: 20, Name: "portrange (100)", Path: "/proc/100/ns/net", PID: 100, Command: "portrange"},
		})
	})
	t.Run("not at all", func(t *testing.T) {
		m := newMachine(t)
		m.process(100, "portrange", 99, 20, false)
		m.self(100)
		m.check([]Namespace{{ID: 20, Name: "host", Path: "/proc/100/ns/net", PID: 100, Command: "portrange"}})
		m.write("run/netns/lb1", "20")
		m.check([]Namespace{{ID: 20, Name: "lb1", Path: "/run/netns/lb1", PID: 100, Command: "portrange"}})
	})
}

// TestHostOnly asks no other process, so that their number does not matter.
func TestHostOnly(t *testing.T) {
	m := newMachine(t)
	m.process(1, "systemd", 1, 10, false)
	m.process(100, "portrange", 99, 20, false)
	m.self(100)
	host, err := m.finder().hostOnly()
	if want := "/proc/1/ns/net"; err != nil || host.ID != 10 || host.Name != "host" || !strings.HasSuffix(host.Path, want) || host.Ref() != "host" {
		t.Errorf("%+v, %v", host, err)
	}
	if _, err := newMachine(t).finder().hostOnly(); err == nil {
		t.Error("without a process 1 there is a host's namespace")
	}
}

func TestFindWithoutProc(t *testing.T) {
	m := newMachine(t)
	namespaces, gaps := m.find()
	if len(namespaces) != 0 || len(gaps) != 1 || !strings.Contains(gaps[0].Why, "is /proc mounted?") {
		t.Errorf("%v, %v", namespaces, gaps)
	}
	if _, err := m.finder().current(); err == nil || !strings.Contains(err.Error(), "is /proc mounted?") {
		t.Errorf("current: %v", err)
	}
}

func TestFindStopsWithItsContext(t *testing.T) {
	m := newMachine(t)
	m.process(1, "init", 1, 10, false)
	m.self(1)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, gaps := m.finder().find(ctx)
	if len(gaps) != 1 || gaps[0].Why != context.Canceled.Error() {
		t.Errorf("gaps %v", gaps)
	}
}

func TestCurrent(t *testing.T) {
	m := newMachine(t)
	m.process(1, "systemd", 1, 10, false)
	m.process(90, "bash", 2, 20, false)
	m.process(100, "portrange", 99, 20, false)
	m.self(100)
	own, err := m.finder().current()
	if err != nil || own.Name != "bash (90)" || own.ID != 20 {
		t.Errorf("without a name: %+v, %v", own, err)
	}
	m.write("run/netns/lb1", "20")
	own, err = m.finder().current()
	if err != nil || own.Name != "lb1" {
		t.Errorf("with a name: %+v, %v", own, err)
	}
}

func TestResolve(t *testing.T) {
	m := newMachine(t)
	m.process(1, "systemd", 1, 10, false)
	m.process(812, "nginx", 5, 20, false)
	m.self(1)
	m.write("run/netns/lb1", "30")
	m.write("var/run/docker/netns/0a1b2c", "40")
	tests := []struct{ ref, path, err string }{
		{"lb1", "/run/netns/lb1", ""},
		{"0a1b2c", "/var/run/docker/netns/0a1b2c", ""},
		{"812", "/proc/812/ns/net", ""},
		{"host", "/proc/1/ns/net", ""},
		{"lb2", "", `find network namespace "lb2": no such name; known are lb1, 0a1b2c`},
		{"813", "", "find network namespace of process 813: there is no such process"},
		{"99999999999999999999", "", "find network namespace of process 99999999999999999999: there is no such process"},
		{"", "", "find network namespace: the name is empty"},
	}
	for _, test := range tests {
		path, err := m.finder().resolve(test.ref)
		if got := strings.TrimPrefix(path, m.root); got != test.path || fmt.Sprint(err) != test.err && test.err != "" {
			t.Errorf("%q: %q, %v; want %q, %q", test.ref, got, err, test.path, test.err)
		}
	}
	if path, err := m.finder().resolve("./some/file"); err != nil || path != "./some/file" {
		t.Errorf("path: %q, %v", path, err)
	}
}

func TestLinkInode(t *testing.T) {
	tests := map[string]bool{"net:[4026531840]": true, "mnt:[4026531840]": false, "net:[x]": false, "net:[]": false, "/etc": false}
	for target, ok := range tests {
		path := filepath.Join(t.TempDir(), "net")
		if err := os.Symlink(target, path); err != nil {
			t.Fatal(err)
		}
		id, err := linkInode(path)
		if ok != (err == nil) || ok && id != 4026531840 {
			t.Errorf("%s: %d, %v", target, id, err)
		}
	}
}
