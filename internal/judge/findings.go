package judge

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"portrange/internal/host"
	"portrange/internal/port"
)

// The shares of a pool taken from which it is worth a word. Past one half
// connect() has used up the parity that it tries first, and walks all of it
// before it finds a port of the other; near the wall a burst is enough.
const (
	SlowRatio = 0.5
	NearRatio = 0.85
)

// The codes of findings.
const (
	PoolFull          = "pool-full"
	PoolNearFull      = "pool-near-full"
	PoolPastHalf      = "pool-past-half"
	LocalPoolFull     = "local-pool-full"
	LocalPoolNearFull = "local-pool-near-full"
	BindBeforeConnect = "bind-before-connect"
	RangeWithheld     = "range-withheld"
)

// findings lists what is wrong, worst first.
func (r *rules) findings(v *Verdict) []Finding {
	found := []Finding{}
	if f, worth := r.withheld(); worth {
		found = append(found, f)
	}
	for i := range v.Pools {
		if f, worth := poolFinding(&v.Pools[i], r.ns); worth {
			found = append(found, f)
		}
	}
	for i := range v.LocalPools {
		if f, worth := r.localPoolFinding(&v.LocalPools[i]); worth {
			found = append(found, f)
		}
	}
	if f, worth := r.bindBeforeConnect(); worth {
		found = append(found, f)
	}
	SortFindings(found)
	return found
}

var severityRank = map[Severity]int{Critical: 0, Warning: 1, Info: 2}

// CompareSeverity orders the worst first, as [cmp.Compare] does numbers.
func CompareSeverity(a, b Severity) int { return cmp.Compare(severityRank[a], severityRank[b]) }

// SortFindings puts the worst first and keeps the order of equals.
func SortFindings(findings []Finding) {
	slices.SortStableFunc(findings, func(a, b Finding) int { return CompareSeverity(a.Severity, b.Severity) })
}

// Reaches reports whether s is at least as severe as floor.
func (s Severity) Reaches(floor Severity) bool { return severityRank[s] <= severityRank[floor] }

func poolFinding(p *Pool, ns *host.Namespace) (Finding, bool) {
	f := Finding{Severity: Warning}
	switch taken := p.Taken(); {
	case p.Left == 0:
		f.Code, f.Severity = PoolFull, Critical
		f.Advice = "connect() to this destination fails with EADDRNOTAVAIL now: " + morePorts(ns)
	case taken >= NearRatio:
		f.Code = PoolNearFull
		f.Advice = "before it is full: " + morePorts(ns)
	case taken >= SlowRatio:
		f.Code = PoolPastHalf
		f.Advice = "every connect() now searches half of the range before it finds a port: " + morePorts(ns)
	default:
		return f, false
	}
	f.Subject, f.Evidence = p.Subject(), p.evidence()
	return f, true
}

// Subject names the pool: protocol, local address, remote address and port.
func (p *Pool) Subject() string { return p.Proto + " " + p.source() + " → " + p.Remote }

// source is the local address, with the device that the sockets are bound to.
func (p *Pool) source() string {
	if p.Device == "" {
		return p.Local
	}
	return p.Local + "%" + p.Device
}

func (p *Pool) evidence() string {
	text := fmt.Sprintf("%d of %d ports in use, %d left", p.Used, p.Size, p.Left)
	if waiting := p.States[port.TimeWait.String()]; waiting > 0 {
		text += fmt.Sprintf("; %d in TIME_WAIT", waiting)
	}
	if p.Reusable > 0 {
		text += fmt.Sprintf(", %d of them reusable", p.Reusable)
	}
	if len(p.Owners) > 0 {
		text += fmt.Sprintf("; most by %s", p.Owners[0].Process)
	}
	return text
}

// localPoolFinding judges a pool shared by all destinations.
func (r *rules) localPoolFinding(p *LocalPool) (Finding, bool) {
	severity := r.localSeverity(p) // of a full one
	f := Finding{
		Severity: severity, Subject: p.Proto + " " + p.Local,
		Evidence: fmt.Sprintf("%d of %d ports in use, %d left", p.Used, p.Size, p.Left),
	}
	switch {
	case p.Left == 0:
		f.Code = LocalPoolFull
	case p.taken() >= NearRatio:
		f.Code = LocalPoolNearFull
		if severity == Critical {
			f.Severity = Warning
		}
	default:
		return f, false
	}
	f.Advice = localPoolAdvice(p, r.ns)
	return f, true
}

