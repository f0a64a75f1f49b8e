package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"portrange/internal/doctor"
	"portrange/internal/host"
	"portrange/internal/judge"
)

// Doctor is the document of `portrange doctor`.
type Doctor struct {
	SchemaVersion int       `json:"schema_version"`
	TakenAt       time.Time `json:"taken_at"`
	Host          string    `json:"host"`
	Kernel        string    `json:"kernel"`
	// Namespaces are those that were looked at.
	Namespaces []Examined       `json:"namespaces"`
	Findings   []doctor.Finding `json:"findings"`
	Gaps       []host.Gap       `json:"gaps"`
}

// Examined is a network namespace that was looked at, and how.
type Examined struct {
	NetNS  uint64 `json:"netns"`
	Name   string `json:"name"`
	Source string `json:"source"`
	// Walk is nil where the table of bind buckets was not walked.
	Walk *host.Walk `json:"walk,omitempty"`
}

// WriteDoctor prints the text of `portrange doctor`: the findings, the worst
// first, each with its code, evidence and advice.
func WriteDoctor(w io.Writer, doc *Doctor, style Style) error {
	p := newPrinter(w, style)
	p.line("%s, Linux %s, %s", p.paint(bold, Printable(doc.Host)), Printable(doc.Kernel), timeText(doc.TakenAt))
	for i := range doc.Findings {
		p.line("")
		p.diagnosis(&doc.Findings[i], len(doc.Namespaces) > 1)
	}
	p.line("")
	p.prognosis(doc)
	return p.flush()
}

// diagnosis prints one finding, with its place where several were examined.
func (p *printer) diagnosis(f *doctor.Finding, several bool) {
	head := fmt.Sprintf("%-*s%s", labelCells, strings.ToUpper(string(f.Severity)), f.Code)
	where := ""
	if several && f.Namespace != 0 {
		where = fmt.Sprintf(", network namespace %s", Printable(f.Name))
	}
	p.line("%s%s", p.paint(severityInk(f.Severity), head), where)
	for _, text := range []string{f.Subject + ": " + f.Evidence, "-> " + f.Advice} {
		p.line("%*s%s", labelCells, "", p.wrap(Printable(text), labelCells, labelCells))
	}
}

// prognosis closes with what there is, and where to read on.
func (p *printer) prognosis(doc *Doctor) {
	if len(doc.Findings) == 0 {
		text := "Nothing found."
		if len(doc.Gaps) > 0 {
			text = "Nothing found, as far as could be read."
		}
		p.line("%s", p.paint(green, text))
		return
	}
	counts := map[judge.Severity]int{}
	for i := range doc.Findings {
		counts[doc.Findings[i].Severity]++
	}
	var parts []string
	for _, severity := range []judge.Severity{judge.Critical, judge.Warning, judge.Info} {
		if n := counts[severity]; n > 0 {
			parts = append(parts, severities(n, severity))
		}
	}
	worst := &doc.Findings[0]
	p.line("%s", p.paint(severityInk(worst.Severity), p.wrap(fmt.Sprintf("%s: %s. `portrange doctor --explain %s` explains the first.",
		count(len(doc.Findings), "finding"), strings.Join(parts, ", "), worst.Code), 0, 2)))
}

// severities is a number of findings: "2 critical", "2 warnings".
func severities(n int, severity judge.Severity) string {
	if severity == judge.Warning {
		return count(n, string(severity))
	}
	return thousands(n) + " " + string(severity)
}

func doctorDocument() Document {
	return Document{"doctor", "One object.", slices.Concat(schemaField, []Field{
		{"taken_at", "when the check-up ended (RFC 3339, UTC)"},
		{"host", "host name"},
		{"kernel", "kernel release, as uname -r prints it"},
		{"namespaces[]", "the network namespaces that were examined"},
		{"namespaces[].netns", "inode number of the network namespace"},
		{"namespaces[].name", "host, the name given by ip netns, or its first process"},
		{"namespaces[].source", "where the sockets came from: bpf or netlink"},
	}, under("namespaces[].", walkFields), []Field{
		{"findings[]", "what was found, the worst first"},
		{"findings[].code", "stable name of the kind of finding; `portrange doctor --explain CODE` explains it"},
		{"findings[].severity", "info, warning or critical"},
		{"findings[].subject", "what it is about"},
		{"findings[].evidence", "the numbers behind it"},
		{"findings[].advice", "what to do"},
		{"findings[].namespace", "inode number of the network namespace; 0 for what belongs to the whole machine"},
		{"findings[].name", "name of that namespace; empty for the whole machine"},
	}, gapFields)}
}
