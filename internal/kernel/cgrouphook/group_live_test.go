package cgrouphook

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/prometheus/procfs"

	"portrange/internal/host"
	"portrange/internal/nettest"
)

// groupMount is where the test sees groups of version 2, and how they are mounted.
func groupMount(t *testing.T) (dir, options string) {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); fields[2] == "cgroup2" {
			return fields[1], fields[3]
		}
	}
	t.Skip("no control groups of version 2")
	return "", ""
}

// standIn starts a process that does nothing, in a new group with a program on
// connect() of AF_INET.
func standIn(t *testing.T, mount string) (pid int) {
	t.Helper()
	dir := filepath.Join(mount, "portrange-test-unseen")
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Remove(dir); err != nil {
			t.Error(err)
		}
	})
	command := exec.Command("sleep", "600")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		command.Process.Kill()
		command.Wait()
	})
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(command.Process.Pid)), 0); err != nil {
		t.Fatal(err)
	}
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.CGroupSockAddr, AttachType: ebpf.AttachCGroupInet4Connect, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 1), asm.Return()},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	attached, err := link.AttachCgroup(link.CgroupOptions{Path: dir, Attach: ebpf.AttachCGroupInet4Connect, Program: program})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { attached.Close() })
	return command.Process.Pid
}

// TestLiveGroupOutOfSight finds the programs where no mount shows the group, and
// leaves the mounts there are as they were.
func TestLiveGroupOutOfSight(t *testing.T) {
	nettest.NeedRoot(t)
	f, err := procfs.NewFS(procfs.DefaultMountPoint)
	if err != nil {
		t.Fatal(err)
	}
	mount, before := groupMount(t)
	own := mustGroup(t, f, os.Getpid())
	for pid, want := range map[int]host.Answer{os.Getpid(): host.No, standIn(t, mount): host.Yes} {
		dir, err := openUnseen(f, pid)
		if err != nil {
			t.Fatal(err)
		}
		hooks, err := query(dir)
		if err != nil || hooks.Connect4 != want || hooks.Connect6 != host.No {
			t.Errorf("process %d: %+v, %v; want %v", pid, hooks, err, want)
		}
		if err := dir.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, after := groupMount(t); after != before {
		t.Errorf("the hierarchy is mounted with %s, before with %s", after, before)
	}
	if now := mustGroup(t, f, os.Getpid()); now != own {
		t.Errorf("the process sees its group at %s, before at %s", now, own)
	}
}

func mustGroup(t *testing.T, f procfs.FS, pid int) string {
	t.Helper()
	path, err := group(f, pid)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLeadsUp(t *testing.T) {
	for path, want := range map[string]bool{"/": false, "": false, "/a": false, "/..": true, "/../a": true, "/..a": false, "/../..": true} {
		if leadsUp(path) != want {
			t.Errorf("%q: %v", path, !want)
		}
	}
}

// TestGroupBelowAMount: the part of a path below what a mount shows.
func TestGroupBelowAMount(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "shown", "b"), 0o755); err != nil {
		t.Fatal(err)
	}
	proc := t.TempDir()
	for pid, mounts := range map[int][]string{
		1: {"0 0 0:1 / /sys rw - sysfs sysfs rw"},
		2: {"0 0 0:2 / /gone rw - cgroup2 cgroup2 rw", "1 0 0:2 /a /shown rw - cgroup2 cgroup2 rw"},
		3: {"0 0 0:2 /../x /shown rw - cgroup2 cgroup2 rw"},
		4: {"0 0 0:1 / /shown rw - cgroup cgroup rw,cpu"},
		5: {"0 0 0:2 / /shown rw - cgroup2 cgroup2 rw"},
	} {
		dir := filepath.Join(proc, strconv.Itoa(pid))
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "mountinfo"), []byte(strings.Join(mounts, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f, err := procfs.NewFS(proc)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		pid        int
		path, want string
	}{
		{1, "/a/b", ""}, {2, "/a/b", "shown/b"}, {2, "/a", "shown"}, {2, "/ab", ""}, {2, "/", ""}, {2, "/../a/b", ""},
		{3, "/../x/b", "shown/b"}, {4, "/b", ""}, {5, "/b", "shown/b"}, {5, "/..", ""},
	} {
		process, err := f.Proc(tt.pid)
		if err != nil {
			t.Fatal(err)
		}
		dir, err := openBelow(process, root, tt.path)
		if tt.want == "" {
			if !errors.Is(err, ErrNoGroup) {
				t.Errorf("%+v: %v", tt, err)
			}
			continue
		}
		if err != nil || dir.Name() != filepath.Join(root, tt.want) {
			t.Errorf("%+v: %v", tt, err)
			continue
		}
		dir.Close()
	}
}
