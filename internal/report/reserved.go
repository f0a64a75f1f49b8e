package report

import (
	"fmt"
	"io"

	"portrange/internal/escape"
	"portrange/internal/host"
)

// Reserved is the document of `portrange reserve list`.
type Reserved struct {
	SchemaVersion int                 `json:"schema_version" doc:"1; grows when a field changes its meaning or goes away"`
	Namespaces    []NamespaceReserved `json:"namespaces" doc:"the network namespaces that were read"`
	Gaps          []host.Gap          `json:"gaps" doc:"what could not be read; numbers beside a gap can be too small"`
}

// NamespaceReserved is the reserved ports of one namespace.
type NamespaceReserved struct {
	NetNS    uint64 `json:"netns" doc:"inode number of the network namespace"`
	Name     string `json:"name" doc:"host, the name given by ip netns, or its first process"`
	Reserved string `json:"reserved" doc:"ip_local_reserved_ports in the kernel's form; empty for none"`
	Count    int    `json:"count" doc:"number of reserved ports"`
	InRange  int    `json:"in_range" doc:"those of them that lie in the range"`
}

// NewReserved lists the reserved ports of namespaces.
func NewReserved(namespaces []host.Namespace, gaps []host.Gap) *Reserved {
	doc := &Reserved{SchemaVersion: SchemaVersion, Namespaces: []NamespaceReserved{}, Gaps: gaps}
	for i := range namespaces {
		set := namespaces[i].Settings.Reserved
		doc.Namespaces = append(doc.Namespaces, NamespaceReserved{
			NetNS: namespaces[i].ID, Name: namespaces[i].Name, Reserved: set.String(), Count: set.Len(),
			InRange: set.CountIn(namespaces[i].Settings.Range.Set()),
		})
	}
	return doc
}

// WriteReserved prints the lists in the kernel's form, alone where there is
// only one namespace, so that a script can use it.
func WriteReserved(w io.Writer, doc *Reserved, style Style) error {
	p := newPrinter(w, style)
	for _, ns := range doc.Namespaces {
		if len(doc.Namespaces) == 1 {
			p.line("%s", ns.Reserved)
			continue
		}
		p.line("%s  %s", p.paint(bold, fmt.Sprintf("%s (%d)", escape.Printable(ns.Name), ns.NetNS)), orNone(ns.Reserved))
	}
	return p.flush()
}
