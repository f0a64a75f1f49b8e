package act

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"portrange/internal/act/journal"
	"portrange/internal/boot"
	"portrange/internal/host"
	"portrange/internal/kernel/netns"
	"portrange/internal/kernel/sysctl"
	"portrange/internal/port"
)

// Environment variables that tell a copy of the test program what it is.
const (
	insideEnv = "PORTRANGE_TEST_INSIDE" // in namespaces of its own
	workerEnv = "PORTRANGE_TEST_WORKER" // what to do before being killed
)

func TestMain(m *testing.M) {
	if job := os.Getenv(workerEnv); job != "" {
		os.Exit(work(job))
	}
	os.Exit(m.Run())
}

// isolated runs the calling test again in a process with a mount and a network
// namespace of its own, where /etc/sysctl.d is an empty tmpfs, and reports
// whether this is that process. Without root the test is skipped.
func isolated(t *testing.T) bool {
	t.Helper()
	if os.Getenv(insideEnv) != "" {
		return true
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	command := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v", "-test.count=1",
		fmt.Sprintf("-test.short=%v", testing.Short()))
	command.Env = append(os.Environ(), insideEnv+"=1")
	command.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET}
	out, err := command.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("inside: %v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if _, said, found := strings.Cut(line, "_test.go:"); found {
			t.Log(strings.TrimSpace(said))
		}
	}
	return false
}

// mount refuses to do anything outside of [isolated].
func mount(t *testing.T, path, options string, flags uintptr) {
	t.Helper()
	if os.Getenv(insideEnv) == "" {
		t.Fatal("not in a mount namespace of its own")
	}
	if err := unix.Mount("tmpfs", path, "tmpfs", flags, options); err != nil {
		t.Fatalf("mount on %s: %v", path, err)
	}
}

func remountReadOnly(t *testing.T, path string) {
	t.Helper()
	if os.Getenv(insideEnv) == "" {
		t.Fatal("not in a mount namespace of its own")
	}
	for _, flags := range []uintptr{unix.MS_BIND, unix.MS_REMOUNT | unix.MS_BIND | unix.MS_RDONLY} {
		if err := unix.Mount(path, path, "", flags, ""); err != nil {
			t.Fatalf("remount %s: %v", path, err)
		}
	}
}

// other is a file of somebody else that overrides the drop-in.
const (
	other     = DropInDir + "/zzz-other.conf"
	otherText = "# by hand\nnet.ipv4.ip_local_port_range = 32768 60999\nkernel.panic = 10\n"
)

