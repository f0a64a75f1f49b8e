package chart

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"math"
	"strings"
	"testing"

	"portrange/internal/capacity"
	"portrange/internal/port"
	"portrange/internal/simulate"
)

func TestFormatOf(t *testing.T) {
	for path, want := range map[string]Format{"a.svg": SVG, "/tmp/x.y/B.PNG": PNG, "a.jpg": "", "svg": "", "": "", "png.": ""} {
		got, err := FormatOf(path)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("FormatOf(%q) = %q, %v, want %q", path, got, err, want)
		}
	}
}

func plan(t *testing.T, rate float64) *capacity.Plan {
	t.Helper()
	load := capacity.Load{Rate: rate, Hold: 5, ClientCloses: 1, Destinations: 4, Sources: 1, TWReuseDelayMS: 1000}
	p, err := capacity.Make(load, capacity.PlainPorts(port.DefaultRange), 0.999)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func costs() []*simulate.ConnectCosts {
	list := []*simulate.ConnectCosts{{Ports: 10000, Fill: simulate.Established}, {Ports: 10000, Fill: simulate.TimeWait}}
	for i := range 40 {
		latency := simulate.Latency{P50: 20, P90: 30}
		if i >= 20 {
			latency = simulate.Latency{P50: 400, P90: 900}
		}
		for _, c := range list {
			c.Steps = append(c.Steps, simulate.Cost{From: float64(i) / 40, To: float64(i+1) / 40, Latency: latency})
		}
	}
	return list
}

// texts are the words in an SVG file. It fails for one that is not well-formed.
func texts(t *testing.T, file []byte) string {
	t.Helper()
	var words strings.Builder
	decoder := xml.NewDecoder(bytes.NewReader(file))
	inText := false
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return words.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			inText = token.Name.Local == "text"
		case xml.CharData:
			if inText {
				words.Write(token)
			}
		}
	}
}

func TestPlanMarksHalfAndWall(t *testing.T) {
	for _, rate := range []float64{1, 900, 5000} {
		file, err := Plan(plan(t, rate), SVG)
		if err != nil {
			t.Fatal(err)
		}
		words := texts(t, file)
		for _, want := range []string{"half, reached at", "wall, reached at", "planned:", "99.9%", "28232 ports for each of 4 tuples", "100%"} {
			if !strings.Contains(words, want) {
				t.Errorf("at %v/s the chart lacks %q; it says %s", rate, want, words)
			}
		}
	}
}

func TestPlanCurvesRise(t *testing.T) {
	p := plan(t, 900)
	end := ratesEnd(p)
	needed, mean := planCurves(p, end)
	if end <= p.WallRate || len(needed) < planPoints/2 {
		t.Fatalf("%d points up to %v/s, the wall is at %v/s", len(needed), end, p.WallRate)
	}
	for i := range needed {
		if i > 0 && needed[i].Y < needed[i-1].Y || needed[i].Y < mean[i].Y || needed[i].Y > planMost {
			t.Errorf("at %v/s a share of %v is needed, %v on average", needed[i].X, needed[i].Y, mean[i].Y)
		}
	}
	if last := needed[len(needed)-1].Y; last < 1 {
		t.Errorf("the curve ends at %v, below the wall", last)
	}
}

// TestAPlanBeyondTheChartLeavesRoom holds the axis to the rates of the wall.
func TestAPlanBeyondTheChartLeavesRoom(t *testing.T) {
	file, err := Plan(plan(t, 1e8), SVG)
	if err != nil {
		t.Fatal(err)
	}
	words := texts(t, file)
	if !strings.Contains(words, "planned: 1e+08/s, beyond the chart") || strings.Contains(words, "100000000") {
		t.Errorf("words %q, want the plan named and no such rate on the axis", words)
	}
}

func TestRatesEndShowsPlanAndWall(t *testing.T) {
	wall := 4 * float64(port.DefaultRange.Size()) / 65
	for rate, want := range map[float64]float64{1: 1.3 * wall, 1800: 1.3 * wall, 3500: 3675, 1e6: 1.3 * wall} {
		if got := ratesEnd(plan(t, rate)); math.Abs(got-want) > 1e-6*want {
			t.Errorf("the chart of %v/s ends at %v/s, want %v/s", rate, got, want)
		}
	}
}

func TestConnectCostNamesItsCurves(t *testing.T) {
	file, err := ConnectCost(costs(), SVG)
	if err != nil {
		t.Fatal(err)
	}
	words := texts(t, file)
	for _, want := range []string{"10000 ports", "established, median", "in TIME_WAIT, 90th percentile", "100 µs", "50%", "half"} {
		if !strings.Contains(words, want) {
			t.Errorf("the chart lacks %q; it says %s", want, words)
		}
	}
	if _, err := ConnectCost(nil, SVG); err == nil {
		t.Error("a chart of nothing was drawn")
	}
}

func TestPNG(t *testing.T) {
	for name, draw := range map[string]func() ([]byte, error){
		"plan": func() ([]byte, error) { return Plan(plan(t, 900), PNG) },
		"cost": func() ([]byte, error) { return ConnectCost(costs(), PNG) },
	} {
		file, err := draw()
		if err != nil {
			t.Fatal(err)
		}
		image, err := png.Decode(bytes.NewReader(file))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if size := image.Bounds().Size(); size.X != 1080 || size.Y != 648 {
			t.Errorf("%s: %v pixels", name, size)
		}
	}
}

// TestChartsAreReproducible: the same numbers give the same file.
func TestChartsAreReproducible(t *testing.T) {
	one, err := Plan(plan(t, 900), SVG)
	if err != nil {
		t.Fatal(err)
	}
	two, err := Plan(plan(t, 900), SVG)
	if err != nil || !bytes.Equal(one, two) {
		t.Errorf("the second drawing differs, %v", err)
	}
}

func TestLatencyText(t *testing.T) {
	for us, want := range map[float64]string{1: "1 µs", 500: "500 µs", 2000: "2 ms", 5e6: "5 s"} {
		if got := latencyText(us); got != want {
			t.Errorf("latencyText(%v) = %q, want %q", us, got, want)
		}
	}
}
