package judge

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"

	"portrange/internal/host"
	"portrange/internal/port"
)

// localPool judges what an asker draws on that has no destination: bind() to port
// 0, or UDP. A namespace's TCP and UDP ports are apart.
func (r *rules) localPool(a *Asker) LocalPool {
	m := newMeeting(a, r.ns)
	taken, certain := r.taken(&m)
	free := r.open.Clone()
	free.Subtract(taken)
	pool := LocalPool{
		Proto: a.Proto.String(), Local: a.Local.String(), Device: r.device(a.Device),
		Size: r.open.Len(), Used: taken.Len(), Left: free.Len(),
		Endless: m.sharesWithItself() && free.Len() > 0,
		Asker:   *a,
	}
	pool.PerhapsEndless = m.sharesWithItself() && free.Len() == 0 && m.mayShare() && taken.Len() > certain.Len()
	tooMany := min(r.ns.Usage.Missed[a.Proto], pool.Left)
	if a.Proto == port.TCP && !pool.Endless { // udp_lib_get_port covers the range whatever its length
		tooMany += r.parityBound(a, free.Contains)
	}
	pool.ErrorBound = max(tooMany, taken.Len()-certain.Len())
	pool.Doubts = r.localDoubts(a, m.mayShare(), taken.Len() > certain.Len())
	if a.Proto == port.TCP && r.unsure > 0 {
		pool.ErrorBound += r.unsure
		pool.Doubts = append(pool.Doubts, DoubtVRF)
	}
	pool.Exact = len(pool.Doubts) == 0
	mayBeMore := taken.Len() > certain.Len() || a.Proto == port.TCP && r.unsure > 0
	pool.OnlyFewer = !pool.Exact && pool.ErrorBound > 0 && !mayBeMore
	return pool
}

func (r *rules) localDoubts(a *Asker, mayShare, uncertain bool) []Doubt {
	doubts := r.doubts(a.Proto)
	if uncertain && mayShare {
		doubts = append(doubts, DoubtSharing)
	} else if uncertain {
		doubts = append(doubts, DoubtV6Only)
	}
	return doubts
}

// taken are the open ports of sockets that the asker meets, and those of them
// that it meets for certain.
func (r *rules) taken(m *meeting) (taken, certain *port.Set) {
	taken, certain = &port.Set{}, &port.Set{}
	for local, ports := range r.ns.Usage.Locals {
		if !m.meets(&local) {
			continue
		}
		ports.AddTo(taken)
		local.V6Only = local.V6Only || local.V6Unknown
		if m.meets(&local) && !(local.Sharing.Unknown && m.mayShare()) {
			ports.AddTo(certain)
		}
	}
	taken.Intersect(r.open)
	certain.Intersect(r.open)
	return taken, certain
}

// localPools judges what the askers draw on that the sockets give reason to expect.
func (r *rules) localPools() []LocalPool {
	pools := []LocalPool{}
	for _, asker := range slices.SortedFunc(maps.Keys(r.askers()), compareAskers) {
		pools = append(pools, r.localPool(&asker))
	}
	return pools
}

// askers are one on every local address with a socket in the range, and those
// that draw on all addresses together: of UDP always, of TCP where something was
// seen to bind to port 0.
func (r *rules) askers() map[Asker]bool {
	seen := map[Asker]bool{}
	for local, ports := range r.ns.Usage.Locals {
		if ports.CountIn(r.open) == 0 {
			continue
		}
		seen[r.neighbour(&local)] = true
		if local.Proto == port.TCP && !r.drawnOn() {
			continue
		}
		seen[NewAsker(r.ns, local.Proto, netip.IPv4Unspecified())] = true
		if r.ns.Settings.HasBindV6Only {
			seen[NewAsker(r.ns, local.Proto, netip.IPv6Unspecified())] = true
		}
	}
	return seen
}

// neighbour is a plain socket on the same address. It is bound to a device where
// the address alone says little: one that is link-local, or within a VRF.
func (r *rules) neighbour(l *host.Local) Asker {
	asker := NewAsker(r.ns, l.Proto, l.Addr)
	if l.Addr.IsLinkLocalUnicast() && l.Addr.Is6() || l.L3Mdev != 0 {
		asker.Device = l.Device
	}
	return asker
}

func compareAskers(a, b Asker) int {
	return cmp.Or(cmp.Compare(a.Proto, b.Proto), a.Local.Compare(b.Local), cmp.Compare(a.Device, b.Device))
}

// Distinct leaves out the pools of all addresses together that say no more than
// another one: that have as many ports left as one address, or as 0.0.0.0 where
// :: has them too.
func Distinct(pools []LocalPool) []LocalPool {
	var kept []LocalPool
	for i := range pools {
		said := func(other LocalPool) bool {
			return other.Proto == pools[i].Proto && other.Left == pools[i].Left && !other.forAll()
		}
		if pools[i].forAll() && (slices.ContainsFunc(pools, said) || slices.ContainsFunc(kept, pools[i].alike)) {
			continue
		}
		kept = append(kept, pools[i])
	}
	return kept
}

func (p *LocalPool) forAll() bool { return p.Asker.Local.IsUnspecified() }

func (p *LocalPool) alike(other LocalPool) bool {
	return other.Proto == p.Proto && other.Left == p.Left && other.forAll()
}
