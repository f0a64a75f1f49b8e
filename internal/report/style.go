package report

import (
	"cmp"
	"slices"
	"strings"
	"unicode"

	"github.com/charmbracelet/x/ansi"

	"portrange/internal/escape"
	"portrange/internal/judge"
)

// Style is how text is dressed for where it goes. The zero value is for a file
// or a pipe: no colour, no bars, no limit of width.
type Style struct {
	Width  int  // cells of a line of the terminal, 0 for no limit
	Colour bool // SGR sequences (ECMA-48)
	Bars   bool // draw shares, unless ASCII is set
	ASCII  bool // the locale is not UTF-8: print no other characters
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
	return sgr + string(in) + "m" + text + sgr + string(reset) + "m"
}

// sgr begins an SGR sequence, reset ends what one began.
const (
	sgr       = "\x1b["
	reset ink = "0"
)

// clean is text without all that does more than show, but for the sequences of
// [Style.paint].
func (s Style) clean(text string) string {
	if isASCII(text) { // nearly all cells of a long table
		return text
	}
	var b strings.Builder
	for s.Colour {
		before, rest, found := strings.Cut(text, sgr)
		if !found {
			break
		}
		b.WriteString(escape.Text(before))
		in, after, ended := strings.Cut(rest, "m")
		if ended && slices.Contains([]ink{bold, faint, red, yellow, green, reset}, ink(in)) {
			b.WriteString(sgr + in + "m")
			text = after
		} else {
			b.WriteString("?")
			text = rest
		}
	}
	return b.String() + escape.Text(text)
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

// shown is text as the locale can show it.
func (s Style) shown(text string) string {
	if !s.ASCII || isASCII(text) {
		return text
	}
	text = strings.NewReplacer("→", "->", "…", "...", "×", "x", "µ", "u", unbroken, " ").Replace(text)
	return strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII {
			return '?'
		}
		return r
	}, text)
}

// cells is how many cells of a terminal text takes: two for a character of
// Chinese, none for an accent that joins the letter before.
func (s Style) cells(text string) int {
	if isASCII(text) { // nearly all cells of a long table
		return len(text)
	}
	return ansi.StringWidth(s.shown(text))
}

// isASCII reports whether each byte of text is a character of one cell.
func isASCII(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

// padded is text with spaces up to a number of cells.
func (s Style) padded(text string, width int) string {
	return text + strings.Repeat(" ", max(width-s.cells(text), 0))
}

// unbroken is a space at which no line ends.
const unbroken = "\u00a0"

// commandText is a command within a sentence. It is not broken over lines, as it
// is there to be copied.
func commandText(command string) string {
	return "`" + strings.ReplaceAll(escape.Printable(command), " ", unbroken) + "`"
}

// wrap breaks text, which begins at column start, at spaces so that no line is
// wider than the style allows; the following lines begin at column indent.
func (s Style) wrap(text string, start, indent int) string {
	if s.Width == 0 {
		return strings.ReplaceAll(text, unbroken, " ")
	}
	var b strings.Builder
	column := start
	for i, word := range strings.Split(text, " ") {
		width := s.cells(word)
		switch {
		case i == 0:
		case column+1+width > s.Width:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			column = indent
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(strings.ReplaceAll(word, unbroken, " "))
		column += width
	}
	return b.String()
}

const barCells = 10

// bar draws a share from 0 to 1 in eighths of a cell, where the style has bars.
func (s Style) bar(share float64, in ink) cell {
	if !s.Bars || s.ASCII {
		return cell{}
	}
	eighths := min(max(int(share*barCells*8+0.5), 0), barCells*8)
	if eighths == 0 && share > 0 {
		eighths = 1
	}
	full, rest := eighths/8, eighths%8
	text := strings.Repeat("█", full)
	if rest > 0 {
		text += string([]rune("▏▎▍▌▋▊▉")[rest-1])
		full++
	}
	return cell{text + strings.Repeat("·", barCells-full), cmp.Or(in, green)}
}
