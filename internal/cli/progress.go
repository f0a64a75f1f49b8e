package cli

import (
	"fmt"
	"io"
	"sync"
	"time"

	"portrange/internal/escape"
)

const (
	progressAfter = time.Second
	progressEvery = 200 * time.Millisecond
	eraseLine     = "\r\x1b[K"
)

// progress shows on a terminal that work goes on once it takes long, and wipes
// that away when told to stop. On anything but a terminal it is silent.
func progress(w io.Writer, what string) (stop func()) {
	if _, onTerminal := terminal(w); !onTerminal {
		return func() {}
	}
	if cleaned, is := w.(escape.Writer); is {
		w = cleaned.To // which moves the cursor
	}
	done := make(chan struct{})
	var finished sync.WaitGroup
	finished.Go(func() {
		begun := time.Now()
		next := time.NewTimer(progressAfter)
		defer next.Stop()
		for shown := false; ; shown = true {
			select {
			case <-done:
				if shown {
					fmt.Fprint(w, eraseLine)
				}
				return
			case <-next.C:
				fmt.Fprintf(w, "%s%s … %.0f s", eraseLine, what, time.Since(begun).Seconds())
				next.Reset(progressEvery)
			}
		}
	})
	return sync.OnceFunc(func() {
		close(done)
		finished.Wait()
	})
}