// liveBench is an actor on the kernel of an isolated test.
func liveBench(t *testing.T) *Actor {
	t.Helper()
	mount(t, DropInDir, "mode=755", 0)
	if err := os.WriteFile(other, []byte(otherText), 0o600); err != nil {
		t.Fatal(err)
	}
	actor, err := liveActor(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return actor
}

func liveActor(dir string) (*Actor, error) {
	own, err := ownNamespace()
	if err != nil {
		return nil, err
	}
	system, err := NewSystem(own)
	return &Actor{Host: system, Journal: journal.Open(dir), Clock: &fakeClock{}}, err
}

// ownNamespace is netns.Current without the search for a name.
func ownNamespace() (netns.Namespace, error) {
	const path = "/proc/self/ns/net"
	var stat unix.Stat_t
	err := unix.Stat(path, &stat)
	return netns.Namespace{ID: stat.Ino, Name: "test", Path: path}, err
}

// livePlan sets a range, reserves a port, persists both and takes a line out
// of another file.
func livePlan(a *Actor) (*Plan, error) {
	own, err := ownNamespace()
	if err != nil {
		return nil, err
	}
	place, err := a.Host.(*System).Identify(own)
	if err != nil {
		return nil, err
	}
	now, err := sysctl.Read()
	if err != nil {
		return nil, err
	}
	tree, err := boot.Read("/", []string{port.KeyRange, port.KeyReserved})
	if err != nil {
		return nil, err
	}
	f := Look{
		State: &host.State{Namespaces: []host.Namespace{{
			ID: own.ID, Name: own.Name, Settings: now, Holds: []host.Hold{held(20000, port.TCP, port.Listen)},
		}}},
		Places: map[uint64]journal.Place{own.ID: place}, Booted: own.ID,
		Files: &Files{Contents: map[string]*journal.Content{}, Boot: tree},
	}
	for _, path := range []string{DropIn, other} {
		if f.Files.Contents[path], err = a.Host.ReadFile(path); err != nil {
			return nil, err
		}
	}
	return NewPlan(Wish{Range: wide(), ReserveFound: true, Persist: true, FixConflicts: true, Origin: origin}, f)
}

// situation is all that a live plan changes.
type situation struct{ running, reserved, dropIn, other string }

var (
	untouched = situation{narrow, "", "", otherText}
	changed   = situation{
		wider, "20000",
		string(renderDropIn(origin, map[string]string{port.KeyRange: wider, port.KeyReserved: "20000"})),
		string(commentOut([]byte(otherText), []int{2})),
	}
)

func look(t *testing.T) situation {
	t.Helper()
	var s situation
	var err error
	if s.running, err = sysctl.Get(port.KeyRange); err != nil {
		t.Fatal(err)
	}
	if s.reserved, err = sysctl.Get(port.KeyReserved); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(DropIn)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	s.dropIn = string(data)
	if data, err = os.ReadFile(other); err != nil {
		t.Fatal(err)
	}
	s.other = string(data)
	return s
}

func expect(t *testing.T, what string, want situation) {
	t.Helper()
	if got := look(t); got != want {
		t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}

func mustPlan(t *testing.T, a *Actor) *Plan {
	t.Helper()
	p, err := livePlan(a)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mustUndo(t *testing.T, a *Actor) {
	t.Helper()
	u, err := a.PlanUndo(Origin{Command: "undo"})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Undo(u); err != nil {
		t.Fatal(err)
	}
}

func TestLiveApplyAndUndo(t *testing.T) {
	if !isolated(t) {
		return
	}
	a := liveBench(t)
	dir := t.TempDir()
	a.Journal = journal.Open(dir)
	if _, err := a.Apply(mustPlan(t, a), 0); err != nil {
		t.Fatal(err)
	}
	expect(t, "after set", changed)
	if backup, err := os.ReadFile(filepath.Join(dir, "backup/00000001", other)); err != nil || string(backup) != otherText {
		t.Errorf("backup %q, %v", backup, err)
	}
	if info, err := os.Stat(DropIn); err != nil || info.Mode() != 0o644 {
		t.Errorf("drop-in %v, %v", info.Mode(), err)
	}
	if info, err := os.Stat(other); err != nil || info.Mode() != 0o600 {
		t.Errorf("the other file's mode is %v, %v", info.Mode(), err)
	}
	mustUndo(t, a)
	expect(t, "after undo", untouched)
	mustUndo(t, a)
	expect(t, "after undo of the undo", changed)
}

func TestLiveReadOnlyEtc(t *testing.T) {
	if !isolated(t) {
		return
	}
	a := liveBench(t)
	remountReadOnly(t, DropInDir)
	_, err := a.Apply(mustPlan(t, a), 0)
	if !errors.Is(err, unix.EROFS) || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("error %v", err)
	}
	expect(t, "after a failure", untouched)
}

func TestLiveFullDisk(t *testing.T) {
	if !isolated(t) {
		return
	}
	a := liveBench(t)
	p := mustPlan(t, a)
	fill(t, DropInDir)
	_, err := a.Apply(p, 0)
	if !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), "make room") {
		t.Errorf("error %v", err)
	}
	expect(t, "after a failure", untouched)
	if left, _ := filepath.Glob(DropInDir + "/.*"); len(left) > 0 {
		t.Errorf("left behind %q", left)
	}
}

func TestLiveFullDiskUnderTheJournal(t *testing.T) {
	if !isolated(t) {
		return
	}
	a := liveBench(t)
	dir := filepath.Join(DropInDir, "journal") // goes with the mount namespace
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	mount(t, dir, "size=64k", 0)
	a.Journal = journal.Open(dir)
	p := mustPlan(t, a)
	fill(t, dir)
	_, err := a.Apply(p, 0)
	if !errors.Is(err, unix.ENOSPC) {
		t.Errorf("error %v", err)
	}
	expect(t, "after a failure", untouched)
}

// fill leaves no room on a tmpfs.
func fill(t *testing.T, dir string) {
	t.Helper()
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT, "size=64k"); err != nil {
		t.Fatal(err)
	}
	err := os.WriteFile(filepath.Join(dir, "ballast"), make([]byte, 1<<20), 0o600)
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("fill %s: %v", dir, err)
	}
}

