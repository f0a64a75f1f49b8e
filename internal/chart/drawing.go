package chart

import (
	"bytes"
	"fmt"
	"math"
	"strings"

	"portrange/internal/escape"
)

// drawing is a chart on its way to SVG.
type drawing struct {
	chart  *Chart
	x, y   scale
	plot   box // the part between the axes
	xTicks []tick
	yTicks []tick
	named  []entry
	lines  []segment // all that words had better not cover
	out    bytes.Buffer
}

// newDrawing finds room for everything: what is above and beside the plot has
// the size that its words need.
func newDrawing(c *Chart) *drawing {
	d := &drawing{chart: c}
	d.x = newScale(c.X, c.Series, func(p Point) float64 { return p.X })
	d.y = newScale(c.Y, c.Series, func(p Point) float64 { return p.Y })
	top := margin
	if c.Title != "" {
		top += titleSize * 1.5
	}
	d.named, top = legend(c.Series, margin+1.3*lineHeight, rightEdge, top)
	bottom := height - margin - 2*lineHeight
	d.plot = box{0, top + tickGap, 0, bottom - top - tickGap}
	d.yTicks = d.y.ticks(d.fitUp)
	widest := 0.0
	for _, t := range d.yTicks {
		widest = math.Max(widest, wordsWidth(t.text, wordSize))
	}
	d.plot.x = margin + 1.3*lineHeight + tickGap + widest
	d.plot.w = rightEdge - d.plot.x
	d.xTicks = d.x.ticks(d.fitAcross)
	for _, series := range c.Series {
		for _, run := range d.runs(series) {
			for i := 1; i < len(run); i++ {
				d.lines = append(d.lines, segment{run[i-1].X, run[i-1].Y, run[i].X, run[i].Y})
			}
		}
	}
	for _, mark := range c.Marks {
		d.lines = append(d.lines, d.lineOf(mark))
	}
	return d
}

// fitUp reports whether the words of ticks have room above each other.
func (d *drawing) fitUp(ticks []tick) bool {
	for i := 1; i < len(ticks); i++ {
		if d.placeY(ticks[i-1].value)-d.placeY(ticks[i].value) < 2*wordSize {
			return false
		}
	}
	return true
}

// fitAcross reports whether the words of ticks have room beside each other.
func (d *drawing) fitAcross(ticks []tick) bool {
	for i := 1; i < len(ticks); i++ {
		left, right := d.below(ticks[i-1]), d.below(ticks[i])
		if right.x-left.right() < wordSize {
			return false
		}
	}
	return true
}

// below is the room of the words at a tick of the X axis. None leave the drawing.
func (d *drawing) below(t tick) box {
	w := wordsWidth(t.text, wordSize)
	return box{math.Min(d.placeX(t.value)-w/2, width-w), d.plot.bottom() + tickGap, w, wordSize}
}

func (d *drawing) placeX(v float64) float64 { return d.plot.x + near(d.x.place(v))*d.plot.w }
func (d *drawing) placeY(v float64) float64 { return d.plot.bottom() - near(d.y.place(v))*d.plot.h }

// near keeps what lies far outside of the plot within numbers that every viewer
// can handle.
func near(place float64) float64 { return math.Max(-10, math.Min(place, 11)) }

// lineOf is where a mark goes across the plot.
func (d *drawing) lineOf(mark Mark) segment {
	if mark.Vertical {
		x := d.placeX(mark.At)
		return segment{x, d.plot.y, x, d.plot.bottom()}
	}
	y := d.placeY(mark.At)
	return segment{d.plot.x, y, d.plot.right(), y}
}

// shown reports whether a mark's value is on its axis.
func (d *drawing) shown(mark Mark) bool {
	axis := d.y
	if mark.Vertical {
		axis = d.x
	}
	place := axis.place(mark.At)
	return place >= 0 && place <= 1
}

// runs are the pieces of a series without interruption.
func (d *drawing) runs(series Series) (runs [][]Point) {
	var run []Point
	for _, p := range series.Points {
		at := Point{d.placeX(p.X), d.placeY(p.Y)}
		if math.IsNaN(at.X) || math.IsNaN(at.Y) {
			run = nil
			continue
		}
		if run == nil {
			runs = append(runs, nil)
		}
		run = append(run, at)
		runs[len(runs)-1] = run
	}
	return runs
}

// ticks draws the grid, the axes and the words at them.
func (d *drawing) ticks() {
	p := d.plot
	for _, t := range d.xTicks {
		x := d.placeX(t.value)
		d.line("grid", segment{x, p.y, x, p.bottom()})
		at := d.below(t)
		d.words("ink", "middle", at.x+at.w/2, at.bottom(), t.text)
	}
	for _, t := range d.yTicks {
		y := d.placeY(t.value)
		d.line("grid", segment{p.x, y, p.right(), y})
		d.words("ink", "end", p.x-tickGap, y+wordSize*0.35, t.text)
	}
	d.line("axis", segment{p.x, p.y, p.x, p.bottom()})
	d.line("axis", segment{p.x, p.bottom(), p.right(), p.bottom()})
	d.words("ink", "middle", p.x+p.w/2, height-margin, shortened(d.x.Label, wordSize, p.w))
	d.write(`<text class="ink" text-anchor="middle" transform="translate(%.1f %.1f) rotate(-90)">%s</text>`,
		margin+wordSize*0.8, p.y+p.h/2, escape.XML(shortened(d.y.Label, wordSize, p.h)))
}

// curves draws the series and the marks, cut off at the edge of the plot: an svg
// element inside the other needs no name for that, which would have to differ
// from all on a page. Where a run of points has only one, it is a dot.
func (d *drawing) curves() {
	p := d.plot
	d.write(`<svg x="%.1f" y="%.1f" width="%.1f" height="%.1f" viewBox="%.1f %.1f %.1f %.1f">`,
		p.x, p.y, p.w, p.h, p.x, p.y, p.w, p.h)
	for _, mark := range d.chart.Marks {
		if d.shown(mark) {
			d.line("mark "+mark.Colour.String(), d.lineOf(mark))
		}
	}
	for _, series := range d.chart.Series {
		var path strings.Builder
		for _, run := range d.runs(series) {
			if len(run) == 1 {
				d.write(`<circle class="%s-fill" cx="%.1f" cy="%.1f" r="3"/>`, series.Colour, run[0].X, run[0].Y)
				continue
			}
			for i, at := range run {
				fmt.Fprintf(&path, "%c%.1f %.1f", "ML"[min(i, 1)], at.X, at.Y)
			}
		}
		if path.Len() > 0 {
			d.write(`<path class="%s" d="%s"/>`, stroke(series), path.String())
		}
	}
	d.write(`</svg>`)
}

func stroke(series Series) string {
	class := "curve " + series.Colour.String()
	if series.Dashed {
		class += " dashed"
	}
	return class
}
