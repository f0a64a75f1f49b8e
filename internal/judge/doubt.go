package judge

import (
	"slices"

	"portrange/internal/host"
	"portrange/internal/port"
)

// Doubt is a reason for which a number is not the kernel's own.
type Doubt string

// The doubts.
const (
	// DoubtPartial: some sockets could not be read. Fewer ports may be left.
	DoubtPartial Doubt = "partial"
	// DoubtMissed: sockets came and went while they were listed, which can hide
	// others that stayed. Fewer ports may be left.
	DoubtMissed Doubt = "missed"
	// DoubtBuckets: the source does not show bind buckets. Ports bound before
	// connect() cannot be told apart, so fewer may be left; nor can TIME_WAIT
	// ports that connect() may take over, so more may be.
	DoubtBuckets Doubt = "buckets"
	// DoubtV6Only: the source does not show IPV6_V6ONLY of connected sockets.
	// More ports may be left for bind() to 0.0.0.0.
	DoubtV6Only Doubt = "v6only"
	// DoubtSharing: the source does not show SO_REUSEADDR and SO_REUSEPORT of the
	// sockets that are there. More ports may be left to a socket with them.
	DoubtSharing Doubt = "sharing"
	// DoubtVRF: it is not certain in which VRF's bind table some sockets are.
	DoubtVRF Doubt = "vrf"
	// DoubtConnectHooks: BPF programs of the asker's control group may send a
	// connection elsewhere before it gets its port. Package judge does not see
	// them; whoever knows the asker adds it.
	DoubtConnectHooks Doubt = "connect-hooks"
	// DoubtNoRoute: no way leads to the destination from the given address now, so
	// connect() fails for want of that and not of ports. Added as the one above.
	DoubtNoRoute Doubt = "no-route"
	// DoubtHooksUnread: whether there are such programs could not be read.
	DoubtHooksUnread Doubt = "hooks-unread"
	// DoubtRules: rules of routing look at SO_MARK, IP_TOS or other things of a socket
	// that are not known of the asker, and lead some sockets another way.
	DoubtRules Doubt = "rules"
	// DoubtLocalPort: rules of routing look at the local port, and no way leads from
	// some that the asker may get.
	DoubtLocalPort Doubt = "local-port"
	// DoubtShared: bind() shares ports between sockets at random, and connect() fails
	// where the one that it chose is connected to the destination already.
	DoubtShared Doubt = "shared-ports"
	// DoubtSources: routing spreads connections over several local addresses.
	DoubtSources Doubt = "sources"
)

// doubts are those that concern every pool of a protocol.
func (r *rules) doubts(proto port.Proto) []Doubt {
	var doubts []Doubt
	if r.ns.Partial {
		doubts = append(doubts, DoubtPartial)
	}
	if r.ns.Usage.Missed[proto] > 0 {
		doubts = append(doubts, DoubtMissed)
	}
	return doubts
}

// allDoubts are those of any number in the verdict, each once.
func (r *rules) allDoubts(v *Verdict) []Doubt {
	doubts := append(r.doubts(port.TCP), r.doubts(port.UDP)...)
	if r.field(0).hidden > 0 {
		doubts = append(doubts, DoubtBuckets)
	}
	for i := range v.Pools {
		doubts = append(doubts, v.Pools[i].Doubts...)
	}
	for i := range v.LocalPools {
		doubts = append(doubts, v.LocalPools[i].Doubts...)
	}
	slices.Sort(doubts)
	return slices.Compact(doubts)
}

// Doubts are the reasons for which some number that follows from ns is not
// exact; none where all are. Those of one pool are the pool's own.
func Doubts(ns *host.Namespace) []Doubt {
	v := Namespace(ns)
	return v.Doubts
}

// Exact reports whether every number that follows from ns is the kernel's own,
// ErrorBound of the single pools aside.
func Exact(ns *host.Namespace) bool { return len(Doubts(ns)) == 0 }

// Add notes a doubt that is not of the sockets: of the asker or of its way. One by
// which the number cannot be off is none.
func (p *Pool) Add(doubt Doubt) {
	t := trust{p.Exact, p.OnlyFewer, p.ErrorBound, p.Doubts}.with(doubt, p.Left, p.Size)
	p.Exact, p.OnlyFewer, p.ErrorBound, p.Doubts = t.exact, t.onlyFewer, t.bound, t.doubts
}

// Add is [Pool.Add].
func (p *LocalPool) Add(doubt Doubt) {
	t := trust{p.Exact, p.OnlyFewer, p.ErrorBound, p.Doubts}.with(doubt, p.Left, p.Size)
	p.Exact, p.OnlyFewer, p.ErrorBound, p.Doubts = t.exact, t.onlyFewer, t.bound, t.doubts
}

// trust is how far the number of a pool is to be trusted.
type trust struct {
	exact, onlyFewer bool
	bound            int
	doubts           []Doubt
}

// with is what is left of it under one doubt more, where so many ports of a pool are left.
func (t trust) with(doubt Doubt, left, size int) trust {
	off, bounded := doubt.bound(left, size)
	if bounded && off == 0 {
		return t
	}
	if bounded {
		t.onlyFewer = doubt.onlyFewer() && (t.onlyFewer || t.exact || t.bound == 0)
	}
	return trust{false, t.onlyFewer, max(t.bound, off), append(t.doubts, doubt)}
}

// bound is by how many ports a doubt about the asker or its way lets Left be off:
// where there is no way, or several, none of them may be had; where connections go
// elsewhere, or come from another address, as many as that pool has. The others come
// with a bound of their own.
func (d Doubt) bound(left, size int) (off int, bounded bool) {
	switch d {
	case DoubtConnectHooks, DoubtHooksUnread, DoubtRules:
		return max(left, size-left), true
	}
	if d.onlyFewer() {
		return left, true
	}
	return 0, false
}

// onlyFewer reports whether a doubt about the way lets Left be too high alone.
func (d Doubt) onlyFewer() bool { return d == DoubtNoRoute || d == DoubtSources }
