package clock

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// Detached is a process of its own that waits.
type Detached struct {
	// Command is the program and its arguments that take change id back after a
	// time. It must write a byte to file descriptor [ReadyFD] when it is about
	// to wait.
	Command func(id int, after time.Duration) []string
}

// ReadyFD is the file descriptor on which the process says that it waits.
const ReadyFD = 3

// Start starts the process, in a session of its own, so that no terminal's end
// reaches it, and lets it go once it says that it waits.
func (d *Detached) Start(id int, after time.Duration) error {
	ready, readyWriter, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ready.Close()
	args := d.Command(id, after)
	command := exec.Command(args[0], args[1:]...)
	command.Dir = "/"
	command.ExtraFiles = []*os.File{readyWriter}
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
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

// Stop does nothing: the process looks at the change every second.
func (*Detached) Stop(int) {}

// Ready tells the caller of Start that the process waits, if it was started so.
func Ready() {
	pipe := os.NewFile(ReadyFD, "ready")
	_, _ = pipe.Write([]byte{1})
	_ = pipe.Close()
}
