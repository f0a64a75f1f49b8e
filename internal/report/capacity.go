package report

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"portrange/internal/capacity"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/live"
	"portrange/internal/simulate"
)

// Plan is the document of `portrange plan`.
type Plan struct {
	SchemaVersion int `json:"schema_version"`
	*capacity.Plan
	// Simulation is nil where none was asked for.
	Simulation *simulate.Result `json:"simulation,omitempty"`
	Gaps       []host.Gap       `json:"gaps"`

	// Ref is what --netns takes for the namespace planned for.
	Ref string `json:"-"`
}

// LivePlan is the document of `portrange plan --from-live`.
type LivePlan struct {
	SchemaVersion int `json:"schema_version"`
	*live.Live
	Gaps []host.Gap `json:"gaps"`
}

// WritePlan prints the text of `portrange plan`: the verdict, how it comes
// about, what to change, and the simulation where there is one.
func WritePlan(w io.Writer, doc *Plan, style Style) error {
	p := newPrinter(w, style)
	p.planVerdict(doc.Plan)
	p.planFields(doc.Plan)
	p.levers(doc.Plan, doc.Ref)
	if doc.Simulation != nil {
		p.simulation(doc.Simulation, doc.Tuples)
	}
	return p.flush()
}

func (p *printer) planVerdict(plan *capacity.Plan) {
	text := map[capacity.Verdict]string{
		capacity.Fits: "Fits: below the half of the ports to each destination",
		capacity.Slow: fmt.Sprintf("Slow: enough ports, but past the half connect() searches up to %s of them in vain first",
			thousands(plan.Pool.Half)),
		capacity.Short: "Short: more ports are needed to each destination than there are",
	}[plan.Verdict]
	if plan.Lost >= worthFailing {
		text += fmt.Sprintf("; %s of the connections would fail", percent(plan.Lost))
	}
	p.line("%s", p.paint(verdictInk(plan.Verdict), p.wrap(text, 0, 2)))
}

// worthFailing is the share of failing connections that prints as more than none.
const worthFailing = 0.0005

func verdictInk(v capacity.Verdict) ink {
	switch v {
	case capacity.Short:
		return red
	case capacity.Slow:
		return yellow
	}
	return green
}

func (p *printer) planFields(plan *capacity.Plan) {
	load := &plan.Load
	p.field("Load", fmt.Sprintf("%s, each open for %s; %s", rateText(load.Rate), secondsText(load.Hold), closesText(load.ClientCloses)))
	p.field("Tuples", fmt.Sprintf("%s: %s from %s; %s each", thousands(plan.Tuples),
		count(load.Destinations, "destination"), count(load.Sources, "source"), rateText(plan.TupleRate)))
	p.field("Port held", secondsText(plan.Blocks)+" by each connection: "+heldText(load))
	p.field("Range", poolText(&plan.Pool))
	p.field("Needed", p.paint(verdictInk(plan.Verdict), count(plan.Needed, "port"))+
		fmt.Sprintf(" to each destination, %s of the usable: enough %s of the time; %s on average",
			percent(plan.Share), confidenceText(plan.Confidence), rounded(plan.Mean)))
	p.field("Ceiling", fmt.Sprintf("%s below the half, %s below the wall", rateText(plan.SlowRate), rateText(plan.WallRate)))
	p.field("Also", alsoText(&plan.Also))
}

func poolText(pool *capacity.Pool) string {
	text := fmt.Sprintf("%d-%d, %s usable", pool.Low, pool.High, count(pool.Usable, "port"))
	if passed := pool.ReservedInRange + pool.BindHeld; passed > 0 {
		text += fmt.Sprintf(" of %s; %s reserved, %s held by bind()", thousands(pool.Size),
			thousands(pool.ReservedInRange), thousands(pool.BindHeld))
	}
	return text
}

// heldText tells the parts of the time that a connection withholds its port.
func heldText(load *capacity.Load) string {
	switch {
	case load.ClientCloses == 0:
		return "as long as it is open"
	case load.Reuses():
		return fmt.Sprintf("%s open, %s until tcp_tw_reuse may take it over (TCP timestamps on both ends provided)",
			secondsText(load.Hold), secondsText(load.Lingers()))
	case load.ClientCloses < 1:
		return fmt.Sprintf("%s open, and %s of them %s in TIME_WAIT", secondsText(load.Hold), percent(load.ClientCloses),
			secondsText(load.Lingers())) + unstampedText(load)
	}
	return fmt.Sprintf("%s open, %s in TIME_WAIT", secondsText(load.Hold), secondsText(load.Lingers())) + unstampedText(load)
}

