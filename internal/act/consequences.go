package act

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/port"
)

// The codes of findings about a plan.
const (
	Listener       = "listener-in-range"
	BindHeld       = "bind-held-in-range"
	Outside        = "sockets-outside"
	Reserved       = "reserved-in-range"
	SameParity     = "same-parity"
	NoPortLeft     = "no-port-left"
	SmallRange     = "small-range"
	LimitTooSmall  = "limit-too-small"
	Interrupted    = "interrupted-change"
	Overridden     = "overridden-at-boot"
	CommentedOut   = "commented-out"
	NotAfterReboot = "not-after-reboot"
	HandEdited     = "drop-in-edited"
	NotTheHost     = "not-the-host"
	HostAlone      = "host-alone"
)

// fewPorts is a range so small that it is most likely a slip of the pen.
const fewPorts = 1000

// intruder is somebody whose ports come into the range.
type intruder struct {
	code, subject string
	// does is what a process does with the ports; empty for a claim.
	does string
	// evidence is what shows a claim.
	evidence string
	ports    *port.Set
}

// consequences finds whose ports come into the range.
func (c *Change) consequences(ns *Site) []intruder {
	coming := open(c.next)
	coming.Subtract(open(c.now))
	found := append(holders(ns.Holds, coming), claims(ns.Claims, coming)...)
	slices.SortStableFunc(found, func(a, b intruder) int { return cmp.Compare(a.code, b.code) })
	return found
}

// holders groups the ports by process, as one may have hundreds.
func holders(holds []Hold, coming *port.Set) []intruder {
	var found []intruder
	for _, hold := range holds {
		if !coming.Contains(hold.Port) {
			continue
		}
		one := describeHold(hold)
		at := slices.IndexFunc(found, func(i intruder) bool { return i.code == one.code && i.subject == one.subject })
		if at < 0 {
			at, found = len(found), append(found, one)
		}
		found[at].ports.Add(hold.Port)
	}
	return found
}

func describeHold(hold Hold) intruder {
	one := intruder{
		code: BindHeld, subject: processes(hold.Processes) + ", " + hold.Proto.String(),
		does: "took through bind()", ports: &port.Set{},
	}
	if hold.State == port.Listen {
		one.code, one.does = Listener, "listens on"
	}
	return one
}

func processes(list []host.Process) string {
	if len(list) == 0 {
		return "an unknown process"
	}
	text := list[0].String()
	if len(list) > 1 {
		text += fmt.Sprintf(" and %d more", len(list)-1)
	}
	return text
}

// claims groups the ports by who needs them, for TCP and UDP alike.
func claims(list []Claim, coming *port.Set) []intruder {
	var found []intruder
	for _, claim := range list {
		ports := claim.Ports.Clone()
		ports.Intersect(coming)
		if ports.Len() == 0 {
			continue
		}
		at := slices.IndexFunc(found, func(i intruder) bool {
			return i.code == claim.Code && i.subject == claim.Who && i.evidence == claim.Evidence
		})
		if at < 0 {
			one := intruder{code: claim.Code, subject: claim.Who, evidence: claim.Evidence, ports: &port.Set{}}
			at, found = len(found), append(found, one)
		}
		found[at].ports.Union(ports)
	}
	return found
}

func (c *Change) reserve(found []intruder) {
	for _, one := range found {
		c.next.Reserved.Union(one.ports)
	}
}

// judge turns what follows from the change into findings, worst first.
func (c *Change) judge(ns *Site, found []intruder) {
	for _, one := range found {
		c.Findings = append(c.Findings, c.intrusion(one))
	}
	if c.now.Range != c.next.Range {
		c.judgeRange(ns)
	}
	if open(c.next).Len() == 0 {
		c.add(NoPortLeft, judge.Critical, "range "+c.next.Range.String(), "every port of the range is reserved",
			"leave some: no connect() without a port of its own works with none")
	}
	c.judgePools(ns)
	judge.SortFindings(c.Findings)
}

func (c *Change) add(code string, severity judge.Severity, subject, evidence, advice string) {
	c.Findings = append(c.Findings, judge.Finding{Code: code, Severity: severity, Subject: subject, Evidence: evidence, Advice: advice})
}

func (c *Change) intrusion(one intruder) judge.Finding {
	f := judge.Finding{
		Code: one.code, Severity: judge.Warning, Subject: one.subject,
		Evidence: c.evidence(one),
		Advice:   "add --reserve: otherwise " + one.harm(),
	}
	switch {
	case one.ports.CountIn(c.next.Reserved) == one.ports.Len():
		f.Severity, f.Advice = judge.Info, "reserved in this plan, before the range moves"
	case c.now.Range == c.next.Range:
		f.Advice = "leave it reserved: otherwise " + one.harm()
	}
	return f
}

