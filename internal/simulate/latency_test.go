package simulate

import (
	"testing"
	"time"
)

func TestLatency(t *testing.T) {
	var times []time.Duration
	for i := 100; i > 0; i-- {
		times = append(times, time.Duration(i)*time.Microsecond)
	}
	want := Latency{Calls: 100, P50: 50, P90: 90, P99: 99, Max: 100}
	if got := latencyOf(times); got != want {
		t.Errorf("latency %+v, want %+v", got, want)
	}
	if times[0] != 100*time.Microsecond {
		t.Error("the times were sorted in place")
	}
	if got := latencyOf(nil); got != (Latency{}) {
		t.Errorf("latency of no calls %+v", got)
	}
	one := Latency{Calls: 1, P50: 7, P90: 7, P99: 7, Max: 7}
	if got := latencyOf([]time.Duration{7 * time.Microsecond}); got != one {
		t.Errorf("latency of one call %+v", got)
	}
}

func TestStepsCoverTheFilling(t *testing.T) {
	times := make([]time.Duration, 1001)
	for i := range times {
		times[i] = time.Duration(i) * time.Microsecond
	}
	steps := stepsOf(times)
	calls := 0
	for i, step := range steps {
		calls += step.Calls
		if i > 0 && (step.From != steps[i-1].To || step.P50 <= steps[i-1].Max) {
			t.Errorf("step %d is %+v, after %+v", i, step, steps[i-1])
		}
	}
	if calls != len(times) || steps[0].From != 0 || steps[len(steps)-1].To != 1 {
		t.Errorf("steps of %d calls from %v to %v, want %d", calls, steps[0].From, steps[len(steps)-1].To, len(times))
	}
}

// TestQuantileByCounting: no more than the rest may exceed it, and no value below
// it would do.
func TestQuantileByCounting(t *testing.T) {
	for n := 1; n <= 300; n++ {
		sorted := make([]float64, n)
		for i := range sorted {
			sorted[i] = float64(i + 1) // as many values are at most i
		}
		for _, percent := range []int{0, 1, 50, 90, 99, 100} {
			got := quantile(sorted, float64(percent)/100)
			if 100*got < float64(percent*n) || got > 1 && 100*(got-1) >= float64(percent*n) {
				t.Errorf("%d%% of %d values: %v", percent, n, got)
			}
		}
	}
}
