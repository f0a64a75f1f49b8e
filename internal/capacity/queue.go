package capacity

import (
	"math"
	"sort"

	"gonum.org/v1/gonum/mathext"
)

// Needed is the least number of ports that with probability p is not exceeded by
// those in use at a moment, where mean are in use on average.
func Needed(mean, p float64) int {
	most := int(mean+50*math.Sqrt(mean)) + 50
	return sort.Search(most, func(n int) bool { return atMost(mean, float64(n)) >= p })
}

// maxMean is the largest mean for which [Needed] is at most ports.
func maxMean(ports int, p float64) float64 {
	return mathext.GammaIncRegCompInv(float64(ports)+1, p)
}

// Lost is the share of connect() calls that find no port, where mean ports would
// be in use if there were enough: Erlang's loss formula, by its recursion.
func Lost(mean float64, ports int) float64 {
	inverse := 1.0
	for n := 1; n <= ports; n++ {
		inverse = 1 + inverse*float64(n)/mean
		if math.IsInf(inverse, 1) {
			return 0
		}
	}
	return 1 / inverse
}

// Peak is the number of ports that with probability p none of tuples exceeds at
// any moment of a window as long as the blocked time, which is the same for all
// connections; mean are in use on average.
//
// In use at a moment are the connections that began within one blocked time
// before it, so the peak is a scan statistic of a Poisson process over two
// windows, for which J. I. Naus gives the exact law: "Approximations for
// distributions of scan statistics", JASA 77 (1982).
func Peak(mean float64, tuples int, p float64) int {
	each := math.Pow(p, 1/float64(tuples))
	most := int(mean+50*math.Sqrt(mean)) + 50
	return sort.Search(most, func(n int) bool {
		k := float64(n + 1)
		below := math.Pow(atMost(mean, k-1), 2) - // that fewer than k ports are in use all the time
			exactly(mean, k)*((k-1)*exactly(mean, k-2)+(k-1-mean)*atMost(mean, k-3))
		return below >= each
	})
}

// atMost is the probability that no more than n ports are in use, where mean are
// on average: that of a Poisson distribution, which is an incomplete gamma
// function.
func atMost(mean, n float64) float64 {
	if n < 0 {
		return 0
	}
	return mathext.GammaIncRegComp(n+1, mean)
}

// exactly is the probability that n ports are in use.
func exactly(mean, n float64) float64 {
	if n < 0 {
		return 0
	}
	logFactorial, _ := math.Lgamma(n + 1)
	return math.Exp(n*math.Log(mean) - mean - logFactorial)
}
