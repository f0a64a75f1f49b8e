package judge

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"portrange/internal/host"
	"portrange/internal/port"
)

// Namespace judges one namespace: every pool, and what is wrong.
func Namespace(ns *host.Namespace) Verdict {
	r := newRules(ns)
	verdict := Verdict{
		NetNS: ns.ID, Name: ns.Name, Source: ns.Source, Exact: Exact(ns), Inexact: Inexact(ns),
		Range: Range{
			Low: ns.Settings.Range.Low, High: ns.Settings.Range.High, Size: ns.Settings.Range.Size(),
			Default: ns.Settings.Range == port.DefaultRange,
		},
		Reserved:        ns.Settings.Reserved.String(),
		ReservedInRange: ns.Settings.Range.Size() - r.open.Len(),
		BindHeld:        r.bindHeld.Len(), Usable: r.size, OutsideRange: r.outside(),
		Settings: Settings{
			TWReuse: ns.Settings.TWReuse, TWReuseDelayMS: ns.Settings.TWReuseDelay.Milliseconds(),
			UnprivilegedStart: ns.Settings.UnprivilegedStart,
		},
		Pools: r.pools(), LocalPools: r.localPools(), InUse: r.connections(r.usable),
	}
	verdict.Findings = r.findings(&verdict)
	return verdict
}

// Left judges the pool that one connect() of a TCP socket without a port draws
// on, also one never used before.
func Left(ns *host.Namespace, tuple port.Tuple) Pool { return newRules(ns).pool(tuple) }

// LeftLocal judges the pool that bind(addr, 0) draws on. For UDP the
// unspecified address is also what connect() and a first send draw on: an
// unbound socket gets its port before it gets its address (inet_autobind,
// net/ipv4/af_inet.c).
func LeftLocal(ns *host.Namespace, proto port.Proto, addr netip.Addr) LocalPool {
	return newRules(ns).localPool(proto, addr)
}

// Exact reports whether every number that follows from ns is the kernel's own,
// ErrorBound of the single pools aside.
func Exact(ns *host.Namespace) bool { return Inexact(ns) == "" }

// Inexact says why the numbers are not exact, and which way they may be off.
// It is empty where they are.
func Inexact(ns *host.Namespace) string {
	var reasons []string
	if ns.Partial {
		reasons = append(reasons, "some sockets could not be read, so fewer ports may be left, by how many is not known")
	}
	if ns.Usage.Blind {
		reasons = append(reasons, "ports bound before connect() cannot be told apart, so fewer may be left; "+
			"nor can TIME_WAIT ports that connect() may take over, so more may be")
	}
	if v6Unknown(ns.Usage) {
		reasons = append(reasons, "IPV6_V6ONLY of connected sockets does not show, so more may be left for bind() to 0.0.0.0")
	}
	if ns.Settings.StepWidth > 1 {
		reasons = append(reasons, "ip_local_port_step_width makes a search pass over ports, so fewer may be left, by how many is not known")
	}
	return strings.Join(reasons, "; ")
}

func v6Unknown(tally *host.Usage) bool {
	for local := range tally.Locals {
		if local.V6Unknown {
			return true
		}
	}
	return false
}

// Order is an order of pools.
type Order string

// The orders of pools, as show's --sort names them.
const (
	ByUsed  Order = "used"  // most used ports first
	ByLeft  Order = "left"  // fewest ports left first
	ByRatio Order = "ratio" // largest share in use first
)

// SortPools puts the pools in the order by; equal ones by remote and local address.
func SortPools(pools []Pool, by Order) {
	slices.SortFunc(pools, func(a, b Pool) int {
		return cmp.Or(by.compare(&a, &b), cmp.Compare(b.Used, a.Used), compareTuples(a.Tuple, b.Tuple))
	})
}

func (by Order) compare(a, b *Pool) int {
	switch by {
	case ByLeft:
		return cmp.Compare(a.Left, b.Left)
	case ByRatio:
		return cmp.Compare(b.UsedRatio, a.UsedRatio)
	}
	return cmp.Compare(b.Used, a.Used)
}

func compareTuples(a, b port.Tuple) int {
	return cmp.Or(a.Remote.Compare(b.Remote), a.Local.Compare(b.Local), cmp.Compare(a.Device, b.Device))
}
