package collect

import (
	"context"
	"errors"
	"testing"
	"time"

	"portrange/internal/host"
)

// TestLooksDoNotDrift: due times are whole intervals after the first, and a look
// that comes late puts off none of those after it.
func TestLooksDoNotDrift(t *testing.T) {
	start := time.Now()
	at := func(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }
	for name, tt := range map[string]struct{ due, now, want time.Time }{
		"in time":              {at(3), at(3.1), at(4)},
		"just in time":         {at(3), at(3.999), at(4)},
		"late by one interval": {at(3), at(4.2), at(4)},
		"late by many":         {at(3), at(7.5), at(7)},
		"late to the point":    {at(3), at(5), at(5)},
	} {
		if got := next(tt.due, tt.now, time.Second); !got.Equal(tt.want) {
			t.Errorf("%s: due after %v, want %v", name, got.Sub(start), tt.want.Sub(start))
		}
	}
}

func TestEveryLooksAtOnceAndInTime(t *testing.T) {
	const interval = 30 * time.Millisecond
	c, begun := from(fakeSource{label: "bpf"}), time.Now()
	var looks []time.Duration
	stream := c.Every(t.Context(), here(t), host.WantSockets, interval)
	for state := range stream.All() {
		looks = append(looks, state.TakenAt.Sub(begun))
		if len(looks) == 2 {
			time.Sleep(2 * interval) // the consumer is slow, and two looks are overdue
		}
		if len(looks) == 5 {
			break
		}
	}
	if stream.Err() != nil || looks[0] > interval {
		t.Fatalf("looks after %v, error %v", looks, stream.Err())
	}
	// One look makes up for the two that were overdue; then it goes on in time.
	for i, least := range []time.Duration{0, interval, 3 * interval, 4 * interval, 5 * interval} {
		if looks[i] < least {
			t.Errorf("look %d after %v, want %v or more", i, looks[i], least)
		}
	}
}

func TestEveryEndsWithItsContextOrALookThatFails(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream, n := from(fakeSource{label: "bpf"}).Every(ctx, here(t), host.WantSockets, time.Hour), 0
	for range stream.All() {
		n++
		cancel()
	}
	if n != 1 || !errors.Is(stream.Err(), context.Canceled) {
		t.Errorf("%d looks, error %v; want one and %v", n, stream.Err(), context.Canceled)
	}
	failing := from(fakeSource{err: errBroken}).Every(t.Context(), here(t), host.WantSockets, time.Hour)
	for range failing.All() {
		t.Error("a look that failed")
	}
	if !errors.Is(failing.Err(), errBroken) {
		t.Errorf("error %v, want %v", failing.Err(), errBroken)
	}
}
