package report

import (
	"fmt"
	"io"

	"portrange/internal/escape"
	"portrange/internal/simulate"
	"portrange/internal/words"
)

// Costs is the document of `portrange plan --probe`.
type Costs struct {
	SchemaVersion int                      `json:"schema_version" doc:"1; grows when a field changes its meaning or goes away"`
	Kernel        string                   `json:"kernel" doc:"kernel release, as uname -r prints it"`
	Costs         []*simulate.ConnectCosts `json:"costs" doc:"one for each state of the sockets that fill the pool"`
}

func (p *printer) simulation(result *simulate.Result, planned int) {
	run, predicted, measured := &result.Run, &result.Predicted, &result.Measured
	p.line("")
	p.text(bold, "Simulated on this kernel, in a private network namespace:")
	p.field("Scaled", fmt.Sprintf("%s of %s; %s to each, open for %s; range %d-%d, %s usable; "+
		"ports × %.3g, time × %.3g",
		words.Thousands(run.Tuples), words.Count(planned, "tuple"), words.Rate(run.TupleRate), words.Seconds(run.Hold),
		run.Low, run.High, words.Thousands(run.Usable), run.PortScale, run.TimeScale))
	switch run.Stands {
	case simulate.Kernel:
		p.field("TIME_WAIT", "the kernel's own, with tcp_tw_reuse and a delay of "+words.Seconds(run.Lingers))
	case simulate.Emulated:
		p.field("TIME_WAIT", "emulated, as its 60 s are compiled into the kernel: each connection stays open for "+
			words.Seconds(run.Lingers)+" more instead, and is then reset")
	default:
		p.field("TIME_WAIT", "not needed, the server closes first")
	}
	p.field("Peak", fmt.Sprintf("%s withheld at once; predicted %s, from %s to %s 99 times of 100", words.Count(measured.Peak, "port"),
		words.Thousands(predicted.Peak), words.Thousands(predicted.PeakLow), words.Thousands(predicted.PeakHigh)))
	p.field("Failed", fmt.Sprintf("%s of %s of connect(), %s; predicted %s", words.Thousands(measured.Failed),
		words.Count(measured.Calls, "call"), words.Percent(measured.Lost), words.Percent(predicted.Lost)))
	p.field("connect()", latencyText(&measured.Connect))
	if measured.Failed > 0 {
		p.field("Failing", latencyText(&measured.Failing))
	}
	if measured.Pace < worthSlowing {
		p.field("Pace", words.Percent(measured.Pace)+" of the planned: the machine could not keep up, "+
			"so the run was stretched; connect() may take less on an idle one")
	}
}

// worthSlowing is the pace below which latencies are not those of an idle machine.
const worthSlowing = 0.9

func latencyText(l *simulate.Latency) string {
	return fmt.Sprintf("p50 %s, p90 %s, p99 %s, longest %s", microsText(l.P50), microsText(l.P90), microsText(l.P99), microsText(l.Max))
}

func microsText(us float64) string { return words.Seconds(us / 1e6) }

// costRow is a row of the table of costs.
type costRow struct {
	inUse string
	simulate.Latency
}

// WriteCosts prints the text of `portrange plan --probe`.
func WriteCosts(w io.Writer, doc *Costs, style Style) error {
	p := newPrinter(w, style)
	for i, costs := range doc.Costs {
		if i > 0 {
			p.line("")
		}
		p.text(bold, fmt.Sprintf("connect() on Linux %s while a pool of %s fills with sockets in state %s",
			escape.Printable(doc.Kernel), words.Count(costs.Ports, "port"), costs.Fill))
		var rows []costRow
		for _, step := range costs.Steps {
			rows = append(rows, costRow{words.Percent(step.From) + " to " + words.Percent(step.To), step.Latency})
		}
		longest := textCell(func(r *costRow) string { return microsText(r.Max) })
		writeTable(p, []column[costRow]{
			{title: "IN USE", right: true, cell: textCell(func(r *costRow) string { return r.inUse })},
			{title: "P50", right: true, cell: textCell(func(r *costRow) string { return microsText(r.P50) })},
			{title: "P90", right: true, cell: textCell(func(r *costRow) string { return microsText(r.P90) })},
			{title: "P99", right: true, cell: textCell(func(r *costRow) string { return microsText(r.P99) })},
			{title: "LONGEST", right: true, yields: 1, cell: longest},
		}, append(rows, costRow{"full, fails", costs.Failing}))
	}
	return p.flush()
}
