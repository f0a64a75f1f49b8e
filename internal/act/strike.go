package act

import (
	"context"
	"errors"
	"fmt"
	"time"

	"portrange/internal/act/journal"
)

// The times of a clock that meets resistance.
const (
	// lockPatience is how long a clock waits for its turn before it does without:
	// a change takes milliseconds, so whoever keeps the lock longer is stopped.
	lockPatience = 5 * time.Second
	// firstPause and longestPause are between two attempts.
	firstPause   = 100 * time.Millisecond
	longestPause = 10 * time.Second
	// farewell is how long a clock goes on for the sake of the journal alone.
	farewell = 10 * time.Minute
)

// Revert brings an entry to its end because its time is over: back, or forward if
// it was confirmed and that was interrupted. It waits for its turn. An entry that was
// damaged is written anew from the one at hand; one that is away is not: nothing
// must be in its place when it comes back.
func (a *Actor) Revert(ctx context.Context, at *journal.Entry) error {
	return a.settle(ctx, at, false)
}

// settle is [Actor.Revert] of a clock that may have put the running values back
// while it could not read that the change was confirmed: then they go forward again,
// unless another change came after it.
func (a *Actor) settle(ctx context.Context, at *journal.Entry, putBack bool) error {
	w, err := a.Journal.WaitLock(ctx)
	if err != nil {
		return err
	}
	defer w.Close()
	e, err := w.Recall(at.ID)
	switch {
	case errors.Is(err, journal.ErrDamaged):
		return a.revert(w, new(*at), "not confirmed in time; the entry was damaged")
	case err != nil:
		return err
	case !e.Same(at):
		return nil // the number has another change
	}
	standing, err := a.stand(&e)
	if err != nil {
		return err
	}
	switch standing.next() {
	case backward:
		return a.revert(w, &e, "not confirmed in time")
	case forward:
		return a.complete(w, &e)
	}
	if last, err := a.last(); !putBack || err != nil || last == nil || last.Entry.ID != e.ID || e.State != journal.Done {
		return err
	}
	_, err = a.restore(moves{settings: e.Settings})
	return err
}

// Strike is [Actor.Revert] that does not give up: what cannot be had, the lock and
// the journal included, is done without, and tried again until the change is settled
// in the journal too. What cannot be read counts as not confirmed. Told to end, it
// does so once the running values are back. report is told of each new resistance.
func (a *Actor) Strike(ctx context.Context, e *journal.Entry, report func(error)) {
	var safe time.Time // since when nothing but the journal is left to be done
	putBack, said := false, ""
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := a.settleSoon(e, putBack)
		if err == nil {
			return
		}
		if safe.IsZero() {
			var errBack error
			if a.mayAwait(e) {
				putBack = true
				_, errBack = a.restore(moves{settings: backwards(e).settings})
			}
			if errBack == nil {
				safe = time.Now()
			}
			err = errors.Join(err, errBack)
		}
		if text := err.Error(); text != said {
			said = text
			report(fmt.Errorf("take back %s: %w; it goes on trying", e.Title(), err))
		}
		if !safe.IsZero() && (ctx.Err() != nil || time.Since(safe) > farewell) {
			return
		}
		time.Sleep(pause)
	}
}

func (a *Actor) settleSoon(e *journal.Entry, putBack bool) error {
	ctx, stop := context.WithTimeout(context.Background(), lockPatience)
	defer stop()
	return a.settle(ctx, e, putBack)
}

// mayAwait reports whether the change still goes back, as far as can be read: one
// that was settled may have been followed by another with the same values.
func (a *Actor) mayAwait(e *journal.Entry) bool {
	now, err := a.Journal.Recall(e.ID)
	if err != nil {
		return true
	}
	awaits := now.State == journal.Begun || now.State == journal.Waiting || now.State == journal.Reverting
	return now.Same(e) && awaits
}

// glance is how often the journal is looked at by those who wait.
const glance = time.Second

// Await waits until a change is confirmed or taken back. What cannot be read is
// looked at again; the entry at hand then stands for it.
func (a *Actor) Await(ctx context.Context, e *journal.Entry) (journal.Entry, error) {
	latest := *e
	for {
		if now, err := a.Journal.Recall(e.ID); err == nil && now.Same(e) {
			latest = now
		}
		if latest.State == journal.Done || latest.State == journal.Reverted {
			return latest, nil
		}
		select {
		case <-ctx.Done():
			return latest, ctx.Err()
		case <-time.After(glance):
		}
	}
}
