package netns

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"

	"golang.org/x/sys/unix"
)

// threadNetNS is the namespace of the thread that opens it.
const threadNetNS = "/proc/thread-self/ns/net"

// Do runs fn on a thread inside the namespace and returns its error. Goroutines
// that fn starts run outside. Where the program is in the namespace already,
// this takes no privileges; otherwise it takes CAP_SYS_ADMIN, and the error
// says so.
func (h *Handle) Do(fn func() error) error {
	result := make(chan error, 1)
	go func() {
		err := errors.New("function ended its goroutine")
		defer func() { result <- err }()
		err = h.doHere(fn)
	}()
	return <-result
}

// doHere leaves the thread locked to the goroutine, and thereby to its death
// with it, unless it is back where it was.
func (h *Handle) doHere(fn func() error) error {
	runtime.LockOSThread()
	if id, err := linkInode(threadNetNS); err == nil && id == h.ID {
		defer runtime.UnlockOSThread()
		return fn()
	}
	home, err := unix.Open(threadNetNS, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open own network namespace: %w", err)
	}
	defer unix.Close(home)
	if err := unix.Setns(int(h.file.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		if errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("enter network namespace %s: %w; run as root or with CAP_SYS_ADMIN, "+
				"here and in the user namespace that owns it", h.Name, err)
		}
		return fmt.Errorf("enter network namespace %s: %w", h.Name, err)
	}
	defer func() {
		if unix.Setns(home, unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
	}()
	return fn()
}

// Do opens a namespace that [Find] has found, runs fn inside and closes it. The
// error is [ErrGone] where the namespace ended meanwhile.
func (n Namespace) Do(fn func() error) error {
	h, err := n.Open()
	if err != nil {
		return err
	}
	defer h.Close()
	return h.Do(fn)
}
