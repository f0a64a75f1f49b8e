package report

import (
	"fmt"
	"io"
	"time"

	"portrange/internal/escape"
	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/words"
)

// Doctor is the document of `portrange doctor`.
type Doctor struct {
	SchemaVersion int        `json:"schema_version" doc:"1; grows when a field changes its meaning or goes away"`
	TakenAt       time.Time  `json:"taken_at" doc:"when the check-up ended (RFC 3339, UTC)"`
	Host          string     `json:"host" doc:"host name"`
	Kernel        string     `json:"kernel" doc:"kernel release, as uname -r prints it"`
	Namespaces    []Examined `json:"namespaces" doc:"the network namespaces that were examined"`
	Findings      []Finding  `json:"findings" doc:"what was found, the worst first"`
	Gaps          []host.Gap `json:"gaps" doc:"what could not be read; numbers beside a gap can be too small"`
}

// Examined is a network namespace that was looked at, and how.
type Examined struct {
	NetNS  uint64 `json:"netns" doc:"inode number of the network namespace"`
	Name   string `json:"name" doc:"host, the name given by ip netns, or its first process"`
	Source string `json:"source" doc:"where the sockets came from: bpf or netlink"`
	// Walk is nil where the table of bind buckets was not walked.
	Walk *host.Walk `json:"walk,omitempty" doc:"how the kernel's table of bind buckets was walked; absent where it was not"`
}

// NewDoctor is the document of a check-up that ended at a time.
func NewDoctor(at time.Time, state *host.State, found []finding.Finding) *Doctor {
	doc := &Doctor{
		SchemaVersion: SchemaVersion, TakenAt: at, Host: state.Host, Kernel: state.Kernel,
		Namespaces: make([]Examined, len(state.Namespaces)), Findings: NewFindings(found), Gaps: append([]host.Gap{}, state.Gaps...),
	}
	for i := range state.Namespaces {
		ns := &state.Namespaces[i]
		doc.Namespaces[i] = Examined{ns.ID, ns.Name, ns.Source, ns.Walk}
	}
	return doc
}

// WriteDoctor prints the text of `portrange doctor`: one block for each fault,
// the worst first, and at the end how many there are and where to read on.
func WriteDoctor(w io.Writer, doc *Doctor, style Style) error {
	p := newPrinter(w, style)
	p.origin(doc.Host, doc.Kernel, doc.TakenAt)
	blocks := blocksOf(doc.Findings)
	p.blocks(blocks, 0, len(doc.Namespaces) > 1)
	p.line("")
	switch {
	case len(blocks) > 0:
		worst := blocks[0]
		bySeverity := tally(blocks, finding.Critical, finding.Warning, finding.Info)
		p.text(severityInk(worst.Severity), fmt.Sprintf("%s: %s. %s explains the first.",
			words.Count(len(blocks), "finding"), bySeverity, commandText("portrange doctor --explain "+worst.Code)))
	case len(doc.Gaps) > 0:
		p.text(green, "Nothing found, as far as could be read.")
	default:
		p.text(green, "Nothing found.")
	}
	return p.flush()
}

// origin prints where and when the numbers were taken.
func (p *printer) origin(host, kernel string, at time.Time) {
	p.line("%s, Linux %s, %s", p.paint(bold, escape.Printable(host)), escape.Printable(kernel), words.Moment(at))
}
