// Package chart draws what is easier seen than read: the share of a port range
// that a load takes against its rate, and what connect() costs against the share
// of a pool in use.
//
// It knows drawing and file formats. It refuses to compute: every point comes
// from package capacity or was measured by package simulate.
package chart

import (
	"bytes"
	"fmt"
	"image/color"
	"path/filepath"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Format is a file format.
type Format string

// The formats, which are the endings of file names too.
const (
	SVG Format = "svg"
	PNG Format = "png"
)

// FormatOf is the format that a file's name asks for by its ending.
func FormatOf(path string) (Format, error) {
	switch ending := Format(strings.ToLower(strings.TrimPrefix(filepath.Ext(path), "."))); ending {
	case SVG, PNG:
		return ending, nil
	}
	return "", fmt.Errorf("chart %q: want a file name that ends in .svg or .png", path)
}

const (
	width  = 7.5 * vg.Inch
	height = 4.5 * vg.Inch
	// resolution is that of a PNG, in dots per inch.
	resolution = 144
	margin     = 8 // points around everything
)

// The colours keep apart for the colour-blind, near those of Okabe and Ito.
var (
	blue  = color.RGBA{R: 0, G: 114, B: 178, A: 255}
	amber = color.RGBA{R: 190, G: 125, B: 0, A: 255}
	red   = color.RGBA{R: 213, G: 94, B: 0, A: 255}
	grey  = color.RGBA{R: 110, G: 110, B: 110, A: 255}
)

// sans is the variant of the Liberation fonts that is drawn with; a program that
// shows an SVG without having them takes its own.
const sans font.Variant = "Sans"

var dashes = []vg.Length{vg.Points(5), vg.Points(3)}

func newPlot(title, x, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	p.Title.Padding, p.X.Padding, p.Y.Padding = vg.Points(8), 0, 0
	for _, style := range []*text.Style{
		&p.Title.TextStyle, &p.X.Label.TextStyle, &p.Y.Label.TextStyle, &p.X.Tick.Label, &p.Y.Tick.Label, &p.Legend.TextStyle,
	} {
		style.Font.Variant = sans
	}
	p.Legend.Top, p.Legend.Left = true, true
	p.Legend.XOffs, p.Legend.YOffs = vg.Points(10), vg.Points(-6)
	p.Legend.Padding = vg.Points(2)
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = color.Gray{Y: 225}, color.Gray{Y: 225}
	p.Add(grid)
	return p
}

// line draws points; one named gets an entry in the legend.
func line(p *plot.Plot, name string, points plotter.XYs, in color.Color, dash []vg.Length) error {
	l, err := plotter.NewLine(points)
	if err != nil {
		return fmt.Errorf("draw %s: %w", name, err)
	}
	l.Color, l.Width, l.Dashes = in, vg.Points(1.6), dash
	p.Add(l)
	if name != "" {
		p.Legend.Add(name, l)
	}
	return nil
}

// note writes text beside a point.
func note(p *plot.Plot, x, y float64, words string, in color.Color) error {
	labels, err := plotter.NewLabels(plotter.XYLabels{XYs: plotter.XYs{{X: x, Y: y}}, Labels: []string{words}})
	if err != nil {
		return fmt.Errorf("draw %s: %w", words, err)
	}
	labels.TextStyle[0].Color, labels.TextStyle[0].Font.Variant = in, sans
	labels.Offset = vg.Point{X: vg.Points(4), Y: vg.Points(4)}
	p.Add(labels)
	return nil
}

// render draws the plot in a format.
func render(p *plot.Plot, format Format) ([]byte, error) {
	var out bytes.Buffer
	var err error
	switch format {
	case SVG:
		canvas := vgsvg.New(width, height)
		p.Draw(inside(canvas))
		_, err = canvas.WriteTo(&out)
	default:
		canvas := vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(resolution))
		p.Draw(inside(canvas))
		_, err = vgimg.PngCanvas{Canvas: canvas}.WriteTo(&out)
	}
	if err != nil {
		return nil, fmt.Errorf("draw a chart as %s: %w", format, err)
	}
	return out.Bytes(), nil
}

// inside is the canvas, painted white, without its margin.
func inside(canvas vg.CanvasSizer) draw.Canvas {
	whole := draw.New(canvas)
	whole.SetColor(color.White)
	whole.Fill(whole.Rectangle.Path())
	return draw.Crop(whole, margin, -margin, margin, -margin)
}

// percent are ticks every ten percent of an axis that runs from 0 to 1.
func percent(most float64) plot.ConstantTicks {
	var ticks plot.ConstantTicks
	for tenth := 0; float64(tenth)/10 <= most+1e-9; tenth++ {
		tick := plot.Tick{Value: float64(tenth) / 10}
		if tenth%2 == 0 || most <= 1 {
			tick.Label = fmt.Sprintf("%d%%", 10*tenth)
		}
		ticks = append(ticks, tick)
	}
	return ticks
}