// harm is what happens once the kernel picks such a port for somebody else.
func (one intruder) harm() string {
	if one.code == NodePorts {
		return "netfilter takes what arrives at such a port for the service, and not for the program that was given the port"
	}
	return "an outgoing connection may hold the port when the service starts, which then fails with EADDRINUSE"
}

func (c *Change) evidence(one intruder) string {
	ports := shortened(one.ports.String())
	how := "come into the range"
	switch {
	case c.now.Range == c.next.Range:
		how = "no longer reserved"
	case one.ports.Len() == 1:
		how = "comes into the range"
	}
	if n := one.ports.Len(); n > 1 {
		ports += fmt.Sprintf(" (%d ports)", n)
	}
	if one.does != "" {
		return fmt.Sprintf("%s %s: %s", one.does, ports, how)
	}
	return fmt.Sprintf("%s: %s; %s", ports, how, one.evidence)
}

func counted(n int) string {
	if n == 1 {
		return "1 port"
	}
	return fmt.Sprintf("%d ports", n)
}

// shortened keeps a list of ports readable.
func shortened(list string) string {
	const longest = 60
	if len(list) <= longest {
		return list
	}
	return list[:strings.LastIndexByte(list[:longest], ',')+1] + "…"
}

// open are the ports that the kernel may pick.
func open(s host.Settings) *port.Set {
	set := s.Range.Set()
	set.Subtract(s.Reserved)
	return set
}

func (c *Change) judgeRange(ns *Site) {
	next := c.next.Range
	if next.SameParity() {
		near := neighbour(next)
		c.add(SameParity, judge.Info, "range "+next.String(),
			"both ends are odd or both even, which the kernel complains about once (\"prefer different parity\")",
			fmt.Sprintf("%s has ends of different parity", near))
	}
	if next.Size() < fewPorts {
		c.add(SmallRange, judge.Warning, "range "+next.String(),
			fmt.Sprintf("%s, of which TIME_WAIT keeps each for a minute: %.2g new connections a second to one destination",
				counted(next.Size()), float64(next.Size())/60),
			"the kernel's default has 28,232; did you mean that?")
	}
	reserved := next.Set()
	reserved.Intersect(c.next.Reserved)
	if n := reserved.Len(); n > 0 {
		c.add(Reserved, judge.Info, "ip_local_reserved_ports",
			fmt.Sprintf("%s of the range reserved: %s", counted(n), shortened(reserved.String())),
			fmt.Sprintf("connect() and bind() to port 0 pick from the other %d", next.Size()-n))
	}
	c.judgeOutside(ns)
	c.judgeLimits(ns)
}

// judgeOutside counts the sockets that the range leaves behind.
func (c *Change) judgeOutside(ns *Site) {
	if ns.Now.Usage == nil {
		return
	}
	leaving := difference(c.now.Range, c.next.Range)
	sockets := 0
	for _, uses := range ns.Now.Usage.Tuples {
		sockets += uses.CountIn(leaving)
	}
	if sockets > 0 {
		c.add(Outside, judge.Info, "range "+c.next.Range.String(),
			fmt.Sprintf("%d connections have ports that fall outside", sockets),
			"they keep their ports until they close; only new picks change")
	}
}

// judgeLimits compares with what one destination alone could then take.
func (c *Change) judgeLimits(ns *Site) {
	ports := uint64(open(c.next).Len())
	if c.next.Range.Size() <= c.now.Range.Size() {
		return
	}
	for _, limit := range ns.Limits {
		if limit.Value < ports {
			c.add(LimitTooSmall, judge.Info, limit.Name,
				fmt.Sprintf("it is %d, but the range allows %d connections to one destination, and each takes %s", limit.Value, ports, limit.Each),
				"raise it as well, or the new ports stay unused")
		}
	}
}

// judgePools finds the pools that the change makes worse: it judges the
// namespace as it is and as it will be.
func (c *Change) judgePools(ns *Site) {
	if ns.Now.Usage == nil {
		return
	}
	before := map[string]judge.Severity{}
	for _, f := range judge.Namespace(&ns.Now).Findings {
		before[f.Code+" "+f.Subject] = f.Severity
	}
	after := ns.Now
	after.Settings = c.next
	for _, f := range judge.Namespace(&after).Findings {
		if _, known := before[f.Code+" "+f.Subject]; !known && f.Severity.Reaches(judge.Warning) && isPool(f.Code) {
			f.Evidence = "after this change " + f.Evidence
			f.Advice = "leave the pool more ports than that, or close connections first"
			c.Findings = append(c.Findings, f)
		}
	}
}

func isPool(code string) bool {
	return strings.HasPrefix(code, "pool-") || strings.HasPrefix(code, "local-pool-")
}
