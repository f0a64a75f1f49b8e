package collect

import (
	"context"
	"time"

	"portrange/internal/host"
	"portrange/internal/kernel/netns"
)

// Every looks at once and then once an interval, until ctx is done, a look fails
// or the consumer wants no more. The times of the looks do not drift: they are
// whole intervals after the first one, but for a look that comes late because the
// one before it, or the consumer, took that long. Looks never overlap.
func (c *Collector) Every(
	ctx context.Context, targets []netns.Namespace, want host.Want, interval time.Duration,
) *host.Stream[*host.State] {
	return host.NewStream(func(yield func(*host.State) bool) error {
		for due := time.Now(); ; due = next(due, time.Now(), interval) {
			select {
			case <-ctx.Done():
			case <-time.After(time.Until(due)):
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			state, err := c.Look(ctx, targets, want)
			if err != nil {
				return err
			}
			if !yield(state) {
				return nil
			}
		}
	})
}

// next is when the look after one that was due then is due. Where several are
// overdue they are made up for by one.
func next(due, now time.Time, interval time.Duration) time.Time {
	if late := now.Sub(due); interval > 0 && late >= interval {
		return due.Add(late / interval * interval) // now, and the one after that in time again
	}
	return due.Add(interval)
}
