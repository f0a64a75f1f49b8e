package judge

import (
	"cmp"
	"net/netip"
	"slices"

	"portrange/internal/host"
	"portrange/internal/port"
)

// Namespace judges one namespace: every pool, and how far the numbers are to be
// trusted. Its sockets must have been read.
func Namespace(ns *host.Namespace) Verdict {
	r := newRules(ns)
	return Verdict{
		NetNS: ns.ID, Name: ns.Name, Source: ns.Source, Exact: Exact(ns), Doubts: Doubts(ns),
		Range:           RangeOf(ns.Settings.Range),
		Reserved:        ns.Settings.Reserved.String(),
		ReservedInRange: ns.Settings.Range.Size() - r.open.Len(),
		BindHeld:        r.bindHeld.Len(), Usable: r.size, OutsideRange: r.outside(),
		Settings: SettingsInfo{
			TWReuse: ns.Settings.TWReuse, TWReuseDelayMS: ns.Settings.TWReuseDelay.Milliseconds(),
			UnprivilegedStart: ns.Settings.UnprivilegedStart,
		},
		Pools: r.pools(), LocalPools: r.localPools(), InUse: r.connections(r.usable),
	}
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

// Doubt is a reason for which numbers are not the kernel's own.
type Doubt string

// The doubts.
const (
	// DoubtPartial: some sockets could not be read. Fewer ports may be left.
	DoubtPartial Doubt = "partial"
	// DoubtBuckets: the source does not show bind buckets. Ports bound before
	// connect() cannot be told apart, so fewer may be left; nor can TIME_WAIT
	// ports that connect() may take over, so more may be.
	DoubtBuckets Doubt = "buckets"
	// DoubtV6Only: the source does not show IPV6_V6ONLY of connected sockets.
	// More ports may be left for bind() to 0.0.0.0.
	DoubtV6Only Doubt = "v6only"
	// DoubtStepWidth: ip_local_port_step_width makes a search pass over ports.
	DoubtStepWidth Doubt = "step-width"
)

// Doubts are the reasons for which the numbers that follow from ns are not
// exact; none where they are.
func Doubts(ns *host.Namespace) []Doubt {
	var doubts []Doubt
	if ns.Partial {
		doubts = append(doubts, DoubtPartial)
	}
	if ns.Usage.Blind {
		doubts = append(doubts, DoubtBuckets)
	}
	if v6Unknown(ns.Usage) {
		doubts = append(doubts, DoubtV6Only)
	}
	if ns.Settings.StepWidth > 1 {
		doubts = append(doubts, DoubtStepWidth)
	}
	return doubts
}

// Exact reports whether every number that follows from ns is the kernel's own,
// ErrorBound of the single pools aside.
func Exact(ns *host.Namespace) bool { return len(Doubts(ns)) == 0 }

func v6Unknown(usage *host.Usage) bool {
	for local := range usage.Locals {
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
