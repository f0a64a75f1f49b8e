package clock

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Detached is a process of its own that waits: the running program, once more.
type Detached struct {
	// Arguments make the program take change id back after a time. It must call
	// [Ready] when it is about to wait.
	Arguments func(id int, after time.Duration) []string
}

// self is the running program, also where its file was replaced or removed.
const self = "/proc/self/exe"

// readyFD is the file descriptor on which the process says that it waits.
const readyFD = firstFD

// Start starts the process, in a session of its own, so that no terminal's end
// reaches it, and lets it go once it says that it waits.
func (d *Detached) Start(id int, after time.Duration) error {
	ready, readyWriter, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ready.Close()
	command := exec.Command(self, d.Arguments(id, after)...)
	command.Args[0] = os.Args[0] // what ps shows
	command.Dir = "/"
	command.ExtraFiles = []*os.File{readyWriter}
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := closeOnExec(); err != nil {
		return fmt.Errorf("start a process that waits: %w", err)
	}
	err = command.Start()
	readyWriter.Close()
	if err != nil {
		return fmt.Errorf("start a process that waits: %w", err)
	}
	if _, err := io.ReadFull(ready, make([]byte, 1)); err != nil {
		return errors.Join(errors.New("the process that was to wait ended at once"), command.Wait())
	}
	return command.Process.Release()
}

// closeOnExec keeps what this program has open, its callers' files among it, from
// programs that it starts: a lock on one of them, or a pipe, would stay for as long
// as the process waits. CLOSE_RANGE_CLOEXEC is of Linux 5.11 (close_range(2)).
func closeOnExec() error {
	err := unix.CloseRange(firstFD, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	if err == nil {
		return nil
	}
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return fmt.Errorf("find the open files: %w", err)
	}
	for _, entry := range open {
		if fd, err := strconv.Atoi(entry.Name()); err == nil && fd >= firstFD {
			unix.CloseOnExec(fd)
		}
	}
	return nil
}

// firstFD is the first file descriptor behind the standard streams.
const firstFD = 3

// Stop does nothing: the process looks at the change every second.
func (*Detached) Stop(int) {}

// Ready tells [Detached.Start], which started this process, that it waits.
func Ready() {
	pipe := os.NewFile(readyFD, "ready")
	_, _ = pipe.Write([]byte{1})
	_ = pipe.Close()
}
