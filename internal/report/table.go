package report

import "strings"

// column is one column of a table whose rows are values of T.
type column[T any] struct {
	title string
	right bool
	// yields: where the terminal is too narrow the columns that yield most go
	// first; 0 always stays.
	yields int
	// width is how many cells the column takes; 0 leaves it out. Where rows come
	// one by one it begins with what a row is expected to need.
	width int
	cell  func(*T) cell
}

type cell struct {
	text string
	ink  ink
}

// textCell is the cell of a column without colour.
func textCell[T any](text func(*T) string) func(*T) cell {
	return func(row *T) cell { return cell{text: text(row)} }
}

// table is the columns under which rows are printed.
type table[T any] []column[T]

const columnGap = 2

// writeTable prints rows under columns no wider than needed. A column in which
// no row has a word is left out.
func writeTable[T any](p *printer, columns []column[T], rows []T) {
	t := table[T](columns)
	lines := make([][]cell, len(rows))
	for i := range rows {
		lines[i] = t.line(&rows[i])
	}
	t.measure(p.Style, lines)
	t.fit(p.Width)
	t.write(p, t.titles())
	for _, line := range lines {
		t.write(p, line)
	}
}

// line is a row as text.
func (t table[T]) line(row *T) []cell {
	cells := make([]cell, len(t))
	for i := range t {
		cells[i] = t[i].cell(row)
	}
	return cells
}

func (t table[T]) titles() []cell {
	cells := make([]cell, len(t))
	for i := range t {
		cells[i] = cell{t[i].title, bold}
	}
	return cells
}

// measure gives each column the width of its widest cell, and none to one
// without words.
func (t table[T]) measure(style Style, lines [][]cell) {
	for i := range t {
		t[i].width = 0
		for _, line := range lines {
			t[i].width = max(t[i].width, style.cells(line[i].text))
		}
		if t[i].width > 0 {
			t[i].width = max(t[i].width, style.cells(t[i].title))
		}
	}
}

// grow widens the columns that are shown to what a line needs.
func (t table[T]) grow(style Style, line []cell) {
	for i := range t {
		if t[i].width > 0 {
			t[i].width = max(t[i].width, style.cells(line[i].text))
		}
	}
}

// fit leaves columns out until a line fits.
func (t table[T]) fit(limit int) {
	for limit > 0 && t.width() > limit {
		var victim *column[T]
		for i := range t {
			if c := &t[i]; c.width > 0 && c.yields > 0 && (victim == nil || c.yields > victim.yields) {
				victim = c
			}
		}
		if victim == nil {
			return
		}
		victim.width = 0
	}
}

// width is how many cells a line takes.
func (t table[T]) width() int {
	total := -columnGap
	for i := range t {
		if t[i].width > 0 {
			total += t[i].width + columnGap
		}
	}
	return total
}

// write prints one line.
func (t table[T]) write(p *printer, line []cell) {
	pending := 0 // spaces that only a further cell makes worth writing
	for i, c := range line {
		if t[i].width == 0 {
			continue
		}
		padding := t[i].width - p.cells(c.text)
		if t[i].right {
			pending, padding = pending+padding, 0
		}
		if c.text != "" {
			p.write(strings.Repeat(" ", pending) + p.paint(c.ink, c.text))
			pending = 0
		}
		pending += padding + columnGap
	}
	p.write("\n")
}
