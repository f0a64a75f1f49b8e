package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"portrange/internal/escape"
	"portrange/internal/report"
)

// A program in Go that crashes exits with 2, which reads as CRITICAL to whoever runs a
// plugin, and no recover() reaches a panic of another goroutine or an error of the
// runtime itself, such as memory that is not to be had. So check runs a second time
// below itself, and the first process does nothing but wait: it passes a result on, and
// makes UNKNOWN of everything else. What it does not cover is its own end.

// guardedVariable tells the second process that it is one.
const guardedVariable = "PORTRANGE_CHECK_GUARDED"

// guardedResult is added to the exit code of a result, which a crash has not.
const guardedResult = 64

// guardGrace is how long after the time limit a process that reads on is given up: the
// kernel may keep it for ever.
const guardGrace = time.Second

// guarded runs check in a process of its own where it can.
func (c *checkCommand) guarded(ctx context.Context) error {
	if c.Getenv(guardedVariable) != "" {
		err := c.run(ctx)
		var ended exitStatus
		if errors.As(err, &ended) {
			err = guardedResult + ended
		}
		return err
	}
	if len(c.Again) == 0 {
		return c.run(ctx)
	}
	limited, cancel := context.WithTimeout(ctx, c.timeout+guardGrace)
	defer cancel()
	var out bytes.Buffer
	command := c.again(limited, &out)
	runtime.LockOSThread() // with the thread that started it, the process would end
	defer runtime.UnlockOSThread()
	if err := command.Start(); err != nil {
		return c.run(ctx)
	}
	_ = command.Wait() // the state says all
	code := command.ProcessState.ExitCode() - guardedResult
	switch {
	case code >= report.PluginOK && code <= report.PluginUnknown:
		if _, err := c.Out.Write(out.Bytes()); err != nil {
			code = report.PluginUnknown
		}
		return exitStatus(code)
	case ctx.Err() != nil:
		return c.unknown(errors.New("interrupted"))
	case limited.Err() != nil:
		return c.unknown(fmt.Errorf("no result within %v", c.timeout))
	}
	return c.unknown(fmt.Errorf("portrange crashed (%s); what it said is on standard error, please report it", command.ProcessState))
}

// again is the second process.
func (c *checkCommand) again(ctx context.Context, out io.Writer) *exec.Cmd {
	command := exec.CommandContext(ctx, c.Again[0], c.Again[1:]...)
	command.Args[0] = os.Args[0] // what ps shows
	command.Env = append(os.Environ(), guardedVariable+"=1")
	command.Stdout, command.Stderr = out, c.Err
	if cleaned, is := c.Err.(escape.Writer); is {
		command.Stderr = cleaned.To
	}
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = guardGrace
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return command
}
