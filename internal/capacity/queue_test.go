package capacity

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestNeededIsThePercentile holds the percentile against a sum of the
// probabilities, term by term.
func TestNeededIsThePercentile(t *testing.T) {
	for _, mean := range []float64{0.001, 0.5, 3, 42, 600} {
		for _, p := range []float64{0.5, 0.95, 0.999, 0.999999} {
			got := Needed(mean, p)
			if below, reached := poissonCDF(mean, got-1), poissonCDF(mean, got); below >= p || reached < p {
				t.Errorf("mean %v: %d ports for %v, but %v are enough with fewer, %v with these", mean, got, p, below, reached)
			}
		}
	}
}

func poissonCDF(mean float64, n int) float64 {
	sum := 0.0
	for k := 0; k <= n; k++ {
		logGamma, _ := math.Lgamma(float64(k) + 1)
		sum += math.Exp(float64(k)*math.Log(mean) - mean - logGamma)
	}
	return sum
}

// TestProbabilitiesAreThoseOfPoisson holds the two against a sum over all
// numbers of ports, far into both tails.
func TestProbabilitiesAreThoseOfPoisson(t *testing.T) {
	for _, mean := range []float64{0.001, 1, 42, 600} {
		sum := 0.0
		for n := range 2000 {
			term := exactly(mean, float64(n))
			sum += term
			if want := poissonCDF(mean, n) - poissonCDF(mean, n-1); n < 100 && math.Abs(term-want) > 1e-12 {
				t.Fatalf("mean %v: exactly %d with probability %v, want %v", mean, n, term, want)
			}
			if got := atMost(mean, float64(n)); math.Abs(got-sum) > 1e-11 {
				t.Fatalf("mean %v: at most %d with probability %v, want %v", mean, n, got, sum)
			}
		}
	}
}

// TestNoPortsBelowNone: the law of peaks asks for numbers below zero.
func TestNoPortsBelowNone(t *testing.T) {
	for _, n := range []float64{-1, -3} {
		if atMost(5, n) != 0 || exactly(5, n) != 0 {
			t.Errorf("%v ports in use with probability %v, at most so many with %v", n, exactly(5, n), atMost(5, n))
		}
	}
}

func TestNeededFarOut(t *testing.T) {
	for _, mean := range []float64{28200, 1e6, 1e9, 1e15} {
		got := (float64(Needed(mean, 0.999)) - mean) / math.Sqrt(mean)
		if math.Abs(got-3.09) > 0.02 { // the normal distribution's percentile
			t.Errorf("mean %v: %v deviations above it, want 3.09", mean, got)
		}
	}
}

func TestMaxMeanIsTheInverse(t *testing.T) {
	for _, ports := range []int{0, 1, 10, 14116, 28232, 64511} {
		for _, p := range []float64{0.5, 0.999, 0.999999} {
			mean := maxMean(ports, p)
			if got := Needed(mean*0.9999, p); got > ports {
				t.Errorf("%d ports, %v: a mean just below %v needs %d", ports, p, mean, got)
			}
			if got := Needed(mean*1.0001, p); got <= ports {
				t.Errorf("%d ports, %v: a mean just above %v needs only %d", ports, p, mean, got)
			}
		}
	}
}

func TestLost(t *testing.T) {
	for _, tt := range []struct {
		mean  float64
		ports int
		want  float64
	}{
		{1, 1, 0.5}, {2, 2, 0.4}, {10, 10, 0.21458}, // tables of Erlang B
		{100, 28232, 0}, {1e-9, 5, 0}, {1e9, 10, 1}, {5, 0, 1},
	} {
		if got := Lost(tt.mean, tt.ports); math.Abs(got-tt.want) > 1e-5 {
			t.Errorf("Lost(%v, %d) = %v, want %v", tt.mean, tt.ports, got, tt.want)
		}
	}
}

// TestPeakIsThatOfAQueue holds Naus's law against queues played out.
func TestPeakIsThatOfAQueue(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, mean := range []float64{4, 60, 400} {
		const plays = 1000
		peaks := make([]int, plays)
		for i := range peaks {
			peaks[i] = playQueue(random, mean)
		}
		slices.Sort(peaks)
		for _, p := range []float64{0.1, 0.5, 0.9} {
			want := peaks[int(p*plays)]
			if got := Peak(mean, 1, p); math.Abs(float64(got-want)) > 1+0.1*math.Sqrt(mean) {
				t.Errorf("mean %v: peak %d with probability %v, %d among %d queues", mean, got, p, want, plays)
			}
		}
	}
}

// playQueue is the peak of a queue over one holding time of length 1, after one
// in which it filled.
func playQueue(random *rand.Rand, mean float64) int {
	var open []float64
	peak := 0
	for now := random.ExpFloat64() / mean; now < 2; now += random.ExpFloat64() / mean {
		for now > 1 && len(open) > 0 && open[0] < now-1 {
			open = open[1:]
		}
		open = append(open, now)
		if now > 1 {
			peak = max(peak, len(open))
		}
	}
	return peak
}

func TestPeakOfMoreTuplesIsHigher(t *testing.T) {
	one, many := Peak(1000, 1, 0.5), Peak(1000, 16, 0.5)
	if one <= 1000 || many <= one {
		t.Errorf("peak %d of one tuple, %d of sixteen, mean 1000", one, many)
	}
	if got := Peak(1e-6, 1, 0.5); got != 0 {
		t.Errorf("peak %d of nearly nothing", got)
	}
}
