package report

import (
	"fmt"
	"io"

	"portrange/internal/words"
)

// WriteLeft prints the text of `portrange left`: for each namespace a sentence
// with the number asked for, then how it comes about.
func WriteLeft(w io.Writer, doc *Left, style Style) error {
	p := newPrinter(w, style)
	for i := range doc.Pools {
		l := &doc.Pools[i]
		between := "from " + Printable(l.Pool.Source()) + " to " + l.Remote + " (" + l.Proto + ")"
		p.leftHead(&l.Origin, l.Left, l.Size, l.ErrorBound, between)
		p.field("Usable", words.Count(l.Size, "port"))
		used := words.Thousands(l.Used)
		if l.Used > 0 {
			used += ", " + words.Percent(l.UsedRatio) + ": " + statesText(l.States)
		}
		p.field("Used", used)
		if l.Reusable > 0 {
			p.field("Reusable", words.Thousands(l.Reusable)+
				" of the used, in TIME_WAIT, can be taken over now (tcp_tw_reuse)")
		}
		if len(l.Owners) > 0 {
			p.field("Top process", ownersText(l.Owners))
		}
		p.note(&l.Origin)
	}
	for i := range doc.LocalPools {
		l := &doc.LocalPools[i]
		p.leftHead(&l.Origin, l.Left, l.Size, l.ErrorBound, "at "+l.Local+" ("+l.Proto+"), shared by all destinations")
		p.field("In range", words.Count(l.Size, "port")+", reserved ones left out")
		p.field("Used", words.Thousands(l.Used))
		p.note(&l.Origin)
	}
	return p.flush()
}

func (p *printer) leftHead(o *Origin, left, size, bound int, where string) {
	number, doubt := words.Count(left, "port")+" left", ""
	switch {
	case bound > 0 && o.Exact:
		doubt = fmt.Sprintf(" (or %d fewer: the ends of the range have the same parity)", bound)
	case bound > 0:
		doubt = fmt.Sprintf(" (give or take %s)", words.Thousands(bound))
	}
	rest := fmt.Sprintf("%s %s, network namespace %s", doubt, where, Printable(o.Name))
	p.line("%s%s", p.paint(shareInk(1-share(left, size)), number), p.wrap(rest, p.cells(number), 2))
}

func (p *printer) note(o *Origin) {
	if !o.Exact {
		p.field("Source", notExact(o.Source, o.Doubts))
	}
}
