package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"
	"time"
)

// Grace is how long a run has to return, once it is told to end, before the process
// is ended under it: whatever it reads may stand still, and so may whoever reads what
// it prints.
const Grace = 500 * time.Millisecond

// Interrupt ends a run on signals, but not while settings are written. A nil one
// never does.
type Interrupt struct {
	writing chan struct{} // whoever puts something into it writes, or ends the process
}

// NewInterrupt returns one for a single run.
func NewInterrupt() *Interrupt { return &Interrupt{writing: make(chan struct{}, 1)} }

// Watch returns a context that the first signal ends. Where the run does not return
// within [Grace], or a second signal comes, tidy and then exit are called, the latter
// with the exit code of the first signal: at once, or when settings that are being
// written are written and the run had time to say so.
func (i *Interrupt) Watch(signals <-chan os.Signal, tidy func(), exit func(code int)) context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	go func() {
		first := signalled{(<-signals).(syscall.Signal)}
		cancel(first)
		wait(signals)
		select {
		case i.writing <- struct{}{}: // it stays there: nothing is to be written any more
		default:
			i.writing <- struct{}{}
			wait(nil)
		}
		tidy()
		exit(first.code())
	}()
	return ctx
}

// wait waits for a signal, but no longer than [Grace].
func wait(signals <-chan os.Signal) {
	select {
	case <-signals:
	case <-time.After(Grace):
	}
}

// Hold runs what writes settings, unless ctx is done: then nothing is begun.
func (i *Interrupt) Hold(ctx context.Context, write func() error) error {
	if i != nil {
		i.writing <- struct{}{}
		defer func() { <-i.writing }()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return write()
}

// signalled is why a run ends that was told to by a signal.
type signalled struct{ syscall.Signal }

// Error says which.
func (s signalled) Error() string { return "ended by signal: " + s.String() }

// code is what a shell has for a process that a signal ended (bash(1), "$?").
func (s signalled) code() int { return 128 + int(s.Signal) }

// interrupted is the exit code of a run whose context is done.
func interrupted(ctx context.Context) int {
	var signal signalled
	if errors.As(context.Cause(ctx), &signal) {
		return signal.code()
	}
	return ExitInterrupted
}

// Tidy leaves a terminal fit for whoever is next: no half a line, no colour. A
// terminal that takes nothing, as one stopped with Ctrl-S, is left to itself.
func Tidy(streams ...io.Writer) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, stream := range streams {
			if _, onTerminal := terminal(stream); onTerminal {
				_, _ = io.WriteString(stream, plainColours+eraseLine)
			}
		}
	}()
	select {
	case <-done:
	case <-time.After(Grace / 5):
	}
}

// plainColours ends all colours (ECMA-48, SGR 0).
const plainColours = "\x1b[0m"