// unstampedText says why tcp_tw_reuse does nothing although it is on.
func unstampedText(load *capacity.Load) string {
	stamped := *load
	stamped.NoTimestamps = false
	if !load.NoTimestamps || !stamped.Reuses() {
		return ""
	}
	return ", as tcp_tw_reuse does nothing without tcp_timestamps"
}

func closesText(client float64) string {
	switch client {
	case 0:
		return "the server closes first"
	case 1:
		return "the client closes first"
	}
	return "the client closes " + percent(client) + " of them first"
}

func alsoText(also *capacity.Also) string {
	text := "on average " + count(also.OpenSockets, "open file") + " of the client"
	if also.TimeWait > 0 {
		text += fmt.Sprintf(", and up to %s in TIME_WAIT (tcp_max_tw_buckets bounds them)", count(also.TimeWait, "socket"))
	}
	return text
}

// levers prints what can be changed, and the least of it as a closing line. ref
// is what --netns takes for the namespace.
func (p *printer) levers(plan *capacity.Plan, ref string) {
	if len(plan.Levers) == 0 {
		return
	}
	p.line("")
	p.line("%s", p.paint(bold, "What would do, each alone:"))
	t := table{columns: []column{{title: "LEVER"}, {title: "NOW"}, {title: "TO FIT"}, {title: "TO STAY BELOW THE HALF"}}}
	for i := range plan.Levers {
		lever := &plan.Levers[i]
		t.rows = append(t.rows, []cell{{text: string(lever.Name)}, {text: lever.Now}, changeCell(lever.Fit), changeCell(lever.Fast)})
	}
	p.table(&t)
	for i := range plan.Levers {
		lever := &plan.Levers[i]
		p.line("  %s", p.paint(faint, p.wrap(string(lever.Name)+": "+lever.Note, 2, 4)))
	}
	p.line("%s", p.wrap(leastText(plan, judge.Flag(ref)), 0, 2))
}

func changeCell(change *capacity.Change) cell {
	switch {
	case change == nil:
		return cell{}
	case change.Possible:
		return cell{text: fmt.Sprintf("%s (%s)", change.Value, percent(change.Share)), ink: green}
	case change.Value == "":
		return cell{text: "no help", ink: faint}
	}
	return cell{text: fmt.Sprintf("not enough: %s (%s)", change.Value, percent(change.Share)), ink: faint}
}

func leastText(plan *capacity.Plan, flag string) string {
	lever, change, found := plan.Least()
	if !found {
		return "No single change is enough; combine them."
	}
	text := fmt.Sprintf("Least change: %s %s", lever.Name, change.Value)
	if lever.Name != capacity.LeverRange {
		return text + "."
	}
	text += fmt.Sprintf(", by `portrange set %s%s --reserve`", change.Value, flag)
	if change.Reserve != "" {
		text += fmt.Sprintf("; before it, as something listens there, `portrange reserve add %s%s`", change.Reserve, flag)
	}
	return text + "."
}

// rateText is a rate with three digits at least.
func rateText(rate float64) string {
	if rate >= 100 && rate < math.MaxInt32 {
		return rounded(rate) + "/s"
	}
	return strconv.FormatFloat(rate, 'g', 3, 64) + "/s"
}

func rounded(x float64) string { return thousands(int(math.Round(x))) }

func secondsText(s float64) string {
	const rounds = 0.9995 // to 1 with three digits
	for _, unit := range []struct {
		name    string
		seconds float64
	}{{" ms", 1e-3}, {" µs", 1e-6}, {" ns", 1e-9}} {
		if n := s / unit.seconds; s < rounds && n >= rounds {
			return strconv.FormatFloat(n, 'g', 3, 64) + unit.name
		}
	}
	return strings.TrimSuffix(strconv.FormatFloat(s, 'f', 1, 64), ".0") + " s"
}

// confidenceText is a probability in percent, with all its digits.
func confidenceText(p float64) string { return strconv.FormatFloat(p*100, 'g', 10, 64) + "%" }
