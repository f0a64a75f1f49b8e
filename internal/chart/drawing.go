package chart

import (
	"bytes"
	"math"
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
	d.plot.x = margin + 1.3*lineHeight + tickGap + widest(d.yTicks)
	d.plot.w = rightEdge - d.plot.x
	d.xTicks = d.x.ticks(d.fitAcross)
	d.lines = d.allLines()
	return d
}

func widest(ticks []tick) float64 {
	most := 0.0
	for _, t := range ticks {
		most = math.Max(most, wordsWidth(t.text, wordSize))
	}
	return most
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

func (d *drawing) allLines() (lines []segment) {
	for _, series := range d.chart.Series {
		for _, run := range d.runs(series) {
			for i := 1; i < len(run); i++ {
				lines = append(lines, segment{run[i-1].X, run[i-1].Y, run[i].X, run[i].Y})
			}
		}
	}
	for _, mark := range d.chart.Marks {
		lines = append(lines, d.lineOf(mark))
	}
	return lines
}

func (d *drawing) title() {
	if d.chart.Title != "" {
		text := shortened(d.chart.Title, titleSize, width-2*margin)
		d.words("title ink", "middle", width/2, margin+titleSize*0.8, text)
	}
}

func (d *drawing) legend() {
	for _, e := range d.named {
		if middle := e.at.y + e.at.h/2; len(e.series.Points) > 0 {
			d.line(stroke(e.series), segment{e.at.x, middle, e.at.x + swatch - 6, middle})
		}
		d.words("ink", "start", e.at.x+swatch, e.at.y+e.at.h/2+wordSize*0.35, e.text)
	}
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
	d.upwards("ink", margin+wordSize*0.8, p.y+p.h/2, shortened(d.y.Label, wordSize, p.h))
}

// curves draws the series and the marks, cut off at the edge of the plot.
func (d *drawing) curves() {
	d.openPlot()
	for _, mark := range d.chart.Marks {
		if d.shown(mark) {
			d.line("mark "+mark.Colour.String(), d.lineOf(mark))
		}
	}
	for _, series := range d.chart.Series {
		d.path(series)
	}
	d.closePlot()
}

func (d *drawing) markLabels() {
	for i, l := range d.labels() {
		if mark := d.chart.Marks[i]; l.text != "" && d.shown(mark) {
			d.words("note "+mark.Colour.String()+"-fill", "start", l.at.x, l.at.y+wordSize, l.text)
		}
	}
}

func stroke(series Series) string {
	class := "curve " + series.Colour.String()
	if series.Dashed {
		class += " dashed"
	}
	return class
}
