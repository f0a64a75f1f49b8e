package report

import (
	"fmt"
	"io"

	"portrange/internal/host"
)

// Reserved is the document of `portrange reserve list`.
type Reserved struct {
	SchemaVersion int                 `json:"schema_version"`
	Namespaces    []NamespaceReserved `json:"namespaces"`
	Gaps          []host.Gap          `json:"gaps"`
}

// NamespaceReserved is the reserved ports of one namespace.
type NamespaceReserved struct {
	NetNS    uint64 `json:"netns"`
	Name     string `json:"name"`
	Reserved string `json:"reserved"`
	Count    int    `json:"count"`
	InRange  int    `json:"in_range"`
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
		p.line("%s  %s", p.paint(bold, fmt.Sprintf("%s (%d)", Printable(ns.Name), ns.NetNS)), orNone(ns.Reserved))
	}
	return p.flush()
}
