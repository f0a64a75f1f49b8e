package cgrouphook_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"portrange/internal/host"
	"portrange/internal/kernel/cgrouphook"
	"portrange/internal/nettest"
)

// newGroup makes a control group below the one at path, with a process in it.
func newGroup(t *testing.T) (dir string, pid int) {
	t.Helper()
	nettest.NeedRoot(t)
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); strings.Contains(line, " - cgroup2 ") {
			dir = filepath.Join(fields[4], "portrange-test-hooks")
		}
	}
	if dir == "" {
		t.Skip("no control groups of version 2")
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Remove(dir); err != nil {
			t.Error(err)
		}
	})
	// Standing by in the group, it is waited for, so that the group is empty then.
	command := exec.Command("sleep", "600")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		command.Process.Kill()
		command.Wait()
	})
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(itoa(command.Process.Pid)), 0); err != nil {
		t.Fatal(err)
	}
	return dir, command.Process.Pid
}

// attach puts a program that changes nothing on a call.
func attach(t *testing.T, dir string, kind ebpf.AttachType, of ebpf.ProgramType) {
	t.Helper()
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: of, AttachType: kind, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 1), asm.Return()},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	attached, err := link.AttachCgroup(link.CgroupOptions{Path: dir, Attach: kind, Program: program})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { attached.Close() })
}

func TestLiveHooks(t *testing.T) {
	dir, pid := newGroup(t)
	sub := filepath.Join(dir, "sub")
	none := cgrouphook.Hooks{Socket: host.No, Bind4: host.No, Bind6: host.No, Connect4: host.No, Connect6: host.No}
	if got := of(t, pid); got != none {
		t.Errorf("nothing attached: %+v", got)
	}
	attach(t, dir, ebpf.AttachCGroupInet4Connect, ebpf.CGroupSockAddr)
	want := none
	want.Connect4 = host.Yes
	if got := of(t, pid); got != want {
		t.Errorf("a program on connect() of AF_INET: %+v", got)
	}
	if got := of(t, 0); got != none {
		t.Errorf("outside of the group: %+v", got)
	}
	attach(t, dir, ebpf.AttachCGroupInet6Bind, ebpf.CGroupSockAddr)
	if want.Bind6 = host.Yes; of(t, pid) != want {
		t.Errorf("and one on bind() of AF_INET6: %+v", of(t, pid))
	}
	attach(t, dir, ebpf.AttachCGroupInet4PostBind, ebpf.CGroupSock)
	if want.Bind4 = host.Yes; of(t, pid) != want {
		t.Errorf("and one at the end of bind() of AF_INET: %+v", of(t, pid))
	}
	if err := os.Mkdir(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(sub, "cgroup.procs"), []byte(itoa(pid)), 0); err != nil {
		t.Fatal(err)
	}
	if got := of(t, pid); got != want {
		t.Errorf("of a group below: %+v", got)
	}
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(itoa(pid)), 0); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(sub); err != nil {
		t.Fatal(err)
	}
}

func of(t *testing.T, pid int) cgrouphook.Hooks {
	t.Helper()
	hooks, err := cgrouphook.Of(pid)
	if err != nil {
		t.Fatal(err)
	}
	return hooks
}

// TestLiveNotAllowed: who may not ask does not know.
func TestLiveNotAllowed(t *testing.T) {
	nettest.NeedRoot(t)
	const nobody = 65534
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with its rights
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, nobody, nobody, nobody); errno != 0 {
			t.Error(errno)
			return
		}
		hooks, err := cgrouphook.Of(0)
		if !errors.Is(err, fs.ErrPermission) || hooks.Connect(false) != host.Unknown {
			t.Errorf("%+v, %v", hooks, err)
		}
	}()
	<-done
}
