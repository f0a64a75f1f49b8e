package chart

import (
	"encoding/xml"
	"fmt"
	"strings"
)

// shades are a colour on a light page and on a dark one.
type shades struct{ name, light, dark string }

func (c Colour) shades() shades {
	switch c {
	case Red:
		return shades{"red", "#c44e00", "#ff9455"}
	case Amber:
		return shades{"amber", "#946200", "#e6b33d"}
	case Green:
		return shades{"green", "#00795a", "#3dcca3"}
	case Purple:
		return shades{"purple", "#a04a80", "#e296c6"}
	case Grey:
		return shades{"grey", "#636363", "#adadad"}
	}
	return shades{"blue", "#0069a8", "#62b6ee"}
}

func (c Colour) String() string { return c.shades().name }

// Names of rules begin with the class chart, so that a page with charts in it
// keeps its own. Colours are not CSS variables, which not every viewer knows.
const plainStyle = `
.chart text { font: 13px "Liberation Sans", Arial, Helvetica, sans-serif; stroke: none }
.chart .title { font-size: 16px }
.chart .curve { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round }
.chart .dashed { stroke-width: 1.7; stroke-dasharray: 6 5 }
.chart .mark { stroke-width: 1.5 }
.chart .note { paint-order: stroke; stroke-width: 4; stroke-linejoin: round }
`

// ground are the colours of everything but curves and marks.
func ground(paper, ink, grid, axis string) string {
	return fmt.Sprintf(".chart .paper { fill: %s }\n.chart .note { stroke: %s }\n.chart .ink { fill: %s }\n"+
		".chart .grid { stroke: %s }\n.chart .axis { stroke: %s }\n", paper, paper, ink, grid, axis)
}

func style() string {
	light, dark := ground("#ffffff", "#1d1d1f", "#e4e4e7", "#707075"), ground("#17181b", "#e6e6e8", "#303238", "#9a9aa2")
	for c := Blue; c <= Grey; c++ {
		s := c.shades()
		rule := ".chart ." + s.name + " { stroke: %[1]s }\n.chart ." + s.name + "-fill { fill: %[1]s }\n"
		light += fmt.Sprintf(rule, s.light)
		dark += fmt.Sprintf(rule, s.dark)
	}
	return plainStyle + light + "@media (prefers-color-scheme: dark) {\n" + dark + "}\n"
}

func (d *drawing) open() {
	d.write(`<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img" width="%g" height="%g" viewBox="0 0 %g %g">`,
		width, height, width, height)
	d.write(`<title>%s</title>`, escaped(d.chart.Title))
	d.write(`<style>%s</style>`, style())
	d.write(`<rect class="paper" width="%g" height="%g"/>`, width, height)
}

func (d *drawing) close() { d.write(`</svg>`) }

// openPlot begins a part that is cut off at its edge: an svg element inside the
// other needs no name for that, which would have to differ from all on a page.
func (d *drawing) openPlot() {
	p := d.plot
	d.write(`<svg x="%.1f" y="%.1f" width="%.1f" height="%.1f" viewBox="%.1f %.1f %.1f %.1f">`, p.x, p.y, p.w, p.h, p.x, p.y, p.w, p.h)
}

func (d *drawing) closePlot() { d.write(`</svg>`) }

func (d *drawing) line(class string, s segment) {
	d.write(`<line class="%s" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`, class, s.x1, s.y1, s.x2, s.y2)
}

// path draws runs of points, and a dot where a run has only one.
func (d *drawing) path(series Series) {
	var way strings.Builder
	for _, run := range d.runs(series) {
		if len(run) == 1 {
			d.write(`<circle class="%s-fill" cx="%.1f" cy="%.1f" r="3"/>`, series.Colour, run[0].X, run[0].Y)
			continue
		}
		for i, p := range run {
			fmt.Fprintf(&way, "%c%.1f %.1f", "ML"[min(i, 1)], p.X, p.Y)
		}
	}
	if way.Len() > 0 {
		d.write(`<path class="%s" d="%s"/>`, stroke(series), way.String())
	}
}

func (d *drawing) words(class, anchor string, x, y float64, text string) {
	d.write(`<text class="%s" text-anchor="%s" x="%.1f" y="%.1f">%s</text>`, class, anchor, x, y, escaped(text))
}

// upwards writes from the bottom to the top, around a place.
func (d *drawing) upwards(class string, x, y float64, text string) {
	d.write(`<text class="%s" text-anchor="middle" transform="translate(%.1f %.1f) rotate(-90)">%s</text>`, class, x, y, escaped(text))
}

func (d *drawing) write(format string, args ...any) {
	fmt.Fprintf(&d.out, format+"\n", args...)
}

// escaped is text as it may stand between tags. What no XML file may hold, such
// as a terminal's escapes, becomes a replacement character.
func escaped(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder takes everything
	return b.String()
}
