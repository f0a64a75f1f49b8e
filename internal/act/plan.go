package act

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"portrange/internal/act/journal"
	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/port"
	"portrange/internal/rules"
)

// Plan is what a wish comes down to: the writes in their order, and what
// follows from them.
type Plan struct {
	Origin  `json:"-"`
	Changes []Change `json:"namespaces"`
	// Files are the files to be written.
	Files []journal.File `json:"-"`
	// Findings are about the files and the journal; those about a namespace are
	// with it.
	Findings []finding.Finding `json:"findings"`
	Gaps     []host.Gap        `json:"gaps"`
}

// Change is what happens to one namespace.
type Change struct {
	NetNS          uint64            `json:"netns" doc:"inode number of the network namespace"`
	Name           string            `json:"name" doc:"host, the name given by ip netns, or its first process"`
	Before         judge.RangeInfo   `json:"before"`
	After          judge.RangeInfo   `json:"after"`
	Gained         int               `json:"gained" doc:"ports of the range after that are not in the one before"`
	Lost           int               `json:"lost" doc:"ports of the range before that are not in the one after"`
	ReservedBefore string            `json:"reserved_before" doc:"ip_local_reserved_ports in the kernel's form; empty for none"`
	ReservedAfter  string            `json:"reserved_after" doc:"what it will be"`
	Findings       []finding.Finding `json:"-"`

	// Settings are the writes, reserved ports before the range: a port must be
	// reserved by the time the range reaches it.
	Settings []journal.Setting `json:"-"`

	// aims are what the settings that the wish is about will be, in the order of
	// writing, be it that nothing has to change for it.
	aims []Value
	next host.Settings
	// starves is why the change must not be made unasked; nil where it may.
	starves error
}

// Value is a setting and its value.
type Value struct{ Key, Value string }

// ErrNotAllowed says that the kernel would refuse a value.
var ErrNotAllowed = errors.New("not a valid port range here")

// NewPlan makes the plan for a wish. The error is for a wish that cannot be
// carried out at all, and says what could.
func NewPlan(wish Wish, look Look) (*Plan, error) {
	p := &Plan{Origin: wish.Origin, Gaps: append([]host.Gap{}, look.State.Gaps...), Findings: []finding.Finding{}}
	var leftOut error
	for i := range look.State.Namespaces {
		ns := &look.State.Namespaces[i]
		change, err := newChange(wish, look, ns)
		unfit := cmp.Or(err, change.starves)
		if look.Every && ns.ID != look.Booted && (errors.Is(unfit, ErrNotAllowed) || errors.Is(unfit, ErrStarves)) {
			p.Gaps = append(p.Gaps, host.Gap{Part: host.PartSettings, NetNS: ns.ID, Why: "left out: " + unfit.Error()})
			leftOut = unfit
			continue
		}
		if err != nil {
			return nil, err
		}
		p.Changes = append(p.Changes, change)
	}
	if len(p.Changes) == 0 && leftOut != nil {
		return nil, leftOut
	}
	if look.Unsettled != nil {
		p.Findings = append(p.Findings, look.Unsettled.Finding())
	}
	if err := p.addFiles(wish, look); err != nil {
		return nil, err
	}
	finding.Sort(p.Findings)
	return p, nil
}

// newChange judges a namespace as it is and as it would be.
func newChange(wish Wish, look Look, ns *host.Namespace) (Change, error) {
	after := *ns
	now, next := &ns.Settings, &after.Settings
	next.Reserved = now.Reserved.Clone()
	if wish.Add != nil {
		next.Reserved.Union(wish.Add)
	}
	if wish.Remove != nil {
		next.Reserved.Subtract(wish.Remove)
	}
	if wish.Range != nil {
		if err := allowed(*wish.Range, now.UnprivilegedStart, ns.Name); err != nil {
			return Change{}, err
		}
		next.Range = *wish.Range
	}
	judged := rules.Change{Before: ns, After: &after, Files: look.State.Files}
	if wish.ReserveFound {
		judged.Reserving = rules.Intruders(ns, &after)
		next.Reserved.Union(judged.Reserving)
	}
	both := now.Range.Set().CountIn(next.Range.Set())
	c := Change{
		NetNS: ns.ID, Name: ns.Name, Before: judge.RangeOf(now.Range), After: judge.RangeOf(next.Range),
		Gained: next.Range.Size() - both, Lost: now.Range.Size() - both,
		ReservedBefore: now.Reserved.String(), ReservedAfter: next.Reserved.String(),
		Findings: rules.ExamineChange(&judged), next: *next, starves: starves(ns, &after),
	}
	if wish.Add != nil || wish.Remove != nil || *next.Reserved != *now.Reserved {
		c.aims = append(c.aims, Value{port.KeyReserved, c.ReservedAfter})
	}
	if wish.Range != nil {
		c.aims = append(c.aims, Value{port.KeyRange, next.Range.String()})
	}
	for _, aim := range c.aims {
		if before, _ := now.Value(aim.Key); before != aim.Value {
			c.Settings = append(c.Settings, journal.Setting{
				Namespace: look.Places[ns.ID], Key: aim.Key, Before: before, After: aim.Value,
			})
		}
	}
	return c, nil
}

// allowed checks the one rule that depends on the host (ipv4_local_port_range,
// net/ipv4/sysctl_net_ipv4.c).
func allowed(r port.Range, unprivilegedStart int, name string) error {
	start := max(unprivilegedStart, minPort)
	if int(r.Low) >= start {
		return nil
	}
	near := nearest(int(r.Low), int(r.High), start)
	if r.Low < minPort {
		return fmt.Errorf("%w: %s in netns %s: there is no port 0; the nearest valid range is %s",
			ErrNotAllowed, r, name, near)
	}
	return fmt.Errorf("%w: %s in netns %s: the kernel refuses a low end below %s, which is %d; the nearest valid range is %s. "+
		"To go lower, that has to be lowered first, which lets every user offer services on the ports from there on: "+
		"`sysctl -w %[4]s=%[7]d` in that namespace, then this command again; on the way back the range goes up first",
		ErrNotAllowed, r, name, port.KeyUnprivilegedStart, start, near, r.Low)
}

// Empty reports whether there is nothing to write.
func (p *Plan) Empty() bool { return len(p.Files) == 0 && len(p.Settings()) == 0 }

// Warns reports whether a finding is severe enough to ask before going on.
func (p *Plan) Warns() bool {
	warns := func(f finding.Finding) bool { return f.Severity.Reaches(finding.Warning) }
	return slices.ContainsFunc(p.Findings, warns) || slices.ContainsFunc(p.Changes, func(c Change) bool {
		return slices.ContainsFunc(c.Findings, warns)
	})
}

// Settings are the writes of settings, in their order.
func (p *Plan) Settings() []journal.Setting {
	var all []journal.Setting
	for i := range p.Changes {
		all = append(all, p.Changes[i].Settings...)
	}
	return all
}

// Values are what the plan makes of the settings it is about, in the first
// namespace and in the order of writing: what other systems have to be told.
func (p *Plan) Values() []Value { return p.Changes[0].aims }

// spaced is a value with single spaces.
func spaced(value string) string { return strings.Join(strings.Fields(value), " ") }
