package chart

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden drawings")

// parsed is what a test looks for in a drawing.
type parsed struct {
	words  []string            // of each text
	counts map[string]int      // elements by class
	attrs  map[string][]string // values of each attribute
}

// parse fails for a file that is not well-formed.
func parse(t *testing.T, file []byte) parsed {
	t.Helper()
	p := parsed{counts: map[string]int{}, attrs: map[string][]string{}}
	decoder := xml.NewDecoder(bytes.NewReader(file))
	inText := false
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return p
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, file)
		}
		switch token := token.(type) {
		case xml.StartElement:
			inText = token.Name.Local == "text"
			for _, a := range token.Attr {
				p.attrs[a.Name.Local] = append(p.attrs[a.Name.Local], a.Value)
				if a.Name.Local == "class" {
					p.counts[a.Value]++
				}
			}
		case xml.CharData:
			if inText {
				p.words = append(p.words, string(token))
			}
			inText = false
		case xml.EndElement:
			inText = false
		}
	}
}

func (p parsed) has(words string) bool {
	for _, w := range p.words {
		if w == words {
			return true
		}
	}
	return false
}

// example has one of everything.
func example() *Chart {
	return &Chart{
		Title: "ports in use",
		X:     Axis{Label: "rate", Max: 100},
		Y:     Axis{Label: "share", Min: 1, Max: 1000, Log: true, Format: func(v float64) string { return strings.Repeat("i", int(math.Log10(v))+1) }},
		Series: []Series{
			{Name: "first", Points: []Point{{0, 1}, {50, 30}, {100, 900}}},
			{Name: "second", Points: []Point{{0, 2}, {40, 40}, {math.NaN(), 50}, {60, 80}, {math.Inf(1), 1}}, Colour: Red, Dashed: true},
			{Name: "beyond"},
			{Points: []Point{{10, 10}}, Colour: Green},
		},
		Marks: []Mark{{At: 100, Label: "wall", Colour: Red}, {Vertical: true, At: 50, Label: "half", Colour: Amber}, {At: 1e6, Label: "elsewhere"}},
	}
}

func TestEverythingIsDrawn(t *testing.T) {
	p := parse(t, example().SVG())
	for _, want := range []string{"ports in use", "rate", "share", "first", "second", "beyond", "wall", "half", "0", "100", "i", "iii"} {
		if !p.has(want) {
			t.Errorf("no %q among the words %q", want, p.words)
		}
	}
	if p.has("elsewhere") {
		t.Error("a mark beyond the axis is named")
	}
	want := map[string]int{"curve blue": 2, "curve red dashed": 2, "red-fill": 1, "green-fill": 1, "mark red": 1, "mark amber": 1, "axis": 2}
	for class, n := range want { // a curve and its place in the legend
		if p.counts[class] != n {
			t.Errorf("%d elements of class %q, want %d", p.counts[class], class, n)
		}
	}
}

// TestGolden shows in a review what a change does to a drawing.
func TestGolden(t *testing.T) {
	path, got := filepath.Join("testdata", "example.svg"), example().SVG()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the drawing differs from %s; look at both, and run go test ./internal/chart -update", path)
	}
}

// TestHostileWords: names come from the network and from other users.
func TestHostileWords(t *testing.T) {
	hostile := `</text><script>alert("1")</script>&amp;` + "\x00\x1b[31m\xff\ufffe"
	c := example()
	c.Title, c.X.Label, c.Y.Label, c.Series[0].Name, c.Marks[0].Label = hostile, hostile, hostile, hostile, hostile
	c.X.Format = func(float64) string { return "<&>" }
	file := c.SVG()
	if bytes.Contains(file, []byte("<script")) || bytes.ContainsAny(file, "\x00\x1b") {
		t.Errorf("words became markup:\n%s", file)
	}
	p, safe := parse(t, file), 0
	for _, w := range p.words {
		if strings.HasPrefix(w, `</text><script>alert("1")`) {
			safe++
		}
	}
	if safe != 5 || !p.has("<&>") {
		t.Errorf("%d of 5 texts in the words %q", safe, p.words)
	}
}

func TestBothShades(t *testing.T) {
	light, dark, found := strings.Cut(string((&Chart{}).SVG()), "@media (prefers-color-scheme: dark)")
	if !found {
		t.Fatal("nothing for dark pages")
	}
	for c := Blue; c <= Grey; c++ {
		s := c.shades()
		if !strings.Contains(light, s.light) || !strings.Contains(dark, s.dark) {
			t.Errorf("%s: no %s for light or no %s for dark pages", c, s.light, s.dark)
		}
	}
}

// TestColoursAreReadable holds words on their paper to a contrast of 4.5, which
// WCAG 2 asks for.
func TestColoursAreReadable(t *testing.T) {
	for c := Blue; c <= Grey; c++ {
		s := c.shades()
		if got := contrast(t, s.light, "#ffffff"); got < 4.5 {
			t.Errorf("%s on white has a contrast of %.2f", c, got)
		}
		if got := contrast(t, s.dark, "#17181b"); got < 4.5 {
			t.Errorf("%s on black has a contrast of %.2f", c, got)
		}
	}
}

func contrast(t *testing.T, one, other string) float64 {
	t.Helper()
	a, b := luminance(t, one), luminance(t, other)
	return (math.Max(a, b) + 0.05) / (math.Min(a, b) + 0.05)
}

func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		sum += weight * linear(hexByte(t, colour[1+2*i:3+2*i]))
	}
	return sum
}

func linear(share float64) float64 {
	if share <= 0.04045 {
		return share / 12.92
	}
	return math.Pow((share+0.055)/1.055, 2.4)
}

func hexByte(t *testing.T, digits string) float64 {
	t.Helper()
	const hex = "0123456789abcdef"
	high, low := strings.IndexByte(hex, digits[0]), strings.IndexByte(hex, digits[1])
	if high < 0 || low < 0 {
		t.Fatalf("%q is no byte", digits)
	}
	return float64(16*high+low) / 255
}

// TestAnythingCanBeDrawn feeds charts that make no sense: the file stays one that
// a viewer can read.
func TestAnythingCanBeDrawn(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	values := []float64{0, -1, 1, 5e-324, 1e-300, 1e300, -1e300, math.MaxFloat64, -math.MaxFloat64, math.NaN(), math.Inf(1), math.Inf(-1), 1e18, 1e18 + 200}
	value := func() float64 { return values[random.IntN(len(values))] }
	axis := func() Axis { return Axis{Min: value(), Max: value(), Log: random.IntN(2) == 0, Label: "words"} }
	for range 150 {
		c := &Chart{Title: strings.Repeat("title ", random.IntN(40)), X: axis(), Y: axis()}
		for range random.IntN(60) {
			s := Series{Name: strings.Repeat("n", random.IntN(200)), Colour: Colour(random.IntN(8))}
			for range random.IntN(5) {
				s.Points = append(s.Points, Point{value(), value()})
			}
			c.Series = append(c.Series, s)
			c.Marks = append(c.Marks, Mark{Vertical: random.IntN(2) == 0, At: value(), Label: s.Name})
		}
		file := c.SVG()
		for name, list := range parse(t, file).attrs {
			for _, v := range list {
				if strings.Contains(v, "NaN") || strings.Contains(v, "Inf") || strings.Contains(v, "e+") {
					t.Fatalf("%s=%q in the drawing of X %+v, Y %+v", name, v, c.X, c.Y)
				}
			}
		}
	}
}
