package report

import (
	"fmt"
	"io"
	"strings"

	"portrange/internal/escape"
)

// WriteSummary prints the text of `portrange summary`: the layout of `ss -s`,
// with the bound ports that it no longer shows.
func WriteSummary(w io.Writer, doc *Summary, style Style) error {
	p := newPrinter(w, style)
	for i := range doc.Namespaces {
		t := &doc.Namespaces[i]
		if i > 0 {
			p.line("")
		}
		if len(doc.Namespaces) > 1 {
			p.line("%s", p.paint(bold, fmt.Sprintf("Network namespace %s (%d)", escape.Printable(t.Name), t.NetNS)))
		}
		p.line("Total: %d", t.Sockets)
		p.line("TCP:   %d (estab %d, closed %d, orphaned %d, timewait %d)",
			t.TCP.Total, t.TCP.Established, t.TCP.Closed, t.TCP.Orphaned, t.TCP.TimeWait)
		p.line("Ports: %d (local TCP ports bound; %d of the %d in the range)",
			t.Ports.Bound, t.Ports.InRange, t.Ports.RangeSize)
		p.line("")
		p.line("%s", p.paint(bold, "Transport Total     IP        IPv6"))
		for _, of := range t.Transports {
			p.line("%-9s %-9d %-9d %d", strings.ToUpper(of.Name), of.Total, of.IPv4, of.IPv6)
		}
	}
	return p.flush()
}
