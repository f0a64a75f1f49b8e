package chart

import (
	"fmt"
	"strings"
	"testing"
)

func TestSegmentsCrossBoxes(t *testing.T) {
	b := box{10, 10, 20, 10}
	for _, tt := range []struct {
		s    segment
		want bool
	}{
		{segment{0, 15, 40, 15}, true}, {segment{20, 0, 20, 40}, true}, {segment{0, 0, 40, 30}, true},
		{segment{12, 12, 13, 13}, true}, {segment{20, 15, 20, 15}, true},
		{segment{0, 5, 40, 5}, false}, {segment{0, 0, 9, 30}, false}, {segment{0, 30, 9, 0}, false},
		{segment{0, 20, 12, 40}, false}, {segment{50, 15, 60, 15}, false}, {segment{5, 5, 5, 5}, false},
	} {
		if got := tt.s.crosses(b); got != tt.want {
			t.Errorf("%v crosses the box: %v, want %v", tt.s, got, tt.want)
		}
	}
}

func TestShortened(t *testing.T) {
	for _, text := range []string{"", "short", strings.Repeat("long ", 100), strings.Repeat("長", 100), strings.Repeat("\xff", 100)} {
		got := shortened(text, wordSize, 100)
		if wordsWidth(got, wordSize) > 100 {
			t.Errorf("%q is wider than there is room", got)
		}
		if got != text && !strings.HasPrefix(text, strings.TrimSuffix(got, "…")) {
			t.Errorf("%q is no beginning of %q", got, text)
		}
	}
	if got := shortened("short", wordSize, 100); got != "short" {
		t.Errorf("%q was cut", got)
	}
}

func named(n int, name string) (series []Series) {
	for i := range n {
		series = append(series, Series{Name: fmt.Sprint(name, i)})
	}
	return series
}

func TestLegendKeepsEntriesApart(t *testing.T) {
	for _, tt := range []struct {
		n             int
		name          string
		entries, rows int
	}{
		{0, "", 0, 0}, {3, "median ", 3, 1}, {4, strings.Repeat("percentile ", 3), 4, 2},
		{3, strings.Repeat("percentile ", 30), 3, 3}, {500, "process ", 35, 7}, {50, strings.Repeat("percentile ", 30), 7, 7},
	} {
		entries, bottom := legend(named(tt.n, tt.name), 40, 740, 30)
		if len(entries) != tt.entries || bottom != 30+float64(tt.rows)*lineHeight {
			t.Errorf("%d series %q: %d entries down to %v, want %d in %d rows", tt.n, tt.name, len(entries), bottom, tt.entries, tt.rows)
		}
		for i, e := range entries {
			if e.at.x < 40 || e.at.right()-entryGap > 740+1e-9 || i > 0 && e.at.overlaps(entries[i-1].at) {
				t.Errorf("%d series %q: entry %d at %+v", tt.n, tt.name, i, e.at)
			}
		}
	}
}

func TestLegendCountsWhatHasNoRoom(t *testing.T) {
	entries, _ := legend(named(500, "process "), 40, 740, 30)
	if last := entries[len(entries)-1]; last.text != "and 466 more" {
		t.Errorf("the last entry says %q", last.text)
	}
}

// TestMarksAreNamedBesideCurves: where there is a place that covers nothing, the
// words are there.
func TestMarksAreNamedBesideCurves(t *testing.T) {
	rising := []Series{{Points: []Point{{0, 0}, {1, 1}}}}
	for name, marks := range map[string][]Mark{
		"low":      {{At: 0.1, Label: "a mark"}},
		"high":     {{At: 0.9, Label: "a mark"}},
		"top":      {{At: 1, Label: "a mark"}},
		"bottom":   {{At: 0, Label: "a mark"}},
		"vertical": {{Vertical: true, At: 0.5, Label: "a mark"}},
		"ends":     {{Vertical: true, At: 0, Label: "a mark"}, {Vertical: true, At: 1, Label: "another"}},
		"same":     {{At: 0.5, Label: "a mark"}, {At: 0.5, Label: "another"}, {Vertical: true, At: 0.5, Label: "a third"}},
	} {
		d := newDrawing(&Chart{X: Axis{Max: 1}, Y: Axis{Max: 1}, Series: rising, Marks: marks})
		labels := d.labels()
		for i, l := range labels {
			if weight := d.covered(l.at, labels[:i]); weight > 0 {
				t.Errorf("%s: %q at %+v covers something (%d)", name, l.text, l.at, weight)
			}
		}
	}
}

func TestTicksHaveRoom(t *testing.T) {
	wide := func(v float64) string { return fmt.Sprintf("%.0f connections", v) }
	for _, axis := range []Axis{{Max: 1e6}, {Max: 1e6, Format: wide}, {Min: 1, Max: 1e9, Log: true, Format: wide}} {
		d := newDrawing(&Chart{Title: "t", X: axis, Y: axis})
		if len(d.xTicks) < 2 || len(d.yTicks) < 2 {
			t.Errorf("%d and %d ticks", len(d.xTicks), len(d.yTicks))
		}
		for i := 1; i < len(d.xTicks); i++ {
			if d.below(d.xTicks[i]).overlaps(d.below(d.xTicks[i-1])) {
				t.Errorf("%q covers %q", d.xTicks[i].text, d.xTicks[i-1].text)
			}
		}
		for _, tick := range d.xTicks {
			if at := d.below(tick); at.right() > width {
				t.Errorf("%q leaves the drawing", tick.text)
			}
		}
	}
}
