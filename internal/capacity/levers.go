package capacity

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"

	"portrange/internal/judge"
	"portrange/internal/port"
)

// LeverName names something that can be changed to make a load fit.
type LeverName string

// The levers, the easiest first: two settings of the host, then what concerns
// the software and its surroundings.
const (
	LeverRange        LeverName = "range"
	LeverTWReuse      LeverName = "tcp_tw_reuse"
	LeverKeepAlive    LeverName = "keep-alive"
	LeverSources      LeverName = "sources"
	LeverDestinations LeverName = "destinations"
	LeverCloses       LeverName = "closes"
)

// Lever is one thing to change, alone, everything else as planned.
type Lever struct {
	Name LeverName `json:"lever" doc:"range, tcp_tw_reuse, keep-alive (requests per connection), sources, destinations or closes"`
	// Now is the planned value.
	Now string `json:"now" doc:"planned value"`
	// Fit makes ports enough; nil where they are. Fast also keeps the need
	// below the half.
	Fit  *Change `json:"to_fit" doc:"least change with which ports are enough; null where they are"`
	Fast *Change `json:"to_stay_fast" doc:"least change with which needed <= half"`
	// Note says what the lever means and what it asks for.
	Note string `json:"note" doc:"what the lever means and what it asks for"`
}

// Change is the least value of a lever that does.
type Change struct {
	// Possible is false where no value does.
	Possible bool `json:"possible" doc:"whether any value does"`
	// Value is the new value in the form of the flag or setting, or the nearest
	// that can be had where that is not enough.
	Value string `json:"value,omitempty" doc:"the least that does, else the nearest to it; absent where the lever changes nothing"`
	// Needed are the ports each tuple then needs, Share of the ports it then has.
	Needed int     `json:"needed" doc:"ports each tuple then needs"`
	Share  float64 `json:"share" doc:"needed / the ports each tuple then has"`
	// Reserve are the listeners in the new range that are to be reserved before
	// it is set, in the kernel's list form.
	Reserve string `json:"reserve,omitempty" doc:"listeners in the new range to be reserved before, in the kernel's form; absent for none"`
}

// levers are the least changes for the load; none where it fits.
func (p *Plan) levers() []Lever {
	list := []Lever{}
	if p.Verdict == Fits {
		return list
	}
	neverClosed := Needed(p.TupleRate*p.Load.Hold, p.Confidence)
	noteKeepAlive := fmt.Sprintf("requests over each connection, one after the other; "+
		"a pool that never closes takes %d connections to each destination", neverClosed)
	for _, lever := range []struct {
		Lever
		change func(ports int, enough func(judge.Count) bool) *Change
	}{
		{Lever{Name: LeverRange, Now: p.Ports.Range.String(), Note: noteRange}, p.widened},
		{Lever{Name: LeverTWReuse, Now: strconv.Itoa(p.Load.TWReuse), Note: noteTWReuse}, p.reusing},
		{Lever{Name: LeverKeepAlive, Now: "1", Note: noteKeepAlive}, p.keptAlive},
		{Lever{Name: LeverSources, Now: strconv.Itoa(p.Load.Sources), Note: noteSources}, p.moreSources},
		{Lever{Name: LeverDestinations, Now: strconv.Itoa(p.Load.Destinations), Note: noteDestinations}, p.moreDestinations},
		{Lever{Name: LeverCloses, Now: closesText(p.Load.ClientCloses), Note: noteCloses}, p.closedByServer},
	} {
		fast := func(pool judge.Count) bool { return verdictOf(pool, p.Needed) == Fits }
		lever.Fast = lever.change(p.Pool.Half, fast)
		if p.Verdict == Short {
			enough := func(pool judge.Count) bool { return verdictOf(pool, p.Needed) != Short }
			lever.Fit = lever.change(p.Pool.Usable, enough)
		}
		list = append(list, lever.Lever)
	}
	return list
}

const (
	noteRange        = "net.ipv4.ip_local_port_range; on a Kubernetes node reserve 30000-32767 first"
	noteTWReuse      = "1 lets connect() take over a port in TIME_WAIT after tcp_tw_reuse_delay; needs TCP timestamps on both ends"
	noteSources      = "local addresses that share the load; bind() to them with IP_BIND_ADDRESS_NO_PORT"
	noteDestinations = "address:port pairs that share the load; another port of the same server counts"
	noteCloses       = "the side that closes first has the TIME_WAIT; on the server it takes no port of the range"
)

