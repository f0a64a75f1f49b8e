package chart

import (
	"math"
	"strconv"
)

// scale puts the values of one axis in their places, from 0 to 1.
type scale struct{ Axis }

// newScale is that of an axis; value picks what belongs on it of a point.
func newScale(axis Axis, series []Series, value func(Point) float64) scale {
	s := scale{axis}
	if s.Min >= s.Max || !s.has(s.Min) || !s.has(s.Max) {
		low, high := math.Inf(1), math.Inf(-1) // so they stay where no point has a place
		for _, one := range series {
			for _, point := range one.Points {
				if v := value(point); s.has(v) {
					low, high = math.Min(low, v), math.Max(high, v)
				}
			}
		}
		s.Min, s.Max = s.widened(low, high)
	}
	if math.IsNaN(s.place(s.Max)) { // too near each other for logarithms
		s.Min, s.Max = s.widened(s.Min, s.Min)
	}
	return s
}

// widened makes a range out of one value or of none, for which low is above high.
func (s scale) widened(low, high float64) (from, to float64) {
	switch {
	case low < high:
		return low, high
	case low > high && s.Log:
		return 1, 10
	case low > high:
		return 0, 1
	case s.Log:
		return math.Max(low/10, math.SmallestNonzeroFloat64), low * 10
	}
	around := math.Max(1, math.Abs(low)) / 2
	return low - around, low + around
}

// has reports whether a value has a place on the axis. The largest have none, so
// that a difference of two is a number too; nor has a NaN.
func (s scale) has(v float64) bool {
	return math.Abs(v) <= math.MaxFloat64/4 && (!s.Log || v > 0)
}

// place is 0 at the beginning of the axis and 1 at its end; NaN for a value that
// has no place.
func (s scale) place(v float64) float64 {
	switch {
	case !s.has(v):
		return math.NaN()
	case s.Log:
		return (math.Log(v) - math.Log(s.Min)) / (math.Log(s.Max) - math.Log(s.Min))
	}
	return (v - s.Min) / (s.Max - s.Min)
}

// tick is a value on an axis with its words.
type tick struct {
	value float64
	text  string
}

// ticks are at round values, as many as fit.
func (s scale) ticks(fit func([]tick) bool) []tick {
	steps := s.linearTicks
	if s.Log {
		steps = s.logTicks
	}
	var ticks []tick
	for density := range densities {
		ticks = nil
		for _, v := range steps(density) {
			ticks = append(ticks, tick{v, shortened(s.words(v), wordSize, tickRoom)})
		}
		if fit(ticks) {
			break
		}
	}
	return ticks
}

// densities is how many sets of ticks are tried, each with fewer than the one
// before.
const densities = 12

// linearTicks are multiples of 1, 2 or 5 times a power of ten: at first some
// twenty of them, then about half as many with each density.
func (s scale) linearTicks(density int) []float64 {
	exponent := int(math.Floor(math.Log10((s.Max-s.Min)/2))) - 1
	step := float64(roundStep(density)) * math.Pow10(exponent)
	var values []float64
	first := math.Ceil(s.Min/step - 1e-9)
	for i := range maxTicks {
		v := (first + float64(i)) * step
		if !(v <= s.Max+step*1e-9) { // so too where a step is beyond a float64
			break
		}
		if s.has(v) {
			values = append(values, v)
		}
	}
	return values
}

// roundStep is 1, 2, 5, 10, 20 and so on.
func roundStep(n int) int {
	step := []int{1, 2, 5}[n%3]
	for range n / 3 {
		step *= 10
	}
	return step
}

// maxTicks ends what rounding would make endless.
const maxTicks = 250

// logTicks are at 1, 2 and 5 of each decade at first, then at the decades, then
// at some of them. A range within which there are not two takes linear ticks.
func (s scale) logTicks(density int) []float64 {
	every, digits := 1, []float64{1, 2, 5}
	if density > 0 {
		every, digits = roundStep(density-1), []float64{1}
	}
	var values []float64
	low, high := int(math.Floor(math.Log10(s.Min))), int(math.Ceil(math.Log10(s.Max)))
	for power := low; power <= high; power++ {
		for _, digit := range digits {
			if v := digit * math.Pow10(power); power%every == 0 && v >= s.Min*(1-1e-9) && v <= s.Max*(1+1e-9) {
				values = append(values, v)
			}
		}
	}
	if len(values) < 2 && s.Max/s.Min < 100 {
		return s.linearTicks(density)
	}
	return values
}

// words are those of a value at a tick. Twelve digits leave out what the
// computation of its place added.
func (s scale) words(v float64) string {
	v, _ = strconv.ParseFloat(strconv.FormatFloat(v, 'g', 12, 64), 64)
	v += 0 // no negative zero
	if s.Format != nil {
		return s.Format(v)
	}
	if size := math.Abs(v); v != 0 && (size >= 1e9 || size < 1e-6) {
		return strconv.FormatFloat(v, 'g', 6, 64)
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}
