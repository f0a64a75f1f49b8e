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

func (p *printer) line(format string, args ...any) {
	fmt.Fprintf(p.out, format+"\n", args...)
}

// labelWidth is the column at which the text beside a label starts.
const labelWidth = 15

// field prints a label and a text that is wrapped beside it.
func (p *printer) field(label, text string) {
	head := fmt.Sprintf("  %-*s", labelWidth-2, label)
	p.line("%s%s", p.paint(faint, head), p.wrap(text, labelWidth, labelWidth))
}

func (p *printer) flush() error {
	if err := p.out.Flush(); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}
