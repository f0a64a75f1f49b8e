package report

import (
	"fmt"
	"strings"

	"portrange/internal/judge"
	"portrange/internal/port"
)

// labelCells is the width of the longest severity, and of the gap behind it.
const labelCells = len("CRITICAL") + columnGap

// findings prints what is wrong in one namespace, worst first. An advice that
// several findings in a row share is printed once; the one that the closing
// line gives is left to it.
func (p *printer) findings(found []judge.Finding, closing *judge.Finding) {
	if len(found) == 0 {
		return
	}
	p.line("")
	shown := found[:min(len(found), maxFindings)]
	for i := range shown {
		p.finding(&shown[i])
		advice := shown[i].Advice
		repeated := i+1 < len(shown) && shown[i+1].Advice == advice
		if !repeated && (closing == nil || closing.Advice != advice) {
			p.line("%*s-> %s", labelCells, "", p.wrap(Printable(advice), labelCells+3, labelCells+3))
		}
	}
	if hidden := len(found) - len(shown); hidden > 0 {
		p.line("%s", p.wrap(fmt.Sprintf("%s not shown (--json lists all)", count(hidden, "finding")), 0, 2))
	}
}

func (p *printer) finding(f *judge.Finding) {
	label := fmt.Sprintf("%-*s", labelCells, strings.ToUpper(string(f.Severity)))
	text := fmt.Sprintf("%s: %s", Printable(f.Subject), Printable(f.Evidence))
	p.line("%s%s", p.paint(severityInk(f.Severity), label), p.wrap(text, labelCells, labelCells))
}

func severityInk(s judge.Severity) ink {
	switch s {
	case judge.Critical:
		return red
	case judge.Warning:
		return yellow
	}
	return green
}

// worst is the finding that the closing line names, and its namespace.
type worst struct {
	verdict *judge.Verdict
	finding *judge.Finding
}

// worstFinding is the first of the most severe findings that call for
// something to be done; nil where there is none.
func worstFinding(verdicts []Shown) *worst {
	var found *worst
	for i := range verdicts {
		for j := range verdicts[i].Findings {
			f := &verdicts[i].Findings[j]
			if f.Severity.Reaches(judge.Warning) && (found == nil || !found.finding.Severity.Reaches(f.Severity)) {
				found = &worst{&verdicts[i].Verdict, f}
			}
		}
	}
	return found
}

// in is the finding where it belongs to v, else nil.
func (w *worst) in(v *judge.Verdict) *judge.Finding {
	if w == nil || w.verdict != v {
		return nil
	}
	return w.finding
}

// closing says in words whether all is well, and what to do if not.
func (p *printer) closing(doc *Show, worst *worst) {
	if worst == nil {
		text := "All is well: " + fullest(doc)
		if len(doc.Gaps) > 0 {
			text = "As far as could be read, all is well: " + fullest(doc)
		}
		p.line("%s", p.paint(green, p.wrap(text, 0, 2)))
		return
	}
	subject := worst.finding.Subject
	if len(doc.Namespaces) > 1 {
		subject += " in " + worst.verdict.Name
	}
	text := fmt.Sprintf("Not well: %s. First, %s: %s.", tallyFindings(doc.Namespaces), subject, worst.finding.Advice)
	p.line("%s", p.paint(severityInk(worst.finding.Severity), p.wrap(Printable(text), 0, 2)))
}

func tallyFindings(verdicts []Shown) string {
	critical, warnings := 0, 0
	for i := range verdicts {
		for _, f := range verdicts[i].Findings {
			switch f.Severity {
			case judge.Critical:
				critical++
			case judge.Warning:
				warnings++
			}
		}
	}
	switch {
	case warnings == 0:
		return fmt.Sprintf("%d critical", critical)
	case critical == 0:
		return count(warnings, "warning")
	}
	return fmt.Sprintf("%d critical, %s", critical, count(warnings, "warning"))
}

// fullest names the pool with the largest share in use. TCP's local pools are
// left out: what fills them are the connections of the others.
func fullest(doc *Show) string {
	best, text := -1.0, ""
	consider := func(subject string, left, size int) {
		if taken := 1 - share(left, size); taken > best {
			best = taken
			text = fmt.Sprintf("the fullest pool, %s, has %s of %s left.", subject, thousands(left), count(size, "port"))
		}
	}
	for i := range doc.Namespaces {
		v := &doc.Namespaces[i]
		for j := range v.Pools {
			consider(v.Pools[j].Subject(), v.Pools[j].Left, v.Pools[j].Size)
		}
		for j := range v.LocalPools {
			if pool := &v.LocalPools[j]; pool.Proto == port.UDP.String() {
				consider(pool.Proto+" "+pool.Local, pool.Left, pool.Size)
			}
		}
	}
	if best < 0 {
		return strings.Join(strings.Fields("no "+doc.Proto+" socket uses a port of the range."), " ")
	}
	return text
}
