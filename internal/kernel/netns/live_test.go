package netns_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"portrange/internal/kernel/netns"
	"portrange/internal/nettest"
)

// inside is the namespace of the calling thread.
func inside(t *testing.T) uint64 {
	t.Helper()
	var stat unix.Stat_t
	if err := unix.Stat("/proc/thread-self/ns/net", &stat); err != nil {
		t.Fatal(err)
	}
	return stat.Ino
}

// resident starts a process that stays in the host until the test ends.
func resident(t *testing.T, h *nettest.Host) *exec.Cmd {
	t.Helper()
	cmd := h.Command("cat")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close(); cmd.Wait() })
	// An answer shows that it is inside, no longer nsenter.
	fmt.Fprintln(stdin, "there?")
	if _, err := stdout.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return cmd
}

func findByID(t *testing.T, id uint64) (netns.Namespace, bool) {
	t.Helper()
	namespaces, _ := netns.Find(context.Background())
	var found []netns.Namespace
	for _, n := range namespaces {
		if n.ID == id {
			found = append(found, n)
		}
	}
	if len(found) > 1 {
		t.Fatalf("found more than once: %v", found)
	}
	if len(found) == 0 {
		return netns.Namespace{}, false
	}
	return found[0], true
}

func TestFindLive(t *testing.T) {
	name := fmt.Sprintf("netns-live-%d", os.Getpid())
	named, unnamed, empty := nettest.NewNamed(t, name), nettest.New(t), nettest.New(t)
	cmd := resident(t, unnamed)

	own, ok := findByID(t, inside(t))
	if !ok {
		t.Error("own namespace not found")
	}
	if current, err := netns.Current(); err != nil || current.Name != own.Name {
		t.Errorf("current %v (%v), found as %v", current, err, own)
	}
	if n, ok := findByID(t, named.ID()); !ok || n.Name != name || n.Path != named.Path() {
		t.Errorf("named: %+v, %v", n, ok)
	}
	if n, ok := findByID(t, unnamed.ID()); !ok || n.Name != fmt.Sprintf("cat (%d)", cmd.Process.Pid) || n.PID != cmd.Process.Pid {
		t.Errorf("unnamed: %+v, %v", n, ok)
	}
	if n, ok := findByID(t, empty.ID()); ok {
		t.Errorf("held by an open file alone, yet found: %+v", n)
	}
}

func TestOpenLive(t *testing.T) {
	name := fmt.Sprintf("netns-open-%d", os.Getpid())
	h := nettest.NewNamed(t, name)
	cmd := resident(t, h)
	for _, ref := range []string{name, h.Path(), fmt.Sprint(cmd.Process.Pid), fmt.Sprintf("/proc/%d/ns/net", cmd.Process.Pid)} {
		handle, err := netns.Open(ref)
		if err != nil {
			t.Errorf("%s: %v", ref, err)
			continue
		}
		if handle.ID != h.ID() || handle.Name != name {
			t.Errorf("%s: opened %d %q, want %d %q", ref, handle.ID, handle.Name, h.ID(), name)
		}
		if err := handle.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestOpenRefusesWhatIsNone(t *testing.T) {
	for _, ref := range []string{"/etc/passwd", "/proc/self/ns/mnt", "/no/such/file", "..", "no-such-name", "4194999"} {
		if h, err := netns.Open(ref); err == nil {
			t.Errorf("%s: opened as %v", ref, h)
		}
	}
}

func TestDoLeavesThreadsClean(t *testing.T) {
	h := nettest.New(t)
	handle, err := netns.Open(h.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer handle.Close()
	home, away := inside(t), h.ID()

	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			err := handle.Do(func() error {
				if got := inside(t); got != away {
					return fmt.Errorf("inside %d, want %d", got, away)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for range 50 {
		wg.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			if got := inside(t); got != home {
				t.Errorf("a thread stayed in %d", got)
			}
		})
	}
	wg.Wait()
}

func TestDoReturnsWhateverEndsIt(t *testing.T) {
	own, err := netns.Current()
	if err != nil {
		t.Fatal(err)
	}
	want := errors.New("no")
	if err := own.Do(func() error { return want }); !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
	if err := own.Do(func() error { runtime.Goexit(); return nil }); err == nil {
		t.Error("no error from a function that ended its goroutine")
	}
}

func TestNamespaceThatIsGone(t *testing.T) {
	h := nettest.New(t)
	cmd := resident(t, h)
	n, ok := findByID(t, h.ID())
	if !ok {
		t.Fatal("not found")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	err := n.Do(func() error { return nil })
	if !errors.Is(err, netns.ErrGone) || !strings.Contains(err.Error(), n.Name) {
		t.Errorf("error %v", err)
	}
}

func TestPathThatLeadsElsewhereNow(t *testing.T) {
	own, err := netns.Current()
	if err != nil {
		t.Fatal(err)
	}
	own.ID++
	if err := own.Do(func() error { return nil }); !errors.Is(err, netns.ErrGone) {
		t.Errorf("error %v", err)
	}
}

// TestMain also serves as the program that a test runs without privileges.
func TestMain(m *testing.M) {
	if ref, ok := os.LookupEnv("NETNS_TEST_ENTER"); ok {
		fmt.Println(enter(ref))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func enter(ref string) error {
	h, err := netns.Open(ref)
	if err != nil {
		return err
	}
	return h.Do(func() error { return nil })
}

// nobody is a user without capabilities.
func nobody() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
}

func TestWithoutPrivileges(t *testing.T) {
	name := fmt.Sprintf("netns-nobody-%d", os.Getpid())
	h := nettest.NewNamed(t, name)
	pid := fmt.Sprint(resident(t, h).Process.Pid)
	tests := []struct{ ref, want string }{
		{name, "enter network namespace " + name + ": operation not permitted; run as root or with CAP_SYS_ADMIN, " +
			"here and in the user namespace that owns it"},
		{pid, "open network namespace /proc/" + pid + "/ns/net: permission denied; run as root or with CAP_SYS_PTRACE"},
		{"/proc/self/ns/net", "<nil>"},
	}
	for _, test := range tests {
		if got := runAsNobody(t, test.ref); got != test.want {
			t.Errorf("%s: %s\nwant %s", test.ref, got, test.want)
		}
	}
}

// runAsNobody enters a namespace in a further process of this test, without
// any capability but in the same directory and with the same program.
func runAsNobody(t *testing.T, ref string) string {
	t.Helper()
	program, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	cmd := exec.Command("/proc/self/fd/3")
	cmd.ExtraFiles = []*os.File{program}
	cmd.Env = []string{"NETNS_TEST_ENTER=" + ref}
	cmd.Dir = "/"
	cmd.SysProcAttr = nobody()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}
