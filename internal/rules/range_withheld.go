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
			text := fmt.Sprintf("%s of the range's %s usable: %s reserved, %s bind-held%s", words.Thousands(v.Int("usable")),
				words.Count(v.Int("size"), "port"), words.Thousands(v.Int("reserved")), words.Thousands(v.Int("bind_held")), heldBy(v))
			if v.Get("usable_before") != nil {
				text += fmt.Sprintf("; now %s are usable", words.Thousands(v.Int("usable_before")))
			}
			return text
		},
	},
	Needs: host.WantSockets | host.WantOwners,
	Show:  Shown,
	Change: func(c *Change) {
		if c.after == nil {
			return
		}
		before, after := c.before.Ports.Count(), c.after.Ports.Count()
		if c.open() == 0 || 2*after.Usable > after.Size || after.Usable >= before.Usable {
			return // no-port-left tells of none
		}
		values := append(withheldValues(&after), finding.Value{Name: "usable_before", V: before.Usable})
		c.add(finding.Warning, finding.Subject{Proto: port.TCP.String()}, values, finding.Action{
			Step: finding.Now, Text: "reserve only what a service needs, or move the range away from it instead: " +
				"no connection gets a port that is withheld",
		})
	},
	Namespace: func(p *Place) {
		count := p.Ports.Count()
		if 2*count.Usable > count.Size {
			return
		}
		// What is reserved was withheld on purpose.
		open := count.Size - count.ReservedInRange
		severity := judge.Scale().Reached(open-count.Usable, open)
		values := withOwners(withheldValues(&count), judge.Binders(p.NS, p.Ports.Bound()))
		p.add(severity, finding.Subject{Proto: port.TCP.String()}, values, giveBack(p, &count)...)
	},
}

func withheldValues(count *judge.Count) finding.Values {
	return finding.Values{
		{Name: "usable", V: count.Usable}, {Name: "size", V: count.Size},
		{Name: "reserved", V: count.ReservedInRange}, {Name: "bind_held", V: count.BindHeld},
	}
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
