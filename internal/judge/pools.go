package judge

import (
	"cmp"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strconv"

	"portrange/internal/host"
	"portrange/internal/port"
)

// rules are the sets that every pool of one namespace is measured against.
type rules struct {
	ns    *host.Namespace
	ports Ports
	reuse Reuse
	// open is the range without its reserved ports, usable what of it connect() may draw.
	open     *port.Set
	usable   *port.Set
	bindHeld *port.Set // of open
	size     int       // of usable
	unseen   int       // usable ports whose bucket was not to be seen
}

func newRules(ns *host.Namespace) *rules {
	r := &rules{ns: ns, ports: PortsOf(ns), reuse: ReuseUnder(&ns.Settings)}
	r.open, r.usable = r.ports.Open(), r.ports.Usable()
	r.bindHeld = r.open.Clone()
	r.bindHeld.Subtract(r.usable)
	r.size, r.unseen = r.usable.Len(), unseen(ns, r.usable)
	return r
}

// unseen counts the usable ports with a connection, where the source does not
// show buckets: any of them may have been taken by bind().
func unseen(ns *host.Namespace, usable *port.Set) int {
	if !ns.Usage.Blind {
		return 0
	}
	used := &port.Set{}
	for _, usage := range ns.Usage.Tuples {
		usage.AddTo(used)
	}
	return used.CountIn(usable)
}

// pool judges one tuple, also one without any socket.
func (r *rules) pool(tuple port.Tuple) Pool {
	met := r.met(tuple)
	used, states := met.count(r.usable)
	reusable := met.countReusable(r.usable)
	return Pool{
		Proto: tuple.Proto.String(), Local: tuple.Local.String(), Remote: tuple.Remote.String(),
		Device: r.device(tuple.Device),
		Size:   r.size, Used: used, Left: r.size - used + reusable, Reusable: reusable,
		UsedRatio: ratio(used, r.size), ErrorBound: r.errorBound(met, used),
		States: states, Owners: r.owners(tuple), Tuple: tuple,
	}
}

// errorBound is by how many ports the number left may be off. Where buckets do
// not show, every port that others use may be withheld from this pool too, and
// every port in TIME_WAIT may be one that connect() takes over.
func (r *rules) errorBound(met met, used int) int {
	parity := r.parityBound(func(p uint16) bool {
		return r.usable.Contains(p) && (!met.contains(p) || met.reusable(p))
	})
	if !r.ns.Usage.Blind {
		return parity
	}
	return max(parity+r.unseen-used, met.countWaiting(r.usable))
}

// met are the sockets that connect() meets when it looks for a port for tuple.
// A socket bound to no device is met from every device, one bound to a device
// only from the same one (inet_bound_dev_eq, include/net/inet_sock.h).
func (r *rules) met(tuple port.Tuple) met {
	m := r.group(nil, tuple)
	if tuple.Device != 0 {
		tuple.Device = 0
		m = r.group(m, tuple)
	}
	return m
}

func (r *rules) group(m met, tuple port.Tuple) met {
	if usage, known := r.ns.Usage.Tuples[tuple]; known {
		return append(m, group{TupleUsage: usage, reuses: r.reuse.Applies(OnLoopback(tuple))})
	}
	return m
}

// met is one or two groups of sockets; a port may be in both.
type met []group

// group is the sockets of one tuple, and whether tcp_tw_reuse applies to them.
type group struct {
	*host.TupleUsage
	reuses bool
}

func (m met) contains(p uint16) bool {
	return slices.ContainsFunc(m, func(g group) bool { return g.Contains(p) })
}

// reusable reports whether the port is in use, and only by sockets in TIME_WAIT
// that connect() takes over.
func (m met) reusable(p uint16) bool {
	held := false
	for _, g := range m {
		if g.reuses && g.Reusable.Contains(p) {
			held = true
		} else if g.Contains(p) {
			return false
		}
	}
	return held
}

func (m met) count(usable *port.Set) (used int, states map[string]int) {
	states = make(map[string]int, 2)
	for i, g := range m {
		for j := range g.States {
			in := &g.States[j]
			n := in.Ports.CountIn(usable)
			if i > 0 {
				n -= countWhere(&in.Ports, usable, m[:i].contains)
			}
			used += n
			if n > 0 {
				states[in.State.String()] += n
			}
		}
	}
	return used, states
}

// countWaiting counts the ports in TIME_WAIT that reuse may apply to.
func (m met) countWaiting(usable *port.Set) int {
	n := 0
	for _, g := range m {
		for i := range g.States {
			if in := &g.States[i]; g.reuses && in.State == port.TimeWait {
				n += in.Ports.CountIn(usable)
			}
		}
	}
	return n
}

func (m met) countReusable(usable *port.Set) int {
	n := 0
	for i, g := range m {
		if g.reuses {
			n += countWhere(&g.Reusable, usable, func(p uint16) bool { return m.reusable(p) && !m[:i].contains(p) })
		}
	}
	return n
}

func countWhere(ports *port.Ports, usable *port.Set, where func(uint16) bool) int {
	n := 0
	for p := range ports.All() {
		if usable.Contains(p) && where(p) {
			n++
		}
	}
	return n
}

