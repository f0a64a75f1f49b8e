package report

import (
	"cmp"
	"io"
	"slices"
	"strconv"
	"strings"

	"portrange/internal/escape"
	"portrange/internal/host"
	"portrange/internal/words"
)

// SocketCount is the document of `portrange sockets --count`.
type SocketCount struct {
	SchemaVersion int        `json:"schema_version" doc:"1; grows when a field changes its meaning or goes away"`
	Count         int        `json:"count" doc:"sockets that hold a local port and match the filters"`
	Gaps          []host.Gap `json:"gaps" doc:"what could not be read; numbers beside a gap can be too small"`
}

// SocketGroups is the document of `portrange sockets --group-by`.
type SocketGroups struct {
	SchemaVersion int           `json:"schema_version" doc:"1; grows when a field changes its meaning or goes away"`
	By            string        `json:"by" doc:"what the sockets were counted by: process, unit, remote or state"`
	Sockets       int           `json:"sockets" doc:"sockets that hold a local port and match the filters"`
	Groups        []SocketGroup `json:"groups" doc:"the groups, largest first; a socket that several programs have open counts for each"`
	LeftOut       int           `json:"left_out,omitempty" doc:"groups that --limit left out; absent for 0"`
	Gaps          []host.Gap    `json:"gaps" doc:"what could not be read; numbers beside a gap can be too small"`
}

// SocketGroup is the sockets that have one thing in common.
type SocketGroup struct {
	GroupKey
	Sockets   int            `json:"sockets" doc:"sockets of the group"`
	Processes int            `json:"processes,omitempty" doc:"processes of the group that have them open; absent for 0"`
	States    map[string]int `json:"states" doc:"sockets by state"`
}

// GroupKey is what they have in common: a name, or that they lack it.
type GroupKey struct {
	Name    string  `json:"name,omitempty" doc:"command name, unit or container, remote address:port, or state"`
	Without Without `json:"without,omitempty" doc:"why there is no name: time_wait (a timewait socket, also in fin_wait2), accept (not accepted yet), file (no process can have it open), reading (open in no process that could be read), unit (the process is in none), peer (not connected); absent where there is one"`
}

// Without says why a group has no name.
type Without string

// The reasons.
const (
	WithoutTimeWait Without = "time_wait"
	WithoutAccept   Without = "accept"
	WithoutFile     Without = "file"
	WithoutReading  Without = "reading"
	WithoutUnit     Without = "unit"
	WithoutPeer     Without = "peer"
)

// withoutTexts are the reasons in words.
var withoutTexts = map[Without]string{
	WithoutTimeWait: "none (the kernel, timewait)",
	WithoutAccept:   "none (the kernel, SYN_RECV)",
	WithoutFile:     "none (the kernel, closed by its process)",
	WithoutReading:  "not readable, or the kernel's",
	WithoutUnit:     "in no unit",
	WithoutPeer:     "* (no peer)",
}

// Sort puts the largest groups first and leaves out those after the first limit, 0 for
// none.
func (g *SocketGroups) Sort(limit int) {
	slices.SortFunc(g.Groups, func(a, b SocketGroup) int {
		return cmp.Or(cmp.Compare(b.Sockets, a.Sockets), cmp.Compare(a.Without, b.Without), cmp.Compare(a.Name, b.Name))
	})
	if limit > 0 && len(g.Groups) > limit {
		g.LeftOut = len(g.Groups) - limit
		g.Groups = g.Groups[:limit]
	}
}

// groupTitles head the first column.
var groupTitles = map[string]string{"process": "PROCESS", "unit": "UNIT", "remote": "REMOTE", "state": "STATE"}

// WriteSocketGroups prints the text of `portrange sockets --group-by`.
func WriteSocketGroups(w io.Writer, doc *SocketGroups, style Style) error {
	p := newPrinter(w, style)
	columns := []column[SocketGroup]{
		{title: groupTitles[doc.By], cell: textCell(func(g *SocketGroup) string {
			if g.Without != "" {
				return withoutTexts[g.Without]
			}
			if doc.By == "state" {
				return strings.ToUpper(g.Name)
			}
			return escape.Printable(g.Name)
		})},
		{title: "SOCKETS", right: true, cell: textCell(func(g *SocketGroup) string { return words.Thousands(g.Sockets) })},
		{title: "SHARE", right: true, cell: textCell(func(g *SocketGroup) string {
			return words.Percent(share(g.Sockets, doc.Sockets))
		})},
		{title: "PROCESSES", right: true, yields: 2, cell: textCell(func(g *SocketGroup) string {
			if g.Processes == 0 {
				return ""
			}
			return strconv.Itoa(g.Processes)
		})},
	}
	if doc.By != "state" {
		columns = append(columns, column[SocketGroup]{title: "STATES", yields: 1,
			cell: textCell(func(g *SocketGroup) string { return statesText(g.States) })})
	}
	if len(doc.Groups) > 0 {
		writeTable(p, columns, doc.Groups)
	}
	text := "Total: " + words.Count(doc.Sockets, "socket")
	if doc.LeftOut > 0 {
		text += "; " + words.Count(doc.LeftOut, "group") + " not shown (--limit 0 shows all)"
	}
	p.text(bold, text)
	return p.flush()
}
