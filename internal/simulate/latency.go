package simulate

import (
	"math"
	"slices"
	"time"
)

// Latency is how long calls took, in microseconds.
type Latency struct {
	Calls int     `json:"calls" doc:"calls measured"`
	P50   float64 `json:"p50_us" doc:"median in microseconds"`
	P90   float64 `json:"p90_us" doc:"90th percentile"`
	P99   float64 `json:"p99_us" doc:"99th percentile"`
	Max   float64 `json:"max_us" doc:"the longest"`
}

// latencyOf sums up single times; all figures are 0 where there are none.
func latencyOf(times []time.Duration) Latency {
	if len(times) == 0 {
		return Latency{}
	}
	sorted := make([]float64, len(times))
	for i, t := range times {
		sorted[i] = float64(t) / float64(time.Microsecond)
	}
	slices.Sort(sorted)
	return Latency{
		Calls: len(sorted),
		P50:   quantile(sorted, 0.5), P90: quantile(sorted, 0.9), P99: quantile(sorted, 0.99), Max: sorted[len(sorted)-1],
	}
}

// quantile is the least value that a share p of all, which are sorted, does not
// exceed.
func quantile(sorted []float64, p float64) float64 {
	return sorted[max(int(math.Ceil(p*float64(len(sorted)))), 1)-1]
}
