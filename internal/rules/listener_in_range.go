package rules

import (
	"cmp"
	"slices"

	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/port"
)

// listenerInRange: a service listens on a port that the kernel may give away
// while it restarts.
var listenerInRange = &Rule{
	Kind: finding.Kind{
		Code: "listener-in-range", Title: "A listener inside the port range",
		Evidence: func(f *finding.Finding) string {
			return somebody(f) + "listens on " + portsText(f) + where(f)
		},
	},
	Needs: host.WantSockets | host.WantHolds,
	Namespace: func(p *Place) {
		listening := p.Ports.Unreserved()
		listening.Subtract(&p.NS.Usage.Chosen) // who lets the kernel choose does not mind
		var all []holding
		for at := range listening.All() {
			all = group(all, port.TCP, at, holdersOf(p.NS, port.TCP, at))
		}
		slices.SortFunc(all, func(a, b holding) int { return cmp.Compare(name(a.process), name(b.process)) })
		const why = "while it restarts, an outgoing connection can take the port, and it then fails with EADDRINUSE"
		for i := range all {
			h := &all[i]
			text := why
			if p.NS.Source != "bpf" { // only BPF shows who chose the port
				text += ". Leave it if it let the kernel choose the port"
			}
			p.add(finding.Warning, h.subject(), append(h.values(), rangeValue(p.NS)), reserve(p.NS, h.ports, text))
		}
	},
	Change: func(c *Change) {
		c.holders(func(hold *host.Hold) bool { return hold.State == port.Listen })
	},
}

func name(process *host.Process) string {
	if process == nil {
		return ""
	}
	return process.String()
}

// rangeValue is the range in which a finding saw something.
func rangeValue(ns *host.Namespace) finding.Value {
	return finding.Value{Name: "range", V: ns.Settings.Range.String()}
}

// where words [rangeValue] or, of a change, how ports come into the range.
func where(f *finding.Finding) string {
	if r := f.Values.Text("range"); r != "" {
		return " in the range " + r + ", not reserved"
	}
	return comes(f)
}
