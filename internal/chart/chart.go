// Package chart draws lines against two axes as SVG.
//
// It knows how to choose ticks, where words fit without covering a curve, and
// which colours stand out on a light and on a dark page: the drawing carries
// both and the viewer picks by prefers-color-scheme. Words stay text, which can
// be searched and copied, and any characters may be in them.
//
// It refuses to know what is drawn: a [Chart] is a value that others fill in, see
// package figure. It draws no other format, as that takes fonts, which are
// larger than the rest of the program.
package chart

import "portrange/internal/escape"

// Chart is all that is drawn. Its zero value is an empty pair of axes.
type Chart struct {
	Title  string
	X, Y   Axis
	Series []Series
	Marks  []Mark
}

// Axis is one of the two. Without a range (Min and Max are the same) it spans
// the points of all series.
type Axis struct {
	Label    string
	Min, Max float64
	Log      bool                       // values from 0 down have no place on it
	Format   func(value float64) string // the words at a tick; nil: the plain number
}

// Point is a pair of values. One that has no place, such as a NaN, interrupts
// the line.
type Point struct{ X, Y float64 }

// Series is a line through points in the order given. One with a name is in the
// legend, and one without points is there only.
type Series struct {
	Name   string
	Points []Point
	Colour Colour
	Dashed bool
}

// Mark is a straight line across the chart at one value, with words beside it.
type Mark struct {
	Vertical bool // at a value of X, else of Y
	At       float64
	Label    string
	Colour   Colour
}

// Colour is one of a few that keep apart for the colour-blind (after Okabe and
// Ito) and have a shade for light and one for dark pages.
type Colour int

// The colours.
const (
	Blue Colour = iota
	Red
	Amber
	Green
	Purple
	Grey
)

// SVG draws the chart as a file of its own, which can as well be part of a page.
func (c *Chart) SVG() []byte {
	d := newDrawing(c)
	d.write(`<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img" width="%g" height="%g" viewBox="0 0 %g %g">`,
		width, height, width, height)
	d.write(`<title>%s</title>`, escape.XML(c.Title))
	d.write(`<style>%s</style>`, style())
	d.write(`<rect class="paper" width="%g" height="%g"/>`, width, height)
	if c.Title != "" {
		text := shortened(c.Title, titleSize, width-2*margin)
		d.words("title ink", "middle", width/2, margin+titleSize*0.8, text)
	}
	for _, e := range d.named {
		if middle := e.at.y + e.at.h/2; len(e.series.Points) > 0 {
			d.line(stroke(e.series), segment{e.at.x, middle, e.at.x + swatch - 6, middle})
		}
		d.words("ink", "start", e.at.x+swatch, e.at.y+e.at.h/2+wordSize*0.35, e.text)
	}
	d.ticks()
	d.curves()
	for i, l := range d.labels() {
		if mark := c.Marks[i]; l.text != "" && d.shown(mark) {
			d.words("note "+mark.Colour.String()+"-fill", "start", l.at.x, l.at.y+wordSize, l.text)
		}
	}
	d.write(`</svg>`)
	return d.out.Bytes()
}