// Least is the lever to take, and its change: the easiest that keeps the load below the
// half, where a wider range that comes over the ports of services (NodePorts, below
// 32768) counts as harder than a setting or keep-alive. Where none does, it is the one
// that makes the load fit with most room: one at the wall fails with the next burst.
func (p *Plan) Least() (Lever, Change, bool) {
	inTheWay := func(l Lever) bool { return l.Name == LeverRange && p.reachesServices() }
	easiest := slices.SortedStableFunc(slices.Values(p.Levers), func(a, b Lever) int {
		return cmp.Compare(a.harm(inTheWay(a)), b.harm(inTheWay(b)))
	})
	for _, lever := range easiest {
		if lever.Fast.Possible {
			return lever, *lever.Fast, true
		}
	}
	var least Lever
	for _, lever := range easiest {
		if lever.Fit != nil && lever.Fit.Possible && (least.Fit == nil || lever.Fit.Share < least.Fit.Share) {
			least = lever
		}
	}
	if least.Fit == nil {
		return Lever{}, Change{}, false
	}
	return least, *least.Fit, true
}

// harm orders levers for [Plan.Least]: 0 for a range that is in nobody's way and for
// the settings and programs next in order, 1 for one that is, 2 for what needs others.
func (l *Lever) harm(inTheWay bool) int {
	switch {
	case inTheWay:
		return 1
	case l.Name == LeverRange || l.Name == LeverTWReuse || l.Name == LeverKeepAlive:
		return 0
	}
	return 2
}

// reachesServices reports whether the range that keeps the load below the half goes
// lower than the kernel's default, and than the planned one.
func (p *Plan) reachesServices() bool {
	wider, _ := p.Ports.Widen(func(pool judge.Count) bool { return verdictOf(pool, p.Needed) == Fits })
	return wider.Range.Low < min(port.DefaultRange.Low, p.Ports.Range.Low)
}

func (p *Plan) widened(_ int, enough func(judge.Count) bool) *Change {
	wider, found := p.Ports.Widen(enough)
	return &Change{
		Possible: found, Value: wider.Range.String(), Reserve: wider.Unreserved().String(),
		Needed: p.Needed, Share: share(p.Needed, wider.Count().Usable),
	}
}

// reusing switches reuse on where it does not apply yet.
func (p *Plan) reusing(ports int, _ func(judge.Count) bool) *Change {
	load := p.Load
	load.TWReuse, load.NoTimestamps = 1, false
	value := "1"
	if p.Load.NoTimestamps {
		value += ", tcp_timestamps 1"
	}
	return p.altered(load, ports, value, p.Load.ClientCloses > 0 && !p.Load.Reuses())
}

func (p *Plan) closedByServer(ports int, _ func(judge.Count) bool) *Change {
	load := p.Load
	load.ClientCloses = 0
	return p.altered(load, ports, closesText(0), p.Load.ClientCloses > 0)
}

// keptAlive sends several requests over each connection, which is open longer by
// as much, but lingers once for all of them.
func (p *Plan) keptAlive(ports int, _ func(judge.Count) bool) *Change {
	busy, lingering := p.TupleRate*p.Load.Hold, p.TupleRate*p.Load.ClientCloses*p.Load.Lingers()
	room := maxMean(ports, p.Confidence) - busy
	if room <= 0 || lingering == 0 {
		return &Change{Needed: Needed(busy, p.Confidence), Share: share(Needed(busy, p.Confidence), p.Pool.Usable)}
	}
	requests := math.Ceil(lingering / room)
	return p.change(busy+lingering/requests, ports, strconv.FormatFloat(requests, 'f', 0, 64), true)
}

func (p *Plan) moreSources(ports int, _ func(judge.Count) bool) *Change {
	load := p.Load
	load.Sources = p.multiplied(ports, load.Destinations)
	return p.altered(load, ports, strconv.Itoa(load.Sources), true)
}

func (p *Plan) moreDestinations(ports int, _ func(judge.Count) bool) *Change {
	load := p.Load
	load.Destinations = p.multiplied(ports, load.Sources)
	return p.altered(load, ports, strconv.Itoa(load.Destinations), true)
}

// multiplied is how many of one kind make enough tuples together with others of
// the other kind.
func (p *Plan) multiplied(ports, others int) int {
	total := p.Mean * float64(p.Tuples)
	return ceil(total / maxMean(ports, p.Confidence) / float64(others))
}

func (p *Plan) altered(load Load, ports int, value string, changes bool) *Change {
	return p.change(load.Mean(), ports, value, changes)
}

// change judges one value of a lever. One that changes nothing is not possible.
func (p *Plan) change(mean float64, ports int, value string, changes bool) *Change {
	needed := Needed(mean, p.Confidence)
	change := &Change{Possible: changes && needed <= ports, Needed: needed, Share: share(needed, p.Pool.Usable)}
	if changes {
		change.Value = value
	}
	return change
}

// closesText names the side that closes first.
func closesText(client float64) string {
	switch client {
	case 0:
		return "server"
	case 1:
		return "client"
	}
	return fmt.Sprintf("client %.0f%%", client*100)
}

func ceil(x float64) int { return int(math.Ceil(x)) }
