package simulate

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestClockStandsStill has a clock that is an hour late: it may not catch up.
func TestClockStandsStill(t *testing.T) {
	var c clock
	c.start(10 * time.Millisecond)
	c.began = c.began.Add(-time.Hour)
	if err := c.wait(t.Context(), 20*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if c.slip < 59*time.Minute {
		t.Errorf("the clock slipped by %v, want nearly an hour", c.slip)
	}
	if got := c.realLinger(); got < 59*time.Minute {
		t.Errorf("the last 10 ms took %v, want nearly an hour", got)
	}
	if got := c.pace(); got > 0.01 {
		t.Errorf("pace %v", got)
	}
	if err := c.wait(t.Context(), 30*time.Millisecond); err != nil { // the slip at 20 ms is 10 ms ago by then
		t.Fatal(err)
	}
	if got := c.realLinger(); got > time.Minute {
		t.Errorf("the 10 ms after took %v", got)
	}
}

func TestClockKeepsTime(t *testing.T) {
	var c clock
	c.start(time.Second)
	begin := time.Now()
	if err := c.wait(t.Context(), 20*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took < 19*time.Millisecond {
		t.Errorf("20 ms were over in %v", took)
	}
}

func TestClockEndsWithItsContext(t *testing.T) {
	why := errors.New("the machine is too busy")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	var c clock
	c.start(0)
	for _, at := range []time.Duration{0, time.Hour} {
		if err := c.wait(ctx, at); !errors.Is(err, why) {
			t.Errorf("waiting until %v: %v, want %v", at, err, why)
		}
	}
}
