package simulate

import (
	"context"
	"time"
)

// clock is the time of a run. When the machine cannot keep up, the clock stands
// still: late events then come later, but as far apart from each other as
// planned, and not in a burst.
type clock struct {
	began time.Time
	slip  time.Duration
	now   time.Duration

	linger time.Duration
	// past are the moments that may still matter for linger, the oldest first.
	past []moment
}

// moment is a time on the clock, and how far the clock had slipped by then.
type moment struct{ at, slip time.Duration }

// tolerance is by how much an event may be late before the clock stands still.
const tolerance = time.Millisecond

// start sets the clock to 0. linger is a time that [clock.realLinger] is asked for.
func (c *clock) start(linger time.Duration) {
	*c = clock{began: time.Now(), linger: linger, past: []moment{{}}}
}

// wait returns at the time at, or when ctx is done, with its cause.
func (c *clock) wait(ctx context.Context, at time.Duration) error {
	c.now = at
	early := at - (time.Since(c.began) - c.slip)
	if early < -tolerance {
		c.slip -= early + tolerance
		c.past = append(c.past, moment{at, c.slip})
	}
	if early <= 0 {
		return context.Cause(ctx)
	}
	timer := time.NewTimer(early)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// realLinger is how long ago linger before now was: longer than linger, if the
// clock stood still since.
func (c *clock) realLinger() time.Duration {
	since := c.now - c.linger
	for len(c.past) > 1 && c.past[1].at <= since {
		c.past = c.past[1:]
	}
	return c.linger + c.slip - c.past[0].slip
}

// pace is the clock's time / time taken.
func (c *clock) pace() float64 {
	if taken := c.now + c.slip; taken > 0 {
		return float64(c.now) / float64(taken)
	}
	return 1
}
