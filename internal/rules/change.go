package rules

import (
	"iter"
	"slices"

	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/port"
)

// Change is what a change would do to one namespace.
type Change struct {
	// Before is the namespace as it is, After the same with the settings that it
	// will have.
	Before, After *host.Namespace
	// Reserving are the ports that the change reserves because somebody has or
	// needs them, as [Intruders] finds them; nil for none.
	Reserving *port.Set
	// Files are the limits of open files; nil where they are not known.
	Files *host.Files

	coming        *port.Set
	before, after *Place // nil where sockets were not read
	rule          *Rule
	found         []finding.Finding
}

// ExamineChange lists what follows from a change, the worst first.
func ExamineChange(c *Change) []finding.Finding {
	c.coming, c.found = coming(c.Before, c.After), []finding.Finding{}
	if c.Reserving != nil {
		c.coming.Union(c.Reserving)
	}
	if c.Before.Usage != nil {
		c.before, c.after = placeOf(c.Before), placeOf(c.After)
	}
	for _, rule := range All() {
		if rule.Change != nil {
			c.rule = rule
			rule.Change(c)
		}
	}
	finding.Sort(c.found)
	return c.found
}

func placeOf(ns *host.Namespace) *Place {
	return newPlace(&Facts{Now: &host.State{Namespaces: []host.Namespace{*ns}}}, ns)
}

// coming are the ports that the kernel may hand out after a change and not before.
func coming(before, after *host.Namespace) *port.Set {
	now, next := judge.PortsUnder(&before.Settings), judge.PortsUnder(&after.Settings)
	set := next.Open()
	set.Subtract(now.Open())
	return set
}

// Intruders are the ports that come into the range with a change although
// somebody has or needs them. What others than root merely claim is not among them.
func Intruders(before, after *host.Namespace) *port.Set {
	set := &port.Set{}
	for hold := range exclusive(before) {
		set.Add(hold.Port)
	}
	for i := range before.Claims {
		if before.Claims[i].By == "" {
			set.Union(before.Claims[i].Ports)
		}
	}
	set.Intersect(coming(before, after))
	return set
}

// exclusive yields the holds of a namespace that keep others off their port. On a
// port that connect() picked, a socket may be seen to be bound all the same; but
// there other connections may share it.
func exclusive(ns *host.Namespace) iter.Seq[*host.Hold] {
	shared := connectHeld(ns)
	return func(yield func(*host.Hold) bool) {
		for i := range ns.Holds {
			hold := &ns.Holds[i]
			shares := hold.Proto == port.TCP && hold.State != port.Listen && shared.Contains(hold.Port)
			if !shares && !yield(hold) {
				return
			}
		}
	}
}

// connectHeld are the ports of connections that are bind-held in no VRF; none
// where sockets were not read.
func connectHeld(ns *host.Namespace) *port.Set {
	set := &port.Set{}
	if ns.Usage == nil {
		return set
	}
	for _, usage := range ns.Usage.Tuples {
		usage.AddTo(set)
	}
	set.Subtract(&ns.Usage.BindHeld)
	for _, buckets := range ns.Usage.VRFs { // a hold does not say in which VRF it is
		set.Subtract(&buckets.BindHeld)
	}
	return set
}

// movesRange reports whether the change is one of the range.
func (c *Change) movesRange() bool { return c.Before.Settings.Range != c.After.Settings.Range }

func (c *Change) add(severity finding.Severity, subject finding.Subject, values finding.Values, actions ...finding.Action) {
	c.found = append(c.found, finding.Finding{
		Kind: &c.rule.Kind, Severity: severity, NetNS: c.Before.ID, Name: c.Before.Name,
		Subject: subject, Values: values, Actions: actions,
	})
}

// open is how many ports the kernel may hand out after the change.
func (c *Change) open() int {
	ports := judge.PortsUnder(&c.After.Settings)
	return ports.Open().Len()
}

// ofRange is the subject of the range that the namespace will have.
func (c *Change) ofRange() finding.Subject {
	return finding.OfSetting(port.KeyRange, c.After.Settings.Range.String())
}

