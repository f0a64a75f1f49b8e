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

// How long the second process has to end by itself: after its time limit, and after a
// signal, which must leave time to print a result before [Grace] is over. Then nobody
// waits for it, not even for its death: what it reads may keep it for ever, SIGKILL or not.
const (
	guardGrace  = time.Second
	signalGrace = Grace / 2
)

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
	var out bytes.Buffer
	command := c.again(&out)
	runtime.LockOSThread() // with the thread that started it, the process would end
	defer runtime.UnlockOSThread()
	if err := command.Start(); err != nil {
		return c.run(ctx)
	}
	if !c.ends(ctx, command) {
		if ctx.Err() != nil {
			return c.unknown(errors.New("interrupted"))
		}
		return c.unknown(fmt.Errorf("no result within %v", c.timeout))
	}
	code := command.ProcessState.ExitCode() - guardedResult
	switch {
	case code >= report.PluginOK && code <= report.PluginUnknown:
		if _, err := c.Out.Write(out.Bytes()); err != nil {
			code = report.PluginUnknown
		}
		return exitStatus(code)
	case ctx.Err() != nil:
		return c.unknown(errors.New("interrupted"))
	}
	return c.unknown(fmt.Errorf("portrange crashed (%s); what it said is on standard error, please report it",
		command.ProcessState))
}

// ends waits for the second process, passes an end of ctx on to it, and reports whether it
// ended in time.
func (c *checkCommand) ends(ctx context.Context, command *exec.Cmd) bool {
	ended := make(chan struct{})
	go func() {
		_ = command.Wait() // the state says all
		close(ended)
	}()
	select {
	case <-ended:
		return true
	case <-ctx.Done():
		_ = command.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
			return true
		case <-time.After(signalGrace):
		}
	case <-time.After(c.timeout + guardGrace):
	}
	_ = command.Process.Kill()
	return false
}

// again is the second process.
func (c *checkCommand) again(out io.Writer) *exec.Cmd {
	command := exec.Command(c.Again[0], c.Again[1:]...)
	command.Args[0] = os.Args[0] // what ps shows
	command.Env = append(os.Environ(), guardedVariable+"=1")
	command.Stdout, command.Stderr = out, c.Err
	if cleaned, is := c.Err.(escape.Writer); is {
		command.Stderr = cleaned.To
	}
	command.WaitDelay = guardGrace // for whoever else has its standard output
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return command
}
