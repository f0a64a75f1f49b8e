package report

import "strings"

// column describes one column of a table. Where the terminal is too narrow the
// columns with the highest yields go first; 0 always stays.
type column struct {
	title  string
	right  bool
	yields int
}

type cell struct {
	text string
	ink  ink
}

// table is rows under columns as wide as their widest cell.
type table struct {
	columns []column
	rows    [][]cell
}

const columnGap = 2

// table prints t, its columns no wider than needed.
func (p *printer) table(t *table) {
	widths := t.widths()
	t.fit(widths, p.Width)
	titles := make([]cell, len(t.columns))
	for i, c := range t.columns {
		titles[i] = cell{c.title, bold}
	}
	p.row(t.columns, widths, titles)
	for _, row := range t.rows {
		p.row(t.columns, widths, row)
	}
}

func (t *table) widths() []int {
	widths := make([]int, len(t.columns))
	for i, c := range t.columns {
		widths[i] = cells(c.title)
		empty := true
		for _, row := range t.rows {
			widths[i] = max(widths[i], cells(row[i].text))
			empty = empty && row[i].text == ""
		}
		if empty {
			widths[i] = 0
		}
	}
	return widths
}

// fit drops columns, by setting their width to 0, until the rows fit.
func (t *table) fit(widths []int, limit int) {
	for limit > 0 && rowWidth(widths) > limit {
		victim, yields := -1, 0
		for i, c := range t.columns {
			if widths[i] > 0 && c.yields > yields {
				victim, yields = i, c.yields
			}
		}
		if victim < 0 {
			return
		}
		widths[victim] = 0
	}
}

func rowWidth(widths []int) int {
	total := -columnGap
	for _, width := range widths {
		if width > 0 {
			total += width + columnGap
		}
	}
	return total
}

func (p *printer) row(columns []column, widths []int, row []cell) {
	pending := 0 // spaces that only a further cell makes worth writing
	for i, c := range row {
		if widths[i] == 0 {
			continue
		}
		padding := widths[i] - cells(c.text)
		if columns[i].right {
			pending, padding = pending+padding, 0
		}
		if c.text != "" {
			p.out.WriteString(strings.Repeat(" ", pending) + p.paint(c.ink, c.text))
			pending = 0
		}
		pending += padding + columnGap
	}
	p.out.WriteByte('\n')
}
