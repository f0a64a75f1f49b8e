package cgrouphook

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// errNone: there is no version 2, and so there are no programs.
var errNone = errors.New("no control groups of version 2")

// openGroup opens the directory of the process's control group, by the first way
// that leads to it: mounts of the caller; a mount of its own, as `ip netns exec`
// hides the others below a new /sys; mounts of the process itself and of process 1,
// for a caller who may look there but not mount.
func openGroup(f procfs.FS, pid int) (*os.File, error) {
	path, err := group(f, pid)
	if err != nil {
		return nil, err
	}
	self, err := f.Self()
	if err != nil {
		return nil, err
	}
	if dir, err := openBelow(self, "/", path); !errors.Is(err, ErrNoGroup) {
		return dir, err
	}
	if dir, err := openUnseen(f, pid); err == nil {
		return dir, nil
	}
	for _, other := range []int{pid, 1} {
		process, err := f.Proc(other)
		if err != nil {
			continue
		}
		root := filepath.Join(procfs.DefaultMountPoint, strconv.Itoa(other), "root")
		if dir, err := openBelow(process, root, path); err == nil {
			return dir, nil
		}
	}
	return nil, ErrNoGroup
}

// group is the path of the process's control group, as the calling thread's
// namespace of groups shows it (cgroup_namespaces(7)): one out of its sight leads up.
func group(f procfs.FS, pid int) (string, error) {
	process, err := f.Proc(pid)
	if err != nil {
		return "", err
	}
	groups, err := process.Cgroups()
	if err != nil {
		return "", err
	}
	for _, g := range groups {
		if g.HierarchyID == 0 {
			return g.Path, nil
		}
	}
	return "", errNone
}

// openBelow opens the path in a mount of the process, whose root directory the
// caller sees at root. It returns [ErrNoGroup] where the process has no such mount.
func openBelow(process procfs.Proc, root, path string) (*os.File, error) {
	mounts, err := process.MountInfo()
	if err != nil {
		return nil, err
	}
	for _, mount := range mounts {
		if mount.FSType != "cgroup2" {
			continue
		}
		rest, found := strings.CutPrefix(path, strings.TrimSuffix(mount.Root, "/"))
		if !found || leadsUp(rest) || rest != "" && rest[0] != '/' {
			continue
		}
		dir, err := os.Open(filepath.Join(root, mount.MountPoint, rest))
		if errors.Is(err, fs.ErrNotExist) { // something else is mounted over it
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("open control group: %w", err)
		}
		return dir, nil
	}
	return nil, ErrNoGroup
}

func leadsUp(path string) bool { return path == "/.." || strings.HasPrefix(path, "/../") }

// openUnseen opens the process's control group in a mount that nobody else sees,
// which takes CAP_SYS_ADMIN. It is made by a thread that is in a namespace of groups
// of its own and ends: from the first one a mount would set the options of all
// mounts of the hierarchy anew, nsdelegate among them (apply_cgroup_root_flags,
// kernel/cgroup/cgroup.c).
func openUnseen(f procfs.FS, pid int) (dir *os.File, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked
		if err = unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
			return
		}
		var path string
		if path, err = group(f, pid); err != nil {
			return
		}
		if leadsUp(path) {
			err = ErrNoGroup
			return
		}
		dir, err = openMounted(path)
	}()
	<-done
	return dir, err
}

// openMounted opens a path within a new mount, which goes when the directory is
// closed.
func openMounted(path string) (*os.File, error) {
	system, err := unix.Fsopen("cgroup2", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("open file system cgroup2: %w", err)
	}
	defer unix.Close(system)
	if err := unix.FsconfigCreate(system); err != nil {
		return nil, fmt.Errorf("open file system cgroup2: %w", err)
	}
	mount, err := unix.Fsmount(system, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_RDONLY)
	if err != nil {
		return nil, fmt.Errorf("mount file system cgroup2: %w", err)
	}
	defer unix.Close(mount)
	fd, err := unix.Openat(mount, "."+path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open control group %s: %w", path, err)
	}
	return os.NewFile(uintptr(fd), path), nil
}
