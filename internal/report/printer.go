package report

import (
	"bufio"
	"fmt"
	"io"
)

// printer writes dressed text. A write error sticks and comes out of flush.
type printer struct {
	out *bufio.Writer
	Style
}

func newPrinter(w io.Writer, style Style) *printer {
	return &printer{out: bufio.NewWriter(w), Style: style}
}

// write prints text as the locale can show it, and nothing that does more than show
// but colours. Everything printed goes through it.
func (p *printer) write(text string) { p.out.WriteString(p.shown(p.clean(text))) }

func (p *printer) line(format string, args ...any) { p.write(fmt.Sprintf(format+"\n", args...)) }

// text prints a sentence that begins a line.
func (p *printer) text(in ink, text string) { p.line("%s", p.paint(in, p.wrap(text, 0, 2))) }

// beside prints a text that is wrapped beside a label.
func (p *printer) beside(label string, in ink, text string) {
	width := p.cells(label)
	p.line("%s%s", p.paint(in, label), p.wrap(text, width, width))
}

// labelWidth is the column at which the text beside the label of a field starts.
const labelWidth = 15

// field prints a label and a text beside it.
func (p *printer) field(label, text string) { p.beside(p.padded("  "+label, labelWidth), faint, text) }

func (p *printer) flush() error {
	if err := p.out.Flush(); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}
