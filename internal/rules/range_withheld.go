package rules

import (
	"fmt"

	"portrange/internal/capacity"
	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/port"
	"portrange/internal/words"
)

// rangeWithheld: little or nothing of the range is left for connect(), whatever
// the destination.
var rangeWithheld = &Rule{
	Kind: finding.Kind{
		Code: "range-withheld", Title: "Half of the range or more is withheld from every connect()",
		Causes: []string{"bind-before-connect"},
		Weight: func(f *finding.Finding) int { return f.Values.Int("size") - f.Values.Int("usable") },
		Evidence: func(f *finding.Finding) string {
			v := f.Values
			return fmt.Sprintf("%s of the range's %s usable: %s reserved, %s bind-held%s", words.Thousands(v.Int("usable")),
				words.Count(v.Int("size"), "port"), words.Thousands(v.Int("reserved")), words.Thousands(v.Int("bind_held")), heldBy(v))
		},
	},
	Needs: host.WantSockets | host.WantOwners,
	Show:  Shown,
	Namespace: func(p *Place) {
		count := p.Ports.Count()
		if 2*count.Usable > count.Size {
			return
		}
		// What is reserved was withheld on purpose.
		open := count.Size - count.ReservedInRange
		severity := judge.Scale().Reached(open-count.Usable, open)
		values := withOwners(finding.Values{
			{Name: "usable", V: count.Usable}, {Name: "size", V: count.Size},
			{Name: "reserved", V: count.ReservedInRange}, {Name: "bind_held", V: count.BindHeld},
		}, judge.Binders(p.NS, p.Ports.Bound()))
		p.add(severity, finding.Subject{Proto: port.TCP.String()}, values, giveBack(p, &count)...)
	},
}

// giveBack are the ways to have more ports for connect(): a wider range at once,
// then what withholds most of this one.
func giveBack(p *Place, count *judge.Count) []finding.Action {
	actions := widen(p, &capacity.Present{Size: count.Usable})
	reserved := finding.Action{
		Step: finding.Today, Command: finding.Portrange(p.NS.Ref, "reserve", "list"),
		Text: "give back what nothing needs: portrange reserve remove",
	}
	services := finding.Action{
		Step: finding.Today, Command: finding.Portrange(p.NS.Ref, "sockets", "--in-range", "--state", "listen"),
		Text: "move services to ports outside the range",
	}
	if count.ReservedInRange >= count.BindHeld {
		return append(actions, reserved, services)
	}
	return append(actions, services, reserved)
}