// localSeverity is how bad it is when the pool is full. All of UDP draws on
// such a pool. Of TCP only bind(addr, 0) does: where no port of the range was
// taken so, listeners aside, that is only worth knowing.
func (r *rules) localSeverity(p *LocalPool) Severity {
	if p.Proto == port.UDP.String() {
		return Critical
	}
	if r.unserved(r.bindHeld).Len() == 0 {
		return Info
	}
	return Critical
}

func localPoolAdvice(p *LocalPool, ns *host.Namespace) string {
	widen := ""
	if command := Widen(ns); command != "" {
		widen = fmt.Sprintf("widen the range (%s), or ", command)
	}
	if p.Proto == port.UDP.String() {
		return "UDP shares no port between destinations: " + widen + "bind sockets to more source addresses"
	}
	return "bind() to port 0 draws on this pool, connect() on one for each destination: " + widen +
		"set IP_BIND_ADDRESS_NO_PORT where a program binds a source address before it connects"
}

// boundPorts are the ports of the range that connections took through bind().
// With a listener on the same port, or several connections, they are accepted ones.
func (r *rules) boundPorts() *port.Set {
	bound := r.unserved(&r.ns.Usage.Bound)
	bound.Intersect(r.open)
	return bound
}

// unserved are the ports without a listener and without several connections,
// which are a listener's.
func (r *rules) unserved(ports *port.Set) *port.Set {
	rest := ports.Clone()
	rest.Subtract(&r.ns.Usage.Listening)
	rest.Subtract(&r.ns.Usage.Served)
	return rest
}

// bindBeforeConnect reports the bound ports: each is lost to every connect().
func (r *rules) bindBeforeConnect() (Finding, bool) {
	bound := r.boundPorts()
	n := bound.Len()
	if n == 0 {
		return Finding{}, false
	}
	severity := Info
	if ratio(n, r.open.Len()) >= 0.1 {
		severity = Warning
	}
	return Finding{
		Code: BindBeforeConnect, Severity: severity, Subject: "tcp",
		Evidence: fmt.Sprintf("%s of the range held by connections that called bind() before connect(), or were accepted by a "+
			"listener that is gone; no other connect() may use them%s", plural(n, "port"), r.binders(bound)),
		Advice: "have the kernel pick the port at connect(): set IP_BIND_ADDRESS_NO_PORT before bind(). HAProxy and nginx do so for " +
			"`source ADDR` and `proxy_bind ADDR` that name no port; Envoy with socket_options {level: 0, name: 24, int_value: 1, " +
			"state: STATE_PREBIND} in upstream_bind_config; Go in net.Dialer.Control, beside a LocalAddr with port 0",
	}, true
}

// withheld reports that little or nothing of the range is left for connect(),
// whatever the destination.
func (r *rules) withheld() (Finding, bool) {
	size := r.ns.Settings.Range.Size()
	taken := ratio(size-r.size, size)
	if taken < SlowRatio {
		return Finding{}, false
	}
	f := Finding{
		Code: RangeWithheld, Severity: Warning, Subject: "tcp, every destination",
		Evidence: fmt.Sprintf("%d of the range's %s usable: %d reserved, %d bind-held%s", r.size, plural(size, "port"),
			size-r.open.Len(), r.bindHeld.Len(), r.binders(r.bindHeld)),
		Advice: "move services and the reserved list (`portrange reserve list" + Flag(r.ns.Ref) + "`) out of the range, or " + morePorts(r.ns),
	}
	if r.size == 0 {
		f.Severity = Critical
		f.Advice = "every connect() without a port fails with EADDRNOTAVAIL now: " + f.Advice
	}
	return f, true
}

func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// binders names the processes behind bound ports, the largest three.
func (r *rules) binders(bound *port.Set) string {
	if r.ns.Holdings == nil {
		return ""
	}
	owners := []Owner{}
	for pid, ports := range r.ns.Holdings.Bound {
		if n := ports.CountIn(bound); n > 0 {
			process := host.Process{PID: pid, Command: r.ns.Holdings.Commands[pid]}
			owners = append(owners, Owner{Process: process, Used: n})
		}
	}
	sortOwners(owners)
	names := []string{}
	for _, owner := range owners[:min(3, len(owners))] {
		names = append(names, fmt.Sprintf("%s: %d", owner.Process, owner.Used))
	}
	if len(names) == 0 {
		return ""
	}
	return "; " + strings.Join(names, ", ")
}
