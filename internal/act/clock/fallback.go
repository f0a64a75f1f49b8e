package clock

import (
	"errors"
	"time"
)

// Fallback is a timer of systemd or, where that cannot be had, a process.
//
// Refusing would be no safer: who is refused goes without a clock. And the
// process errs on the safe side: ended with its session or service, it takes
// the change back at once.
type Fallback struct {
	Timer    *Timer
	Detached *Detached
	// Instead is told why it is the process.
	Instead func(why error)
}

// Start starts the timer, else the process. After a timer that may have been
// started all the same both strike, and the second finds nothing to do.
func (f *Fallback) Start(id int, after time.Duration) error {
	why := f.Timer.Start(id, after)
	if why == nil {
		return nil
	}
	if err := f.Detached.Start(id, after); err != nil {
		return errors.Join(why, err)
	}
	f.Instead(why)
	return nil
}

// Stop stops whichever was started.
func (f *Fallback) Stop(id int) {
	f.Timer.Stop(id)
	f.Detached.Stop(id)
}
