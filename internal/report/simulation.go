package report

import (
	"fmt"
	"io"
	"strconv"

	"portrange/internal/simulate"
)

// Costs is the document of `portrange plan --probe`.
type Costs struct {
	SchemaVersion int                      `json:"schema_version"`
	Kernel        string                   `json:"kernel"`
	Costs         []*simulate.ConnectCosts `json:"costs"`
}

func (p *printer) simulation(result *simulate.Result, planned int) {
	run, predicted, measured := &result.Run, &result.Predicted, &result.Measured
	p.line("")
	p.line("%s", p.paint(bold, "Simulated on this kernel, in a private network namespace:"))
	p.field("Scaled", scaleText(run, planned))
	p.field("TIME_WAIT", standsText(run))
	p.field("Peak", fmt.Sprintf("%s withheld at once; predicted %s, from %s to %s 99 times of 100", count(measured.Peak, "port"),
		thousands(predicted.Peak), thousands(predicted.PeakLow), thousands(predicted.PeakHigh)))
	p.field("Failed", fmt.Sprintf("%s of %s of connect(), %s; predicted %s", thousands(measured.Failed), count(measured.Calls, "call"),
		percent(measured.Lost), percent(predicted.Lost)))
	p.field("connect()", latencyText(&measured.Connect))
	if measured.Failed > 0 {
		p.field("Failing", latencyText(&measured.Failing))
	}
	if measured.Pace < worthSlowing {
		p.field("Pace", percent(measured.Pace)+" of the planned: the machine could not keep up, so the run was stretched; connect() may take less on an idle one")
	}
}

// worthSlowing is the pace below which latencies are not those of an idle machine.
const worthSlowing = 0.9

func scaleText(run *simulate.Run, planned int) string {
	return fmt.Sprintf("%s of %s; %s to each, open for %s; range %d-%d, %s usable; ports × %.3g, time × %.3g",
		thousands(run.Tuples), count(planned, "tuple"), rateText(run.TupleRate), secondsText(run.Hold),
		run.Low, run.High, thousands(run.Usable), run.PortScale, run.TimeScale)
}

func standsText(run *simulate.Run) string {
	switch run.Stands {
	case simulate.Kernel:
		return "the kernel's own, with tcp_tw_reuse and a delay of " + secondsText(run.Lingers)
	case simulate.Emulated:
		return "emulated, as its 60 s are compiled into the kernel: each connection stays open for " + secondsText(run.Lingers) +
			" more instead, and is then reset"
	}
	return "not needed, the server closes first"
}

func latencyText(l *simulate.Latency) string {
	return fmt.Sprintf("p50 %s, p90 %s, p99 %s, longest %s", microsText(l.P50), microsText(l.P90), microsText(l.P99), microsText(l.Max))
}

func microsText(us float64) string {
	if us >= 1000 {
		return strconv.FormatFloat(us/1000, 'f', 1, 64) + " ms"
	}
	return strconv.FormatFloat(us, 'f', 0, 64) + " µs"
}

// WriteCosts prints the text of `portrange plan --probe`.
func WriteCosts(w io.Writer, doc *Costs, style Style) error {
	p := newPrinter(w, style)
	for i, costs := range doc.Costs {
		if i > 0 {
			p.line("")
		}
		p.line("%s", p.paint(bold, p.wrap(fmt.Sprintf("connect() on Linux %s while a pool of %s fills with sockets in state %s",
			Printable(doc.Kernel), count(costs.Ports, "port"), costs.Fill), 0, 2)))
		p.costTable(costs)
	}
	return p.flush()
}

func (p *printer) costTable(costs *simulate.ConnectCosts) {
	t := table{columns: []column{
		{title: "IN USE", right: true}, {title: "P50", right: true}, {title: "P90", right: true}, {title: "P99", right: true},
		{title: "LONGEST", right: true, yields: 1},
	}}
	for _, step := range costs.Steps {
		t.rows = append(t.rows, costRow(percent(step.From)+" to "+percent(step.To), &step.Latency))
	}
	t.rows = append(t.rows, costRow("full, fails", &costs.Failing))
	p.table(&t)
}

func costRow(head string, l *simulate.Latency) []cell {
	return []cell{{text: head}, {text: microsText(l.P50)}, {text: microsText(l.P90)}, {text: microsText(l.P99)}, {text: microsText(l.Max)}}
}