// parityBound is the number of free ports that a scan may pass over: with both
// ends of the same parity the kernel rounds the length of the range down to an
// even number, and the scan misses one end.
func (r *rules) parityBound(free func(uint16) bool) int {
	ends := r.ns.Settings.Range
	if ends.SameParity() && (free(ends.Low) || free(ends.High)) {
		return 1
	}
	return 0
}

func (r *rules) owners(tuple port.Tuple) []Owner {
	owners := []Owner{}
	if r.ns.Holdings == nil {
		return owners
	}
	for pid, used := range r.ns.Holdings.Owners[tuple] {
		owners = append(owners, Owner{Process: r.ns.Holdings.Process(pid), Used: used})
	}
	sortOwners(owners)
	return owners
}

func sortOwners(owners []Owner) {
	slices.SortFunc(owners, func(a, b Owner) int {
		return cmp.Or(cmp.Compare(b.Used, a.Used), cmp.Compare(a.PID, b.PID))
	})
}

func (r *rules) device(index uint32) string {
	if index == 0 {
		return ""
	}
	if name, known := r.ns.Devices[index]; known {
		return name
	}
	return "if" + strconv.FormatUint(uint64(index), 10)
}

// pools judges every tuple that holds a port of the range, fullest first.
func (r *rules) pools() []Pool {
	pools := make([]Pool, 0, len(r.ns.Usage.Tuples))
	for tuple := range r.ns.Usage.Tuples {
		if pool := r.pool(tuple); pool.Used > 0 {
			pools = append(pools, pool)
		}
	}
	SortPools(pools, ByUsed)
	return pools
}

// connections counts those on the given ports.
func (r *rules) connections(on *port.Set) int {
	n := 0
	for _, usage := range r.ns.Usage.Tuples {
		n += usage.CountIn(on)
	}
	return n
}

// localPool judges one local address. A namespace's TCP and UDP ports are
// apart; within one protocol every socket whose address overlaps is in the way.
func (r *rules) localPool(proto port.Proto, addr netip.Addr) LocalPool {
	taken, certain := r.taken(proto, addr)
	free := r.open.Clone()
	free.Subtract(taken)
	bound := taken.Len() - certain.Len()
	if proto == port.TCP { // udp_lib_get_port covers the range whatever its length
		bound += r.parityBound(free.Contains)
	}
	return LocalPool{
		Proto: proto.String(), Local: addr.String(),
		Size: r.open.Len(), Used: taken.Len(), Left: free.Len(), ErrorBound: bound,
	}
}

// taken are the open ports of sockets that a new one bound to addr meets, and
// those of them that it meets for certain.
func (r *rules) taken(proto port.Proto, addr netip.Addr) (taken, certain *port.Set) {
	taken, certain = &port.Set{}, &port.Set{}
	for local, ports := range r.ns.Usage.Locals {
		if local.Proto != proto || !conflicts(addr, local) {
			continue
		}
		ports.AddTo(taken)
		local.V6Only = local.V6Only || local.V6Unknown
		if conflicts(addr, local) {
			ports.AddTo(certain)
		}
	}
	taken.Intersect(r.open)
	certain.Intersect(r.open)
	return taken, certain
}

// conflicts reports whether a new socket bound to addr meets a socket under the
// key local (inet_rcv_saddr_equal and inet_bhash2_addr_any_conflict,
// net/ipv4/inet_connection_sock.c). The new socket is AF_INET for an IPv4
// address, else AF_INET6 without IPV6_V6ONLY.
func conflicts(addr netip.Addr, local host.Local) bool {
	switch {
	case addr.Is6() && addr.IsUnspecified():
		return true
	case addr.Is4() && local.V6Only:
		return false
	case addr.IsUnspecified():
		// An IPv6 socket that is not V6Only counts, even with an IPv6 address:
		// ipv4_rcv_saddr_equal looks at nothing but that flag.
		return true
	case local.Addr.IsUnspecified():
		return addr.Is4() || local.Addr.Is6()
	}
	return addr == local.Addr
}

// localPools judges every local address with a socket in the range.
func (r *rules) localPools() []LocalPool {
	type key struct {
		proto port.Proto
		addr  netip.Addr
	}
	seen := map[key]bool{}
	for local, ports := range r.ns.Usage.Locals {
		if ports.CountIn(r.open) > 0 {
			seen[key{local.Proto, local.Addr}] = true
		}
	}
	keys := slices.SortedFunc(maps.Keys(seen), func(a, b key) int {
		return cmp.Or(cmp.Compare(a.proto, b.proto), a.addr.Compare(b.addr))
	})
	pools := make([]LocalPool, 0, len(keys))
	for _, k := range keys {
		pools = append(pools, r.localPool(k.proto, k.addr))
	}
	return pools
}

// outside counts the connections whose connect-held port lies out of the
// range: opened under another range, they keep their ports until they close.
func (r *rules) outside() int {
	elsewhere := port.Range{Low: 1, High: math.MaxUint16}.Set()
	elsewhere.Subtract(r.ns.Settings.Range.Set())
	elsewhere.Subtract(&r.ns.Usage.BindHeld)
	return r.connections(elsewhere)
}

// ratio is part of whole rounded to three digits; a pool without ports is full.
func ratio(part, whole int) float64 {
	if whole == 0 {
		return 1
	}
	return math.Round(float64(part)/float64(whole)*1000) / 1000
}
