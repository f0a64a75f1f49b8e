package rules

import (
	"slices"
	"time"

	"portrange/internal/boot"
	"portrange/internal/capacity"
	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/port"
)

// Rule is one kind of finding, and how to see it: in a namespace, in what all
// share, or in a change before it is made. What is wrong with a namespace can be
// so with a change of it, so a rule may have several checks. It has none for a
// kind that a command finds itself.
type Rule struct {
	finding.Kind
	// Needs are the parts of a look without which the rule finds nothing.
	Needs host.Want
	// Show says whether show tells of it too.
	Show Showing
	// Namespace looks at one namespace.
	Namespace func(p *Place)
	// Machine looks at what all namespaces share.
	Machine func(m *Machine)
	// Change looks at what a change would do to one namespace.
	Change func(c *Change)
}

// Showing is what show, which tells of pools, makes of a rule's findings. It has
// nothing but the sockets and settings of one look.
type Showing int8

// The ways to show a finding.
const (
	NotShown Showing = iota
	// ShownAsCause is only shown where it explains another finding.
	ShownAsCause
	// Shown is always shown.
	Shown
)

// Facts are what rules look at. A nil part was not asked for or could not be
// read, and makes no finding.
type Facts struct {
	Now *host.State
	// Earlier is a look some time before, for rates; nil for none.
	Earlier *host.State
	// Boot is what will hold after a reboot, in the namespace with the number
	// Booted, to which the files apply.
	Boot   *boot.Report
	Booted uint64
	// Standing are the findings of the last look; nil where there was none.
	Standing *finding.Tracker
}

// Examine lists what is wrong, related and with the worst first.
func Examine(f *Facts) []finding.Finding { return finding.Relate(f.examine(All())) }

// Needs are the parts of a look that [Examine] needs.
func Needs() host.Want {
	return needs(func(r *Rule) bool { return r.Namespace != nil || r.Machine != nil })
}

// ChangeNeeds are the parts of a look that [ExamineChange] needs.
func ChangeNeeds() host.Want { return needs(func(r *Rule) bool { return r.Change != nil }) }

func needs(of func(*Rule) bool) (want host.Want) {
	for _, rule := range All() {
		if of(rule) {
			want |= rule.Needs
		}
	}
	return want
}

// Pools lists what is wrong with the pools of the namespaces, and why: what
// follows from their sockets and settings alone.
func Pools(now *host.State) []finding.Finding {
	var shown []*Rule
	asCause := map[string]bool{}
	for _, rule := range All() {
		if rule.Show != NotShown {
			shown = append(shown, rule)
			asCause[rule.Code] = rule.Show == ShownAsCause
		}
	}
	found := finding.Relate((&Facts{Now: now}).examine(shown))
	return slices.DeleteFunc(slices.Clone(found), func(f finding.Finding) bool {
		explains := func(effect finding.Finding) bool { return f.IsCauseOf(&effect) }
		return asCause[f.Code()] && !slices.ContainsFunc(found, explains)
	})
}

func (f *Facts) examine(rules []*Rule) []finding.Finding {
	found, machine := []finding.Finding{}, &Machine{Facts: f}
	for i := range f.Now.Namespaces {
		place := newPlace(f, &f.Now.Namespaces[i])
		for _, rule := range rules {
			if rule.Namespace != nil {
				place.rule = rule
				rule.Namespace(place)
			}
		}
		found = append(found, place.found...)
		machine.places = append(machine.places, place)
	}
	for _, rule := range rules {
		if rule.Machine != nil {
			machine.rule = rule
			rule.Machine(machine)
		}
	}
	return append(found, machine.found...)
}

// Place is one namespace under examination, with what several rules ask of it.
type Place struct {
	*Facts
	NS      *host.Namespace
	Verdict judge.Verdict
	Ports   judge.Ports
	// Before is the namespace at the earlier look, nil for none; Rates are what
	// happened since, over Elapsed.
	Before  *host.Namespace
	Elapsed time.Duration
	Rates   []judge.Rate

	rule  *Rule
	found []finding.Finding
}

func newPlace(f *Facts, ns *host.Namespace) *Place {
	p := &Place{Facts: f, NS: ns, Verdict: judge.Namespace(ns), Ports: judge.PortsOf(ns)}
	if f.Earlier == nil {
		return p
	}
	p.Elapsed = f.Now.TakenAt.Sub(f.Earlier.TakenAt)
	if p.Before = f.Earlier.Find(ns.ID); p.Before != nil {
		p.Rates = judge.Rates(p.Before, ns, p.Elapsed)
	}
	return p
}

// add takes in a finding of the rule that is at work.
func (p *Place) add(severity finding.Severity, subject finding.Subject, values finding.Values, actions ...finding.Action) {
	p.found = append(p.found, finding.Finding{
		Kind: &p.rule.Kind, Severity: severity, NetNS: p.NS.ID, Name: p.NS.Name,
		Subject: subject, Values: values, Actions: actions,
	})
}

// present is a pool as it is drawn on now, at the measured rate where there is one.
func (p *Place) present(pool *judge.Pool) capacity.Present {
	closedHere := 0.0
	for i := range p.Rates {
		if p.Rates[i].Pool.Tuple == pool.Tuple {
			closedHere = p.Rates[i].ClosedHere
		}
	}
	return capacity.PresentOf(p.NS, pool, closedHere)
}

// fullest is the pool with the largest share taken, nil where there is none.
func (p *Place) fullest() *judge.Pool {
	var worst *judge.Pool
	for i := range p.Verdict.Pools {
		if pool := &p.Verdict.Pools[i]; worst == nil || pool.Taken() > worst.Taken() {
			worst = pool
		}
	}
	return worst
}

// busy is the largest share taken of any pool, 0 where there is none.
func (p *Place) busy() float64 {
	if worst := p.fullest(); worst != nil {
		return worst.Taken()
	}
	return 0
}

// Machine is what all namespaces share, under examination.
type Machine struct {
	*Facts
	places []*Place
	rule   *Rule
	found  []finding.Finding
}

func (m *Machine) add(severity finding.Severity, subject finding.Subject, values finding.Values, actions ...finding.Action) {
	m.found = append(m.found, finding.Finding{Kind: &m.rule.Kind, Severity: severity, Subject: subject, Values: values, Actions: actions})
}

// poolSubject is the subject of a pool of connect().
func poolSubject(pool *judge.Pool) finding.Subject {
	return finding.OfPool(port.TCP, pool.Source(), pool.Remote)
}
