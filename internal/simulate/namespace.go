package simulate

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"

	"golang.org/x/sys/unix"
)

const threadNetNS = "/proc/thread-self/ns/net"

// privately runs fn on a thread in a fresh network namespace with loopback up.
// The namespace ends with the last socket that fn leaves open.
func privately(fn func() error) error {
	result := make(chan error, 1)
	go func() {
		err := errors.New("function ended its goroutine")
		defer func() { result <- err }()
		err = isolated(fn)
	}()
	return <-result
}

// isolated leaves the thread locked to the goroutine, and thereby to its death
// with it, unless it is back where it was.
func isolated(fn func() error) error {
	runtime.LockOSThread()
	home, err := unix.Open(threadNetNS, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("open own network namespace: %w", err)
	}
	defer unix.Close(home)
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return explainUnshare(err)
	}
	defer func() {
		if unix.Setns(home, unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
	}()
	if err := raiseLoopback(); err != nil {
		return fmt.Errorf("bring up loopback in a private network namespace: %w", err)
	}
	return fn()
}

func explainUnshare(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("create a private network namespace: %w; run as root or with CAP_SYS_ADMIN", err)
	}
	return fmt.Errorf("create a private network namespace: %w", err)
}

func raiseLoopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request)
}