func TestLiveReadOnlyProc(t *testing.T) {
	if !isolated(t) {
		return
	}
	a := liveBench(t)
	remountReadOnly(t, "/proc/sys")
	_, err := a.Apply(mustPlan(t, a), 0)
	if !errors.Is(err, unix.EROFS) || !strings.Contains(err.Error(), "container") {
		t.Errorf("error %v", err)
	}
	expect(t, "after a failure", untouched)
}

// TestLiveWithoutRoot acts as nobody, who has a journal but no say.
func TestLiveWithoutRoot(t *testing.T) {
	if !isolated(t) {
		return
	}
	const nobody = 65534
	liveBench(t)
	dir := t.TempDir()
	for path := dir; path != os.TempDir(); path = filepath.Dir(path) {
		if err := os.Chown(path, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(other, 0o644); err != nil {
		t.Fatal(err)
	}
	command := workerCommand(t.Context(), jobSet, dir)
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	var said strings.Builder
	command.Stderr = &said
	if err := command.Run(); err == nil || !strings.Contains(said.String(), "run as root or with CAP_NET_ADMIN") {
		t.Errorf("%v: %s", err, &said)
	}
	expect(t, "after a failure", untouched)
}

func TestLiveTwoAtOnce(t *testing.T) {
	if !isolated(t) {
		return
	}
	a := liveBench(t)
	p := mustPlan(t, a)
	w, err := a.Journal.Lock()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Apply(p, 0); !errors.Is(err, journal.ErrBusy) || !strings.Contains(err.Error(), "pid") {
		t.Errorf("error %v", err)
	}
	expect(t, "while locked", untouched)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Apply(p, 0); err != nil {
		t.Error(err)
	}
}

func TestLiveNamespaceIsRecognised(t *testing.T) {
	if !isolated(t) {
		return
	}
	a := liveBench(t)
	if _, err := a.Apply(mustPlan(t, a), 0); err != nil {
		t.Fatal(err)
	}
	e, err := a.Journal.Entry(1)
	if err != nil {
		t.Fatal(err)
	}
	ns := e.Settings[0].Namespace
	if ns.Cookie == 0 || ns.ID == 0 || ns.Boot == "" {
		t.Errorf("namespace %+v", ns)
	}
	for name, edit := range map[string]func(*journal.Place){
		"another cookie": func(ns *journal.Place) { ns.Cookie++ },
		"another number": func(ns *journal.Place) { ns.ID++ },
		"another boot":   func(ns *journal.Place) { ns.Boot = "x" },
	} {
		stranger := ns
		edit(&stranger)
		if _, err := a.Host.Get(stranger, port.KeyRange); !errors.Is(err, ErrGone) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestLiveNamespaceAtAPathOfItsOwn has a namespace that no process lives in and
// no directory of names holds: only the path leads back to it.
func TestLiveNamespaceAtAPathOfItsOwn(t *testing.T) {
	if !isolated(t) {
		return
	}
	mount(t, DropInDir, "mode=755", 0)
	path := filepath.Join(DropInDir, "netns")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "unshare", "--net="+path, "true").CombinedOutput(); err != nil {
		t.Fatalf("unshare: %v\n%s", err, out)
	}
	t.Chdir(DropInDir)
	handle, err := netns.Open("./netns")
	if err != nil {
		t.Fatal(err)
	}
	place, err := mustSystem(t).Identify(handle.Namespace)
	if err := errors.Join(err, handle.Close()); err != nil || place.Path != path {
		t.Fatalf("identified as %+v, %v", place, err)
	}
	later := mustSystem(t)
	if err := later.Set(place, port.KeyRange, "15000 64001"); err != nil {
		t.Fatal(err)
	}
	if got, err := later.Get(place, port.KeyRange); err != nil || got != "15000 64001" {
		t.Errorf("the range there is %q, %v", got, err)
	}
	if err := unix.Unmount(path, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := mustSystem(t).Get(place, port.KeyRange); !errors.Is(err, ErrGone) {
		t.Errorf("unmounted: %v", err)
	}
}

func mustSystem(t *testing.T) *System {
	t.Helper()
	system, err := NewSystem()
	if err != nil {
		t.Fatal(err)
	}
	return system
}
