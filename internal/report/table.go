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
	for i := range t {
		t[i].width = 0
		for _, line := range lines {
			t[i].width = max(t[i].width, p.cells(line[i].text))
		}
		if t[i].width > 0 {
			t[i].width = max(t[i].width, p.cells(t[i].title))
		}
	}
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

// fit leaves columns out until a line fits.
func (t table[T]) fit(limit int) {
	for limit > 0 {
		var victim *column[T]
		width := -columnGap // of the line; there is a gap between columns alone
		for i := range t {
			c := &t[i]
			if c.width == 0 {
				continue
			}
			width += c.width + columnGap
			if c.yields > 0 && (victim == nil || c.yields > victim.yields) {
				victim = c
			}
		}
		if width <= limit || victim == nil {
			return
		}
		victim.width = 0
	}
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
