package nettest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// namedDir is where ip-netns(8) keeps the namespaces that have a name.
const namedDir = "/run/netns"

// threadNetNS is the namespace of the thread that opens it.
const threadNetNS = "/proc/thread-self/ns/net"

// Namespace is a network namespace that lives as long as it is open. Making one
// takes CAP_SYS_ADMIN.
type Namespace struct {
	file  *os.File
	mount string // where a named one is mounted

	mu      sync.Mutex
	sockets map[*Socket]struct{}
}

// Create makes a namespace with the loopback interface up and nothing else in it.
func Create() (*Namespace, error) {
	n := &Namespace{sockets: map[*Socket]struct{}{}}
	err := onRestoredThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("create network namespace: %w", err)
		}
		file, err := os.Open(threadNetNS)
		if err != nil {
			return fmt.Errorf("open new network namespace: %w", err)
		}
		n.file = file
		return prepare()
	})
	if err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// CreateNamed is [Create] for a namespace that ip-netns(8) knows by name.
func CreateNamed(name string) (*Namespace, error) {
	n, err := Create()
	if err != nil {
		return nil, err
	}
	if err := n.mountAs(name); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

func (n *Namespace) mountAs(name string) error {
	if err := os.MkdirAll(namedDir, 0o755); err != nil {
		return err
	}
	path := filepath.Join(namedDir, name)
	target, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return fmt.Errorf("name network namespace: %w", err)
	}
	n.mount = path
	err = n.Do(func() error { return unix.Mount(threadNetNS, path, "none", unix.MS_BIND, "") })
	return errors.Join(err, target.Close())
}

// Close closes all sockets made in the namespace and lets go of it. The kernel
// takes it down once no process is left inside.
func (n *Namespace) Close() error {
	n.mu.Lock()
	open := n.sockets
	n.sockets = nil
	n.mu.Unlock()
	for s := range open {
		s.abort()
	}
	var errs []error
	if n.mount != "" {
		errs = append(errs, unix.Unmount(n.mount, unix.MNT_DETACH), os.Remove(n.mount))
	}
	if n.file != nil {
		errs = append(errs, n.file.Close())
	}
	return errors.Join(errs...)
}

// Path names the namespace to other processes: setns(2), nsenter --net=PATH
// and portrange --netns PATH take it, for as long as this process has it open.
func (n *Namespace) Path() string {
	if n.mount != "" {
		return n.mount
	}
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.file.Fd())
}

// ID is the inode number of the namespace.
func (n *Namespace) ID() (uint64, error) {
	var stat unix.Stat_t
	if err := unix.Fstat(int(n.file.Fd()), &stat); err != nil {
		return 0, fmt.Errorf("stat network namespace: %w", err)
	}
	return stat.Ino, nil
}

// Do runs fn on the calling goroutine with its thread inside the namespace, and
// moves the thread back. Goroutines that fn starts are elsewhere. Calls nest.
func (n *Namespace) Do(fn func() error) error {
	return onRestoredThread(func() error {
		if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter network namespace: %w", err)
		}
		return fn()
	})
}

// onRestoredThread runs fn, which may move its thread to another namespace, and
// brings the thread back, also when fn ends in t.FailNow or a panic.
func onRestoredThread(fn func() error) error {
	runtime.LockOSThread()
	home, err := unix.Open(threadNetNS, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("open own network namespace: %w", err)
	}
	defer func() {
		if err := unix.Setns(home, unix.CLONE_NEWNET); err != nil {
			panic(fmt.Sprintf("cannot return to the network namespace of the test: %v", err))
		}
		unix.Close(home)
		runtime.UnlockOSThread()
	}()
	return fn()
}

// ReadSysctl returns a setting, named with dots, as the kernel prints it,
// without the line end.
func (n *Namespace) ReadSysctl(key string) (string, error) {
	var value []byte
	err := n.Do(func() (err error) {
		value, err = os.ReadFile(sysctlPath(key))
		return err
	})
	return strings.TrimRight(string(value), "\n"), err
}

// WriteSysctl changes a setting of this namespace. It refuses keys outside
// net., which belong to the whole machine.
func (n *Namespace) WriteSysctl(key, value string) error {
	if !strings.HasPrefix(key, "net.") {
		return fmt.Errorf("write %s: not a setting of a network namespace", key)
	}
	return n.Do(func() error { return writeSysctl(key, value) })
}

func writeSysctl(key, value string) error {
	return os.WriteFile(sysctlPath(key), []byte(value), 0)
}

func sysctlPath(key string) string {
	return "/proc/sys/" + strings.ReplaceAll(key, ".", "/")
}

// SetRange sets net.ipv4.ip_local_port_range, lowering
// ip_unprivileged_port_start first where it is in the way.
func (n *Namespace) SetRange(low, high uint16) error {
	return n.Do(func() error {
		if low < 1024 {
			if err := writeSysctl("net.ipv4.ip_unprivileged_port_start", fmt.Sprint(low)); err != nil {
				return err
			}
		}
		return writeSysctl("net.ipv4.ip_local_port_range", fmt.Sprintf("%d %d", low, high))
	})
}
