package report

import (
	"fmt"
	"io"

	"portrange/internal/capacity"
	"portrange/internal/escape"
	"portrange/internal/host"
	"portrange/internal/words"
)

// LivePlan is the document of `portrange plan --from-live`: what was measured of
// one network namespace, and what it needs.
type LivePlan struct {
	SchemaVersion int `json:"schema_version" doc:"1; grows when a field changes its meaning or goes away"`
	*capacity.Live
	Gaps []host.Gap `json:"gaps" doc:"what could not be read; numbers beside a gap can be too small"`
}

// worthMissing is the share of unseen connections from which it is worth a word.
const worthMissing = 0.02

// WriteLivePlan prints the text of `portrange plan --from-live`: what was
// measured for each tuple, limit of them (0 for all), with what it needs.
func WriteLivePlan(w io.Writer, doc *LivePlan, limit int, style Style) error {
	p := newPrinter(w, style)
	p.text(bold, fmt.Sprintf("Measured in network namespace %s for %s, %s: %s opened", escape.Printable(doc.Name),
		words.Seconds(doc.Elapsed), words.Count(doc.Samples, "sample"), words.Count(doc.Opened, "connection")))
	// The samples see fewer connections than the kernel counts.
	missing := doc.Opened - doc.Seen
	if missing > 0 && share(missing, doc.Opened) >= worthMissing {
		p.text(yellow, fmt.Sprintf("%s (%s) began and ended between two samples, or use ports outside the range: "+
			"the rates below are too low by as much",
			words.Count(missing, "connection"), words.Percent(share(missing, doc.Opened))))
	}
	if len(doc.Tuples) == 0 {
		p.text(plain, "No connection used a port of the range.")
		return p.flush()
	}
	shown := doc.Tuples
	if limit > 0 && len(shown) > limit {
		shown = shown[:limit]
	}
	p.line("")
	writeTable(p, tupleColumns(), shown)
	if hidden := len(doc.Tuples) - len(shown); hidden > 0 {
		p.text(plain, words.Count(hidden, "tuple")+" not shown (--limit 0 shows all)")
	}
	if worst := doc.Worst(); worst != nil && worst.Plan.Verdict != capacity.Fits {
		p.line("")
		p.text(bold, "To "+worst.Remote+" from "+worst.Local+":")
		p.planVerdict(worst.Plan)
		p.levers(worst.Plan, doc.Ref)
	}
	return p.flush()
}

// Worst is the tuple whose plan needs the largest share, nil where none has one.
func (doc *LivePlan) Worst() *capacity.Observed {
	var worst *capacity.Observed
	for i := range doc.Tuples {
		o := &doc.Tuples[i]
		if o.Plan != nil && (worst == nil || o.Plan.Share > worst.Plan.Share) {
			worst = o
		}
	}
	return worst
}

func tupleColumns() []column[capacity.Observed] {
	return []column[capacity.Observed]{
		{title: "LOCAL", yields: 1, cell: textCell(func(o *capacity.Observed) string { return o.Local })},
		{title: "REMOTE", cell: textCell(func(o *capacity.Observed) string { return o.Remote })},
		{title: "NEW", right: true, yields: 3, cell: textCell(func(o *capacity.Observed) string { return words.Thousands(o.New) })},
		{title: "RATE", right: true, cell: planned(func(o *capacity.Observed) string { return words.Rate(o.Rate) })},
		{title: "OPEN", right: true, cell: textCell(func(o *capacity.Observed) string { return words.Rounded(o.Open) })},
		{title: "TIME_WAIT", right: true, yields: 2, cell: textCell(func(o *capacity.Observed) string { return words.Rounded(o.TimeWait) })},
		{title: "LASTS", right: true, cell: planned(func(o *capacity.Observed) string { return words.Seconds(o.Hold) })},
		{title: "CLIENT CLOSES", right: true, yields: 4, cell: planned(func(o *capacity.Observed) string {
			if o.ByClient+o.ByServer == 0 {
				return ""
			}
			return words.Percent(o.Plan.Load.ClientCloses)
		})},
		{title: "NEEDED", right: true, cell: judged(func(o *capacity.Observed) string { return words.Thousands(o.Plan.Needed) })},
		{title: "SHARE", right: true, cell: judged(func(o *capacity.Observed) string { return words.Percent(o.Plan.Share) })},
		{title: "CEILING", right: true, yields: 5, cell: planned(func(o *capacity.Observed) string { return words.Rate(o.Plan.WallRate) })},
	}
}

// planned is the cell of a tuple that has a plan, empty for the others.
func planned(text func(*capacity.Observed) string) func(*capacity.Observed) cell {
	return func(o *capacity.Observed) cell {
		if o.Plan == nil {
			return cell{}
		}
		return cell{text: text(o)}
	}
}

// judged is the same in the colour of the plan's verdict.
func judged(text func(*capacity.Observed) string) func(*capacity.Observed) cell {
	return func(o *capacity.Observed) cell {
		shown := planned(text)(o)
		if o.Plan != nil {
			shown.ink = verdictInk(o.Plan.Verdict)
		}
		return shown
	}
}
