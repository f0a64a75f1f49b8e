package chart

import (
	"fmt"

	"portrange/internal/escape"
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

func (d *drawing) line(class string, s segment) {
	d.write(`<line class="%s" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`, class, s.x1, s.y1, s.x2, s.y2)
}

func (d *drawing) words(class, anchor string, x, y float64, text string) {
	d.write(`<text class="%s" text-anchor="%s" x="%.1f" y="%.1f">%s</text>`, class, anchor, x, y, escape.XML(text))
}

func (d *drawing) write(format string, args ...any) {
	fmt.Fprintf(&d.out, format+"\n", args...)
}
