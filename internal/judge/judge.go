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
func Namespace(ns *host.Namespace) Verdict { return newRules(ns).verdict() }

func (r *rules) verdict() Verdict {
	ns, f := r.ns, r.field(0)
	v := Verdict{
		NetNS: ns.ID, Name: ns.Name, Source: ns.Source,
		Range:           RangeOf(ns.Settings.Range),
		Reserved:        ns.Settings.Reserved.String(),
		ReservedInRange: ns.Settings.Range.Size() - r.open.Len(),
		BindHeld:        f.bindHeld.Len(), Usable: f.size, OutsideRange: r.outside(),
		Settings: SettingsInfo{
			TWReuse: ns.Settings.TWReuse, TWReuseDelayMS: ns.Settings.TWReuseDelay.Milliseconds(),
			UnprivilegedStart: ns.Settings.UnprivilegedStart,
		},
		Pools: r.pools(), LocalPools: r.localPools(), InUse: r.inUse(),
	}
	v.Doubts = r.allDoubts(&v)
	v.Exact = len(v.Doubts) == 0
	return v
}

// Left judges the pool that one connect() of a TCP socket without a port draws
// on, also one never used before.
func Left(ns *host.Namespace, asker *Asker, remote netip.AddrPort) Pool {
	r, tuple := newRulesWithin(ns, asker.within(ns.Settings.Range)), asker.tuple(remote)
	pool := r.pool(tuple)
	if asker.Barred != nil {
		free := r.field(ns.Usage.L3Mdev(tuple.Device)).free(r.met(tuple))
		pool.bar(steps(free, asker.Barred, r.connectPass(asker)))
	}
	return pool
}

// LeftLocal judges the pool that bind() to port 0 draws on. For UDP the
// unspecified address is also what connect() and a first send draw on: an
// unbound socket gets its port before it gets its address (inet_autobind,
// net/ipv4/af_inet.c).
func LeftLocal(ns *host.Namespace, asker *Asker) LocalPool {
	return newRulesWithin(ns, asker.within(ns.Settings.Range)).localPool(asker)
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
