package report

import (
	"fmt"
	"io"

	"portrange/internal/capacity"
	"portrange/internal/live"
)

// worthMissing is the share of unseen connections from which it is worth a word.
const worthMissing = 0.02

// WriteLivePlan prints the text of `portrange plan --from-live`: what was
// measured for each tuple, limit of them (0 for all), with what it needs.
func WriteLivePlan(w io.Writer, doc *LivePlan, limit int, style Style) error {
	p := newPrinter(w, style)
	p.line("%s", p.paint(bold, p.wrap(liveTitle(doc.Live), 0, 2)))
	p.unseen(doc.Live)
	if len(doc.Tuples) == 0 {
		p.line("No connection used a port of the range.")
		return p.flush()
	}
	shown := doc.Tuples
	if limit > 0 && len(shown) > limit {
		shown = shown[:limit]
	}
	p.line("")
	p.tuples(shown)
	if hidden := len(doc.Tuples) - len(shown); hidden > 0 {
		p.line("%s not shown (--limit 0 shows all)", count(hidden, "tuple"))
	}
	if worst := doc.Worst(); worst != nil && worst.Plan.Verdict != capacity.Fits {
		p.line("")
		p.line("%s", p.paint(bold, "To "+worst.Remote+" from "+worst.Local+":"))
		p.planVerdict(worst.Plan)
		p.levers(worst.Plan, doc.Ref)
	}
	return p.flush()
}

func liveTitle(measured *live.Live) string {
	return fmt.Sprintf("Measured in network namespace %s for %s, %s: %s opened", Printable(measured.Name), secondsText(measured.Elapsed),
		count(measured.Samples, "sample"), count(measured.Opened, "connection"))
}

// unseen compares the samples with the kernel's count.
func (p *printer) unseen(measured *live.Live) {
	missing := measured.Opened - measured.Seen
	if missing <= 0 || share(missing, measured.Opened) < worthMissing {
		return
	}
	p.line("%s", p.paint(yellow, p.wrap(fmt.Sprintf("%s (%s) began and ended between two samples, or use ports outside the range: "+
		"the rates below are too low by as much", count(missing, "connection"), percent(share(missing, measured.Opened))), 0, 2)))
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

func (p *printer) tuples(tuples []capacity.Observed) {
	t := table{columns: []column{
		{title: "LOCAL", yields: 1}, {title: "REMOTE"}, {title: "NEW", right: true, yields: 3}, {title: "RATE", right: true},
		{title: "OPEN", right: true}, {title: "TIME_WAIT", right: true, yields: 2}, {title: "LASTS", right: true},
		{title: "CLIENT CLOSES", right: true, yields: 4}, {title: "NEEDED", right: true}, {title: "SHARE", right: true},
		{title: "CEILING", right: true, yields: 5},
	}}
	for i := range tuples {
		t.rows = append(t.rows, tupleRow(&tuples[i]))
	}
	p.table(&t)
}

func tupleRow(o *capacity.Observed) []cell {
	row := []cell{
		{text: o.Local}, {text: o.Remote}, {text: thousands(o.New)}, {}, {text: rounded(o.Open)}, {text: rounded(o.TimeWait)},
		{}, {}, {}, {}, {},
	}
	if o.Plan == nil {
		return row
	}
	row[3].text, row[6].text = rateText(o.Rate), secondsText(o.Hold)
	if o.ByClient+o.ByServer > 0 {
		row[7].text = percent(o.Plan.Load.ClientCloses)
	}
	in := verdictInk(o.Plan.Verdict)
	row[8] = cell{text: thousands(o.Plan.Needed), ink: in}
	row[9] = cell{text: percent(o.Plan.Share), ink: in}
	row[10].text = rateText(o.Plan.WallRate)
	return row
}
