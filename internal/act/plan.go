package act

import (
	"errors"
	"fmt"
	"strings"

	"portrange/internal/act/journal"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/port"
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
	Findings []judge.Finding `json:"findings"`
	Gaps     []host.Gap      `json:"gaps"`
}

// Change is what happens to one namespace.
type Change struct {
	NetNS          uint64          `json:"netns"`
	Name           string          `json:"name"`
	Before         judge.Range     `json:"before"`
	After          judge.Range     `json:"after"`
	Gained         int             `json:"gained"` // ports of After that are not in Before
	Lost           int             `json:"lost"`   // ports of Before that are not in After
	ReservedBefore string          `json:"reserved_before"`
	ReservedAfter  string          `json:"reserved_after"`
	Findings       []judge.Finding `json:"findings"`

	// Settings are the writes, reserved ports before the range: a port must be
	// reserved by the time the range reaches it.
	Settings []journal.Setting `json:"-"`

	now, next host.Settings
	// aimed are the keys that the wish is about, in the order of writing.
	aimed []string
}

// ErrNotAllowed says that the kernel would refuse a value.
var ErrNotAllowed = errors.New("not a valid port range here")

// NewPlan makes the plan for a wish. The error is for a wish that cannot be
// carried out at all, and says what could.
func NewPlan(wish Wish, facts Facts) (*Plan, error) {
	p := &Plan{Origin: wish.Origin, Gaps: facts.Gaps, Findings: []judge.Finding{}}
	if p.Gaps == nil {
		p.Gaps = []host.Gap{}
	}
	for i := range facts.Namespaces {
		change, err := newChange(wish, &facts.Namespaces[i])
		if err != nil {
			return nil, err
		}
		p.Changes = append(p.Changes, change)
	}
	if facts.Interrupted != nil {
		p.Findings = append(p.Findings, interrupted(facts.Interrupted))
	}
	if err := p.addFiles(wish, facts); err != nil {
		return nil, err
	}
	judge.SortFindings(p.Findings)
	return p, nil
}

func interrupted(e *journal.Entry) judge.Finding {
	return judge.Finding{
		Code: Interrupted, Severity: judge.Warning, Subject: e.Title(),
		Evidence: "it was interrupted on its way, by a crash or a kill: a part of it may hold and a part not",
		Advice:   "take it back first with `portrange undo`, or go on: this plan starts from what holds now",
	}
}

// Empty reports whether there is nothing to write.
func (p *Plan) Empty() bool { return len(p.Files) == 0 && len(p.Settings()) == 0 }

// Warns reports whether a finding is severe enough to ask before going on.
func (p *Plan) Warns() bool {
	for _, finding := range p.allFindings() {
		if finding.Severity.Reaches(judge.Warning) {
			return true
		}
	}
	return false
}

// allFindings are the findings of the plan and of its namespaces.
func (p *Plan) allFindings() []judge.Finding {
	all := append([]judge.Finding(nil), p.Findings...)
	for i := range p.Changes {
		all = append(all, p.Changes[i].Findings...)
	}
	return all
}

// Settings are the writes of settings, in their order.
func (p *Plan) Settings() []journal.Setting {
	var all []journal.Setting
	for i := range p.Changes {
		all = append(all, p.Changes[i].Settings...)
	}
	return all
}

func newChange(wish Wish, ns *Site) (Change, error) {
	c := Change{
		NetNS: ns.Place.ID, Name: ns.Place.Name, Findings: []judge.Finding{},
		now: ns.Now.Settings, next: ns.Now.Settings,
	}
	c.next.Reserved = wish.reserved(c.now.Reserved)
	if wish.Range != nil {
		c.next.Range = *wish.Range
		if err := allowed(*wish.Range, c.now, ns.Place.Name); err != nil {
			return Change{}, err
		}
	}
	found := c.consequences(ns)
	if wish.ReserveFound {
		c.reserve(found)
	}
	c.aim(wish)
	c.judge(ns, found)
	c.describe()
	c.Settings = writes(ns.Place, c.now, c.next)
	return c, nil
}

// reserved is the list after adding and removing.
func (w *Wish) reserved(now *port.Set) *port.Set {
	next := now.Clone()
	if w.Add != nil {
		next.Union(w.Add)
	}
	if w.Remove != nil {
		next.Subtract(w.Remove)
	}
	return next
}

// allowed checks the one rule that depends on the host (ipv4_local_port_range,
// net/ipv4/sysctl_net_ipv4.c).
func allowed(r port.Range, now host.Settings, name string) error {
	start := max(now.UnprivilegedStart, minPort)
	if int(r.Low) >= start {
		return nil
	}
	near := nearest(int(r.Low), int(r.High), start)
	if r.Low < minPort {
		return fmt.Errorf("%w: %s in netns %s: there is no port 0; the nearest valid range is %s", ErrNotAllowed, r, name, near)
	}
	return fmt.Errorf("%w: %s in netns %s: the kernel refuses a low end below %s, which is %d; the nearest valid range is %s. "+
		"To go lower, that has to be lowered first, which lets every user offer services on the ports from there on: "+
		"`sysctl -w %[4]s=%[7]d` in that namespace, then this command again; on the way back the range goes up first",
		ErrNotAllowed, r, name, port.KeyUnprivilegedStart, start, near, r.Low)
}

func writes(place journal.Place, now, next host.Settings) []journal.Setting {
	var list []journal.Setting
	add := func(key, before, after string) {
		if before != after {
			list = append(list, journal.Setting{Namespace: place, Key: key, Before: before, After: after})
		}
	}
	add(port.KeyReserved, now.Reserved.String(), next.Reserved.String())
	add(port.KeyRange, now.Range.String(), next.Range.String())
	return list
}

func (c *Change) describe() {
	c.Before, c.After = describeRange(c.now.Range), describeRange(c.next.Range)
	c.Gained, c.Lost = difference(c.next.Range, c.now.Range).Len(), difference(c.now.Range, c.next.Range).Len()
	c.ReservedBefore, c.ReservedAfter = c.now.Reserved.String(), c.next.Reserved.String()
}

func describeRange(r port.Range) judge.Range {
	return judge.Range{Low: r.Low, High: r.High, Size: r.Size(), Default: r == port.DefaultRange}
}

func difference(a, b port.Range) *port.Set {
	set := a.Set()
	set.Subtract(b.Set())
	return set
}

// aim notes what the wish is about, be it that nothing has to change for it.
func (c *Change) aim(wish Wish) {
	if wish.Add != nil || wish.Remove != nil || *c.next.Reserved != *c.now.Reserved {
		c.aimed = append(c.aimed, port.KeyReserved)
	}
	if wish.Range != nil {
		c.aimed = append(c.aimed, port.KeyRange)
	}
}

// value is what a setting will be.
func (c *Change) value(key string) string {
	if key == port.KeyReserved {
		return c.next.Reserved.String()
	}
	return c.next.Range.String()
}

// Values are what the plan makes of the settings it is about, in the first
// namespace and in the order of writing: what other systems have to be told.
func (p *Plan) Values() []Value {
	c := &p.Changes[0]
	values := make([]Value, len(c.aimed))
	for i, key := range c.aimed {
		values[i] = Value{key, c.value(key)}
	}
	return values
}

// Value is a setting and its value.
type Value struct{ Key, Value string }

// spaced is a value with single spaces.
func spaced(value string) string { return strings.Join(strings.Fields(value), " ") }
