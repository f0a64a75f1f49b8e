package report

import (
	"fmt"
	"io"

	"portrange/internal/escape"
	"portrange/internal/judge"
	"portrange/internal/words"
)

// WriteLeft prints the text of `portrange left`: for each namespace a sentence
// with the number asked for, then how it comes about.
func WriteLeft(w io.Writer, doc *Left, style Style) error {
	p := newPrinter(w, style)
	for i := range doc.Pools {
		l := &doc.Pools[i]
		between := "from " + escape.Printable(l.Pool.Source()) + " to " + l.Remote + " (" + l.Proto + ")"
		p.leftHead(&l.Origin, l.Left, l.Size, boundText(l.ErrorBound, l.Exact, l.OnlyFewer), between)
		if doc.Brief {
			p.note(l.Origin.Source, l.Doubts)
			continue
		}
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
		p.note(l.Origin.Source, l.Doubts)
	}
	for i := range doc.LocalPools {
		l := &doc.LocalPools[i]
		at := "at " + escape.Printable(l.LocalPool.Source()) + " (" + l.Proto + ")"
		if l.LocalPool.Remote == "" {
			at += ", shared by all destinations"
		} else {
			at += ", to connect to " + l.LocalPool.Remote
		}
		p.leftHead(&l.Origin, l.Left, l.Size, boundText(l.ErrorBound, l.Exact, l.OnlyFewer), at)
		if doc.Brief {
			p.note(l.Origin.Source, l.Doubts)
			continue
		}
		p.field("In range", words.Count(l.Size, "port")+", reserved ones left out")
		p.field("Used", words.Thousands(l.Used))
		switch {
		case l.Endless:
			p.field("Shared", "any number of sockets like this one finds room there, as they share ports")
		case l.PerhapsEndless:
			p.field("Shared", "perhaps any number of sockets like this one finds room on the ports in use, "+
				"if those share them")
		case l.Shared > 0:
			p.field("Shared", words.Thousands(l.Shared)+" of those left are in use by sockets that share them "+
				"(ip_autobind_reuse)")
		}
		p.note(l.Origin.Source, l.Doubts)
	}
	return p.flush()
}

func (p *printer) leftHead(o *Origin, left, size int, bound, where string) {
	number := words.Count(left, "port") + " left"
	rest := fmt.Sprintf("%s %s, network namespace %s", bound, where, escape.Printable(o.Name))
	p.line("%s%s", p.paint(shareInk(1-share(left, size)), number), p.wrap(rest, p.cells(number), 2))
}

// boundText says by how many ports a number may be off.
func boundText(bound int, exact, onlyFewer bool) string {
	switch {
	case bound > 0 && exact:
		return fmt.Sprintf(" (or %d fewer: the ends of the range have the same parity)", bound)
	case bound > 0 && onlyFewer:
		return fmt.Sprintf(" (or up to %s fewer)", words.Thousands(bound))
	case bound > 0:
		return fmt.Sprintf(" (give or take %s)", words.Thousands(bound))
	}
	return ""
}

func (p *printer) note(source string, doubts []judge.Doubt) {
	if len(doubts) > 0 {
		p.field("Source", notExact(source, doubts))
	}
}
