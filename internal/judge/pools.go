package judge

import (
	"cmp"
	"math"
	"slices"
	"strconv"

	"portrange/internal/host"
	"portrange/internal/port"
)

// rules are the sets that every pool of one namespace is measured against.
type rules struct {
	ns    *host.Namespace
	ends  port.Range
	reuse Reuse
	// open is the range without its reserved ports.
	open   *port.Set
	unsure int // open ports of sockets of which it is not certain in which VRF they are
	fields map[uint32]*field
}

// field is what connect() may draw on in one part of the bind table: all of it, or
// that of one VRF.
type field struct {
	usable   *port.Set // open and not bind-held
	bindHeld *port.Set // of open
	size     int       // of usable
	unseen   *port.Set // usable ports whose bucket was not to be seen
	hidden   int       // of unseen
}

func newRules(ns *host.Namespace) *rules { return newRulesWithin(ns, ns.Settings.Range) }

// newRulesWithin are the rules of a socket that has a range of its own.
func newRulesWithin(ns *host.Namespace, ends port.Range) *rules {
	ports := Ports{Range: ends, Reserved: ns.Settings.Reserved}
	open := ports.Open()
	return &rules{
		ns: ns, ends: ends, reuse: ReuseUnder(&ns.Settings),
		open: open, unsure: ns.Usage.VRFUnsure.CountIn(open), fields: map[uint32]*field{},
	}
}

// field is the one of a VRF, 0 for none. connect() passes over a port whose bucket
// there is bind-held, whatever the addresses (__inet_hash_connect).
func (r *rules) field(l3mdev uint32) *field {
	if f, known := r.fields[l3mdev]; known {
		return f
	}
	buckets := r.ns.Usage.Of(l3mdev)
	f := &field{usable: r.open.Clone(), bindHeld: r.open.Clone(), unseen: buckets.Unseen.Clone()}
	f.usable.Subtract(&buckets.BindHeld)
	f.bindHeld.Subtract(f.usable)
	f.unseen.Intersect(f.usable)
	f.size, f.hidden = f.usable.Len(), f.unseen.Len()
	r.fields[l3mdev] = f
	return f
}

// pool judges one tuple, also one without any socket.
func (r *rules) pool(tuple port.Tuple) Pool {
	f, met := r.field(r.ns.Usage.L3Mdev(tuple.Device)), r.met(tuple)
	used, states := met.count(f.usable)
	reusable := met.countReusable(f.usable)
	pool := Pool{
		Proto: tuple.Proto.String(), Local: tuple.Local.String(), Remote: tuple.Remote.String(),
		Device: r.device(tuple.Device),
		Size:   f.size, Used: used, Left: f.size - used + reusable, Reusable: reusable,
		UsedRatio: ratio(used, f.size),
		States:    states, Owners: r.owners(tuple), Tuple: tuple, Orphaned: r.orphaned(met, f.usable),
	}
	r.doubt(&pool, f, met)
	return pool
}

// doubt says how far the number left is to be trusted. Where buckets do not show,
// every port that others use may be withheld from this pool too, and every one of
// its own that has been in TIME_WAIT for long may be one that connect() takes over.
func (r *rules) doubt(pool *Pool, f *field, met met) {
	withheld, aged := f.hidden, met.countAged(f.usable)
	if withheld > 0 {
		own, _ := met.count(f.unseen)
		withheld -= own
	}
	missed := min(r.ns.Usage.Missed[port.TCP], pool.Left)
	parity := r.parityBound(nil, func(p uint16) bool {
		return f.usable.Contains(p) && (!met.contains(p) || met.reusable(p))
	})
	pool.ErrorBound = max(min(parity+withheld+missed, pool.Left), aged) + r.unsure
	pool.Doubts = r.doubts(port.TCP)
	if withheld+aged > 0 {
		pool.Doubts = append(pool.Doubts, DoubtBuckets)
	}
	if r.unsure > 0 {
		pool.Doubts = append(pool.Doubts, DoubtVRF)
	}
	pool.Exact = len(pool.Doubts) == 0
	pool.OnlyFewer = !pool.Exact && pool.ErrorBound > 0 && aged+r.unsure == 0
}

// met is a few groups of sockets, one for each device; a port may be in several.
type met []group

// group is the sockets of one tuple, and whether tcp_tw_reuse applies to them.
type group struct {
	*host.TupleUsage
	tuple  port.Tuple
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

// free are the ports that connect() may take where it meets m.
func (f *field) free(m met) *port.Set {
	free := &port.Set{}
	for p := range f.usable.All() {
		if !m.contains(p) || m.reusable(p) {
			free.Add(p)
		}
	}
	return free
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

// countAged counts the ports in TIME_WAIT that connect() takes over if their
// connection had timestamps.
func (m met) countAged(usable *port.Set) int {
	n := 0
	for _, g := range m {
		if g.reuses {
			n += g.Aged.CountIn(usable)
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
// even number, and the scan misses one end. bind() with SO_REUSEADDR scans the two
// halves of the range apart, the lower one of even length
// (inet_csk_find_open_port).
func (r *rules) parityBound(binder *Asker, free func(uint16) bool) int {
	if !r.ends.SameParity() {
		return 0
	}
	if free(r.ends.Low) || free(r.ends.High) || binder != nil && binder.Reuse && free(r.half()) {
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

// orphaned counts the ports in FIN_WAIT_2 that no process holds. It goes by port, as
// a socket that processes share counts for each of its owners.
func (r *rules) orphaned(m met, usable *port.Set) int {
	if r.ns.Holdings == nil {
		return 0
	}
	n := 0
	for i, g := range m {
		held := r.ns.Holdings.Held[g.tuple]
		for j := range g.States {
			if in := &g.States[j]; in.State == port.FinWait2 {
				n += countWhere(&in.Ports, usable, func(p uint16) bool {
					return (held == nil || !held.Contains(p)) && !m[:i].contains(p)
				})
			}
		}
	}
	return n
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

// inUse counts the connections on ports that connect() may draw.
func (r *rules) inUse() int {
	n := 0
	for tuple, usage := range r.ns.Usage.Tuples {
		n += usage.CountIn(r.field(r.ns.Usage.L3Mdev(tuple.Device)).usable)
	}
	return n
}

// outside counts the connections whose connect-held port lies out of the
// range: opened under another range, they keep their ports until they close.
func (r *rules) outside() int {
	n, elsewhere := 0, map[uint32]*port.Set{}
	for tuple, usage := range r.ns.Usage.Tuples {
		l3mdev := r.ns.Usage.L3Mdev(tuple.Device)
		if elsewhere[l3mdev] == nil {
			elsewhere[l3mdev] = r.elsewhere(l3mdev)
		}
		n += usage.CountIn(elsewhere[l3mdev])
	}
	return n
}

// elsewhere are the ports out of the range that are not bind-held.
func (r *rules) elsewhere(l3mdev uint32) *port.Set {
	set := port.Range{Low: 1, High: math.MaxUint16}.Set()
	set.Subtract(r.ns.Settings.Range.Set())
	set.Subtract(&r.ns.Usage.Of(l3mdev).BindHeld)
	return set
}

// takenShare is the share of a pool that is taken; one without ports is full.
func takenShare(taken, size int) float64 {
	if size == 0 {
		return 1
	}
	return float64(taken) / float64(size)
}

// ratio is [takenShare] rounded to three digits, to be shown: against a mark it
// would come too early.
func ratio(taken, size int) float64 { return math.Round(takenShare(taken, size)*1000) / 1000 }
