package chart

// label is the words of a mark at a place of the drawing.
type label struct {
	at   box
	text string
}

// labels places the words of the marks, each beside its line where they cover
// the least of curves and other lines, and no other words.
func (d *drawing) labels() []label {
	placed := make([]label, len(d.chart.Marks))
	for i, mark := range d.chart.Marks {
		text := shortened(mark.Label, wordSize, d.plot.w)
		least := -1
		for _, at := range d.places(mark, text) {
			if covered := d.covered(at, placed[:i]); least < 0 || covered < least {
				placed[i], least = label{at, text}, covered
			}
		}
	}
	return placed
}

// Distances of words from their line and from the ends of it.
const (
	besideLine = 5.0
	fromEnd    = 8.0
)

// places are where the words may be, the best first. A horizontal line has them
// above it and below, at its ends or in its middle; a vertical one on either side.
func (d *drawing) places(mark Mark, text string) []box {
	w, h := wordsWidth(text, wordSize), wordSize*1.2
	at, p := d.lineOf(mark), d.plot
	var places []box
	if mark.Vertical {
		for _, y := range []float64{p.bottom() - h - fromEnd, p.y + fromEnd, p.y + (p.h-h)/2} {
			places = append(places, box{at.x1 + besideLine, y, w, h}, box{at.x1 - besideLine - w, y, w, h})
		}
		return places
	}
	for _, y := range []float64{at.y1 - besideLine - h, at.y1 + besideLine} {
		for _, x := range []float64{p.x + fromEnd, p.right() - w - fromEnd, p.x + (p.w-w)/2} {
			places = append(places, box{x, y, w, h})
		}
	}
	return places
}

// covered weighs what words at a place would hide; outside of the plot they
// would be cut off.
func (d *drawing) covered(at box, placed []label) int {
	weight := 0
	if p := d.plot; at.x < p.x || at.right() > p.right() || at.y < p.y || at.bottom() > p.bottom() {
		weight += 10_000
	}
	for _, other := range placed {
		if other.at.overlaps(at) {
			weight += 1000
		}
	}
	for _, line := range d.lines {
		if line.crosses(at) {
			weight++
		}
	}
	return weight
}
