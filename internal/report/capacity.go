package report

import (
	"fmt"
	"io"
	"strings"

	"portrange/internal/capacity"
	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/port"
	"portrange/internal/simulate"
	"portrange/internal/words"
)

// Plan is the document of `portrange plan`.
type Plan struct {
	SchemaVersion int `json:"schema_version" doc:"1; grows when a field changes its meaning or goes away"`
	*capacity.Plan
	// Simulation is nil where none was asked for.
	Simulation *simulate.Result `json:"simulation,omitempty" doc:"the load run on this kernel; absent without --simulate"`
	Gaps       []host.Gap       `json:"gaps" doc:"what could not be read; numbers beside a gap can be too small"`

	// Ref is what --netns takes for the namespace planned for.
	Ref string `json:"-"`
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
			words.Thousands(plan.Pool.Half)),
		capacity.Short: "Short: more ports are needed to each destination than there are",
	}[plan.Verdict]
	if plan.Lost >= worthFailing {
		text += fmt.Sprintf("; %s of the connections would fail", words.Percent(plan.Lost))
	}
	p.text(verdictInk(plan.Verdict), text)
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
	load, pool := &plan.Load, &plan.Pool
	closes := "the client closes " + words.Percent(load.ClientCloses) + " of them first"
	switch load.ClientCloses {
	case 0:
		closes = "the server closes first"
	case 1:
		closes = "the client closes first"
	}
	p.field("Load", fmt.Sprintf("%s, each open for %s; %s", words.Rate(load.Rate), words.Seconds(load.Hold), closes))
	p.field("Tuples", fmt.Sprintf("%s: %s from %s; %s each", words.Thousands(plan.Tuples),
		words.Count(load.Destinations, "destination"), words.Count(load.Sources, "source"), words.Rate(plan.TupleRate)))
	p.field("Port held", words.Seconds(plan.Blocks)+" by each connection: "+heldText(load))
	ports := fmt.Sprintf("%d-%d, %s usable", pool.Low, pool.High, words.Count(pool.Usable, "port"))
	if pool.ReservedInRange+pool.BindHeld > 0 {
		ports += fmt.Sprintf(" of %s; %s reserved, %s held by bind()", words.Thousands(pool.Size),
			words.Thousands(pool.ReservedInRange), words.Thousands(pool.BindHeld))
	}
	p.field("Range", ports)
	p.field("Needed", p.paint(verdictInk(plan.Verdict), words.Count(plan.Needed, "port"))+
		fmt.Sprintf(" to each destination, %s of the usable: enough %s of the time; %s on average",
			words.Percent(plan.Share), words.Probability(plan.Confidence), words.Rounded(plan.Mean)))
	p.field("Ceiling", fmt.Sprintf("%s below the half, %s below the wall", words.Rate(plan.SlowRate), words.Rate(plan.WallRate)))
	also := "on average " + words.Count(plan.Also.OpenSockets, "open file") + " of the client"
	if plan.Also.TimeWait > 0 {
		also += fmt.Sprintf(", and up to %s in TIME_WAIT (tcp_max_tw_buckets bounds them)",
			words.Count(plan.Also.TimeWait, "socket"))
	}
	p.field("Also", also)
}

// heldText tells the parts of the time that a connection withholds its port.
func heldText(load *capacity.Load) string {
	switch {
	case load.ClientCloses == 0:
		return "as long as it is open"
	case load.Reuses():
		return fmt.Sprintf("%s open, %s until tcp_tw_reuse may take it over (TCP timestamps on both ends provided)",
			words.Seconds(load.Hold), words.Seconds(load.Lingers()))
	case load.ClientCloses < 1:
		return fmt.Sprintf("%s open, and %s of them %s in TIME_WAIT", words.Seconds(load.Hold), words.Percent(load.ClientCloses),
			words.Seconds(load.Lingers())) + unstampedText(load)
	}
	return fmt.Sprintf("%s open, %s in TIME_WAIT", words.Seconds(load.Hold), words.Seconds(load.Lingers())) + unstampedText(load)
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

// levers prints what can be changed, and the least of it as a closing line. ref
// is what --netns takes for the namespace.
func (p *printer) levers(plan *capacity.Plan, ref string) {
	if len(plan.Levers) == 0 {
		return
	}
	p.line("")
	p.text(bold, "What would do, each alone:")
	writeTable(p, []column[capacity.Lever]{
		{title: "LEVER", cell: textCell(func(l *capacity.Lever) string { return string(l.Name) })},
		{title: "NOW", cell: textCell(func(l *capacity.Lever) string { return l.Now })},
		{title: "TO FIT", cell: func(l *capacity.Lever) cell { return changeCell(l.Fit) }},
		{title: "TO STAY BELOW THE HALF", cell: func(l *capacity.Lever) cell { return changeCell(l.Fast) }},
	}, plan.Levers)
	for i := range plan.Levers {
		lever := &plan.Levers[i]
		p.line("  %s", p.paint(faint, p.wrap(string(lever.Name)+": "+lever.Note, 2, 4)))
	}
	p.text(plain, leastText(plan, ref))
}

func changeCell(change *capacity.Change) cell {
	switch {
	case change == nil:
		return cell{}
	case change.Possible:
		return cell{text: fmt.Sprintf("%s (%s)", change.Value, words.Percent(change.Share)), ink: green}
	case change.Value == "":
		return cell{text: "no help", ink: faint}
	}
	return cell{text: fmt.Sprintf("not enough: %s (%s)", change.Value, words.Percent(change.Share)), ink: faint}
}

func leastText(plan *capacity.Plan, ref string) string {
	lever, change, found := plan.Least()
	if !found {
		return "No single change is enough; combine them."
	}
	text := fmt.Sprintf("Least change: %s %s", lever.Name, change.Value)
	switch lever.Name {
	case capacity.LeverRange:
	case capacity.LeverTWReuse:
		words := []string{"sysctl", "-w", port.KeyTWReuse + "=1"}
		if plan.Load.NoTimestamps {
			words = append(words, port.KeyTimestamps+"=1")
		}
		return text + ", by " + commandText(finding.Inside(ref, words...).String()) + ", where the other end sends TCP timestamps too."
	default:
		return text + "."
	}
	set := finding.Portrange(ref, append(append([]string{"set"}, strings.Fields(change.Value)...), "--reserve")...)
	text += ", by " + commandText(set.String())
	if change.Reserve != "" {
		text += "; before it, as something listens there, " + commandText(finding.Portrange(ref, "reserve", "add", change.Reserve).String())
	}
	return text + "."
}
