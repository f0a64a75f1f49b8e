package report

import (
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"portrange/internal/judge"
)

// Style is how text is dressed for where it goes. The zero value is for a file
// or a pipe: no colour, no bars, no limit of width.
type Style struct {
	Width  int  // columns of the terminal, 0 for no limit
	Colour bool // SGR sequences (ECMA-48)
	Bars   bool // draw shares; needs a terminal that shows UTF-8
}

// ink is an SGR parameter.
type ink string

const (
	plain  ink = ""
	bold   ink = "1"
	faint  ink = "2"
	red    ink = "31"
	yellow ink = "33"
	green  ink = "32"
)

func (s Style) paint(in ink, text string) string {
	if !s.Colour || in == plain || text == "" {
		return text
	}
	return "\x1b[" + string(in) + "m" + text + "\x1b[0m"
}

// shareInk colours a share in use by what it means for the next connect().
func shareInk(share float64) ink {
	switch {
	case share >= judge.NearRatio:
		return red
	case share >= judge.SlowRatio:
		return yellow
	}
	return plain
}

// thousands prints n with a comma between groups of three digits.
func thousands(n int) string {
	digits := strconv.Itoa(n)
	if n < 0 {
		return "-" + thousands(-n)
	}
	var b strings.Builder
	for i := range len(digits) {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteByte(digits[i])
	}
	return b.String()
}

// count is a number with its noun: "1 port", "1,204 ports".
func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return thousands(n) + " " + noun
}

func timeText(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }

// Printable replaces what would move a terminal's cursor: names of processes,
// users and namespaces are chosen by others.
func Printable(name string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, name)
}

func cells(text string) int { return utf8.RuneCountInString(text) }

// wrap breaks text, which begins at column start, at spaces so that no line is
// wider than the style allows; the following lines begin at column indent.
func (s Style) wrap(text string, start, indent int) string {
	if s.Width == 0 {
		return text
	}
	var b strings.Builder
	column := start
	for i, word := range strings.Split(text, " ") {
		switch {
		case i == 0:
		case column+1+cells(word) > s.Width:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			column = indent
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += cells(word)
	}
	return b.String()
}

const barCells = 10

// bar draws a share from 0 to 1 in eighths of a cell.
func bar(share float64) string {
	eighths := min(max(int(share*barCells*8+0.5), 0), barCells*8)
	if eighths == 0 && share > 0 {
		eighths = 1
	}
	full := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		full += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return full + strings.Repeat("·", barCells-cells(full))
}

func percent(share float64) string { return strconv.FormatFloat(share*100, 'f', 1, 64) + "%" }
