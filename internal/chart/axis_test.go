package chart

import (
	"math"
	"strings"
	"testing"
)

// upTo accepts no more than n ticks.
func upTo(n int) func([]tick) bool {
	return func(ticks []tick) bool { return len(ticks) <= n }
}

func words(ticks []tick) string {
	list := make([]string, len(ticks))
	for i, t := range ticks {
		list[i] = t.text
	}
	return strings.Join(list, " ")
}

func TestTicksAreRound(t *testing.T) {
	for _, tt := range []struct {
		low, high float64
		log       bool
		most      int
		want      string
	}{
		{0, 1, false, 6, "0 0.2 0.4 0.6 0.8 1"},
		{0, 1, false, 12, "0 0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9 1"},
		{0, 564.6, false, 12, "0 50 100 150 200 250 300 350 400 450 500 550"},
		{0, 564.6, false, 3, "0 200 400"},
		{0, 564.6, false, 2, "0 500"},
		{-0.3, 0.3, false, 7, "-0.3 -0.2 -0.1 0 0.1 0.2 0.3"},
		{0.1, 0.7, false, 7, "0.1 0.2 0.3 0.4 0.5 0.6 0.7"},
		{17, 42, false, 6, "20 25 30 35 40"},
		{0, 3e9, false, 4, "0 1e+09 2e+09 3e+09"},
		{0, 2e-7, false, 3, "0 1e-07 2e-07"},
		{10, 1000, true, 10, "10 20 50 100 200 500 1000"},
		{10, 1000, true, 5, "10 100 1000"},
		{1, 1e12, true, 5, "1 100000 1e+10"},
		{1e-300, 1e300, true, 5, "1e-200 1 1e+200"},
		{21, 24, true, 5, "21 22 23 24"}, // no round power within
		{2, 6, true, 5, "2 5"},
	} {
		s := newScale(Axis{Min: tt.low, Max: tt.high, Log: tt.log}, nil, nil)
		if got := words(s.ticks(upTo(tt.most))); got != tt.want {
			t.Errorf("from %v to %v, log %v, up to %d ticks: %s; want %s", tt.low, tt.high, tt.log, tt.most, got, tt.want)
		}
	}
}

func TestTickWordsAreBounded(t *testing.T) {
	s := newScale(Axis{Max: 1, Format: func(float64) string { return strings.Repeat("W", 1000) }}, nil, nil)
	for _, tick := range s.ticks(upTo(5)) {
		if w := wordsWidth(tick.text, wordSize); w > tickRoom {
			t.Errorf("the words at %v are %v wide", tick.value, w)
		}
	}
}

func TestRangeOfPoints(t *testing.T) {
	series := func(ys ...float64) (list []Series) {
		for _, y := range ys {
			list = append(list, Series{Points: []Point{{Y: y}}})
		}
		return list
	}
	for _, tt := range []struct {
		name      string
		axis      Axis
		series    []Series
		low, high float64
	}{
		{"as given", Axis{Min: 3, Max: 4}, series(1, 9), 3, 4},
		{"points", Axis{}, series(1, 9, math.NaN(), math.Inf(1)), 1, 9},
		{"no points", Axis{}, nil, 0, 1},
		{"no points, log", Axis{Log: true}, series(0, -1), 1, 10},
		{"one value", Axis{}, series(8), 4, 12},
		{"only zero", Axis{}, series(0), -0.5, 0.5},
		{"one value, log", Axis{Log: true}, series(8, -8), 0.8, 80},
		{"upside down", Axis{Min: 4, Max: 3}, series(1, 9), 1, 9},
		{"zero on a log axis", Axis{Log: true, Max: 10}, series(1, 9), 1, 9},
	} {
		s := newScale(tt.axis, tt.series, func(p Point) float64 { return p.Y })
		if s.Min != tt.low || s.Max != tt.high {
			t.Errorf("%s: from %v to %v, want %v to %v", tt.name, s.Min, s.Max, tt.low, tt.high)
		}
	}
}

func TestPlaces(t *testing.T) {
	linear := newScale(Axis{Min: 10, Max: 20}, nil, nil)
	log := newScale(Axis{Min: 1, Max: 100, Log: true}, nil, nil)
	all := newScale(Axis{Min: -4e307, Max: 4e307}, nil, nil)
	for _, tt := range []struct {
		scale       scale
		value, want float64
	}{
		{linear, 10, 0}, {linear, 15, 0.5}, {linear, 20, 1}, {linear, 30, 2},
		{log, 1, 0}, {log, 10, 0.5}, {log, 100, 1}, {all, 0, 0.5},
	} {
		if got := tt.scale.place(tt.value); math.Abs(got-tt.want) > 1e-12 {
			t.Errorf("%v on an axis from %v to %v: %v, want %v", tt.value, tt.scale.Min, tt.scale.Max, got, tt.want)
		}
	}
	if !math.IsNaN(log.place(0)) || !math.IsNaN(linear.place(math.Inf(1))) {
		t.Error("what has no place got one")
	}
}
