package report

import (
	"fmt"
	"slices"
	"strings"

	"portrange/internal/escape"
	"portrange/internal/finding"
	"portrange/internal/port"
	"portrange/internal/words"
)

// closing says in words whether all is well, and what to do first if not.
func (p *printer) closing(doc *Show) {
	var blocks []block
	for i := range doc.Namespaces {
		blocks = append(blocks, blocksOf(doc.Namespaces[i].Findings)...)
	}
	blocks = slices.DeleteFunc(blocks, func(b block) bool { return !b.Severity.Reaches(finding.Warning) })
	if len(blocks) == 0 {
		well := "All is well: "
		if len(doc.Gaps) > 0 {
			well = "As far as could be read, all is well: "
		}
		p.text(green, well+fullest(doc))
		return
	}
	slices.SortStableFunc(blocks, func(a, b block) int { return finding.CompareSeverity(a.Severity, b.Severity) })
	first := "First"
	if len(doc.Namespaces) > 1 {
		first += ", in " + escape.Printable(blocks[0].Name)
	}
	p.text(severityInk(blocks[0].Severity), fmt.Sprintf("Not well: %s. %s: %s.",
		tally(blocks, finding.Critical, finding.Warning), first, firstStep(&blocks[0])))
}

// firstStep is the first thing to do about a block, and what it is predicted
// to do; what it is about where nothing can be done.
func firstStep(b *block) string {
	steps := b.steps()
	if len(steps) == 0 {
		return escape.Printable(strings.TrimSuffix(b.Code+", "+subjectText(&b.Subject), ", "))
	}
	what, _, _ := strings.Cut(steps[0].Text, ": ") // without the reason behind it
	text := escape.Printable(what)
	if steps[0].Command != "" {
		text = commandText(steps[0].Command)
	}
	if effect := steps[0].Predicted; effect != nil {
		text += ", " + outlook(effect)
	}
	return text
}

// fullest names the pool with the largest share in use. TCP's local pools are
// left out: what fills them are the connections of the others.
func fullest(doc *Show) string {
	best, text := -1.0, ""
	consider := func(subject finding.Subject, left, size int) {
		if taken := 1 - share(left, size); taken > best {
			best = taken
			text = fmt.Sprintf("the fullest pool, %s, has %s of %s left.", escape.Printable(subjectText(&subject)), words.Thousands(left), words.Count(size, "port"))
		}
	}
	for i := range doc.Namespaces {
		v := &doc.Namespaces[i]
		for j := range v.Pools {
			pool := &v.Pools[j]
			consider(finding.Subject{Proto: pool.Proto, Local: pool.Source(), Remote: pool.Remote}, pool.Left, pool.Size)
		}
		for j := range v.LocalPools {
			if pool := &v.LocalPools[j]; pool.Proto == port.UDP.String() {
				consider(finding.Subject{Proto: pool.Proto, Local: pool.Local}, pool.Left, pool.Size)
			}
		}
	}
	if best < 0 {
		return strings.Join(strings.Fields("no "+doc.Proto+" socket uses a port of the range."), " ")
	}
	return text
}
