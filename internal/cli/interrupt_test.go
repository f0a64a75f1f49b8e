package cli

import (
	"context"
	"errors"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// watched is an Interrupt with signals and an end that a test looks at.
type watched struct {
	*Interrupt
	ctx     context.Context
	signals chan os.Signal
	exits   chan int
	tidied  bool
}

func watch() *watched {
	w := &watched{Interrupt: NewInterrupt(), signals: make(chan os.Signal, 2), exits: make(chan int, 1)}
	w.ctx = w.Watch(w.signals, func() { w.tidied = true }, func(code int) { w.exits <- code })
	return w
}

// endsAfter tells how long it takes until the process is ended, and the code.
func (w *watched) endsAfter(t *testing.T) (time.Duration, int) {
	t.Helper()
	begun := time.Now()
	code := <-w.exits
	if !w.tidied {
		t.Error("ended without a look at the terminal")
	}
	return time.Since(begun), code
}

func TestSignalsEndTheProcess(t *testing.T) {
	for name, tt := range map[string]struct {
		signals []os.Signal
		after   time.Duration
		code    int
	}{
		"one":            {[]os.Signal{syscall.SIGTERM}, Grace, 143},
		"Ctrl-C":         {[]os.Signal{syscall.SIGINT}, Grace, 130},
		"a second one":   {[]os.Signal{syscall.SIGINT, syscall.SIGTERM}, 0, 130},
		"a hanging line": {[]os.Signal{syscall.SIGHUP}, Grace, 129},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := watch()
				for _, signal := range tt.signals {
					w.signals <- signal
				}
				if after, code := w.endsAfter(t); after != tt.after || code != tt.code {
					t.Errorf("ended after %v with %d, want %v and %d", after, code, tt.after, tt.code)
				}
				if got := interrupted(w.ctx); got != tt.code {
					t.Errorf("a run that returns by itself exits with %d, want %d as well", got, tt.code)
				}
			})
		})
	}
}

// TestAWriteIsFinished: no signal ends a write, and its run may say what it did.
func TestAWriteIsFinished(t *testing.T) {
	for name, signals := range map[string]int{"one signal": 1, "several": 2} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := watch()
				const long = 20 * Grace
				written := false
				err := w.Hold(w.ctx, func() error {
					for range signals {
						w.signals <- syscall.SIGTERM
					}
					time.Sleep(long)
					written = true
					return w.ctx.Err()
				})
				if !written || !errors.Is(err, context.Canceled) {
					t.Errorf("written %v, error %v; want all of it, and to know of the signal", written, err)
				}
				if after, code := w.endsAfter(t); after != Grace || code != 143 {
					t.Errorf("ended %v after the write with %d, want %v and 143", after, code, Grace)
				}
			})
		})
	}
}

func TestAWriteIsNotBegunAfterASignal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch()
		w.signals <- syscall.SIGTERM
		<-w.ctx.Done()
		begun := false
		if err := w.Hold(w.ctx, func() error { begun = true; return nil }); begun || !errors.Is(err, context.Canceled) {
			t.Errorf("begun %v, error %v", begun, err)
		}
		w.endsAfter(t)
	})
	var none *Interrupt
	if err := none.Hold(context.Background(), func() error { return errors.ErrUnsupported }); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("without signals: error %v", err)
	}
}

func TestInterruptedWithoutASignal(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if got := interrupted(ctx); got != ExitInterrupted {
		t.Errorf("code %d, want %d", got, ExitInterrupted)
	}
}
