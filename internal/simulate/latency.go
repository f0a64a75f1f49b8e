package simulate

import (
	"slices"
	"time"

	"gonum.org/v1/gonum/stat"
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
	at := func(p float64) float64 { return stat.Quantile(p, stat.Empirical, sorted, nil) }
	return Latency{Calls: len(sorted), P50: at(0.5), P90: at(0.9), P99: at(0.99), Max: at(1)}
}