// holders adds a finding for each process whose ports come into the range.
func (c *Change) holders(is func(*host.Hold) bool) {
	var all []holding
	for hold := range exclusive(c.Before) {
		if c.coming.Contains(hold.Port) && is(hold) {
			all = group(all, hold.Proto, hold.Port, hold.Processes)
		}
	}
	for i := range all {
		c.intrusion(all[i].subject(), all[i].ports, all[i].values(), heldAtStart)
	}
}

// claims adds a finding for each claim of a kind on ports that come into the
// range. One that is about TCP and UDP alike is one finding.
func (c *Change) claims(kind host.ClaimKind, harm string) {
	var merged []host.Claim
	for _, claim := range c.Before.Claims {
		claim.Ports = claim.Ports.Clone()
		claim.Ports.Intersect(c.coming)
		if claim.Kind != kind || claim.Ports.Len() == 0 {
			continue
		}
		at := slices.IndexFunc(merged, func(m host.Claim) bool { return m.Who == claim.Who && m.Evidence == claim.Evidence })
		if at < 0 {
			merged = append(merged, claim)
		} else {
			merged[at].Ports.Union(claim.Ports)
		}
	}
	for i := range merged {
		if merged[i].By != "" {
			values := append(claimValues(&merged[i], merged[i].Ports), finding.Value{Name: "enters", V: c.movesRange()})
			c.add(finding.Info, finding.Of(merged[i].Who), values, doubtful)
			continue
		}
		c.intrusion(finding.Of(merged[i].Who), merged[i].Ports, claimValues(&merged[i], merged[i].Ports), harm)
	}
}

// intrusion adds a finding about ports that somebody has or needs. It is none to
// worry about where the change reserves them.
func (c *Change) intrusion(subject finding.Subject, ports *port.Set, values finding.Values, harm string) {
	values = append(values, finding.Value{Name: "enters", V: c.movesRange()})
	switch {
	case ports.CountIn(c.After.Settings.Reserved) == ports.Len():
		c.add(finding.Info, subject, append(values, finding.Value{Name: "reserved", V: true}))
	case c.movesRange():
		c.add(finding.Warning, subject, values, finding.Action{Step: finding.Now, Text: "add --reserve: otherwise " + harm})
	default:
		c.add(finding.Warning, subject, values, finding.Action{Step: finding.Now, Text: "leave it reserved: otherwise " + harm})
	}
}

// comes words how ports come within reach of the kernel's choice.
func comes(f *finding.Finding) string {
	be, come := "are", "come"
	if f.Values.Int("count") == 1 {
		be, come = "is", "comes"
	}
	text := ", which " + be + " no longer reserved"
	if f.Values.Get("enters") == true {
		text = ", which " + come + " into the range"
	}
	if f.Values.Get("reserved") == true {
		text += "; reserved in this plan, before the range moves"
	}
	return text
}

// worsened finds the pools that a change leaves with fewer ports, of those that
// the rule finds something wrong with then.
func worsened(c *Change) {
	if c.after == nil {
		return
	}
	c.after.rule, c.after.found = c.rule, nil
	c.rule.Namespace(c.after)
	for _, f := range c.after.found {
		if f.Severity.Reaches(finding.Warning) && f.Values.Int("left") < c.leftBefore(f.Subject) {
			c.add(f.Severity, f.Subject, f.Values, finding.Action{
				Step: finding.Now, Text: "leave the pool more ports than that, or close connections first",
			})
		}
	}
}

// leftBefore is how many ports a pool has left as it is now. One in which no
// port is used has all of them.
func (c *Change) leftBefore(subject finding.Subject) int {
	v := &c.before.Verdict
	for i := range v.Pools {
		if poolSubject(&v.Pools[i]) == subject {
			return v.Pools[i].Left
		}
	}
	for i := range v.LocalPools {
		if localSubject(&v.LocalPools[i]) == subject {
			return v.LocalPools[i].Left
		}
	}
	if subject.Remote == "" {
		return c.before.Ports.Open().Len()
	}
	return v.Usable
}
