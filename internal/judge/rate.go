package judge

import (
	"math"
	"slices"
	"time"

	"portrange/internal/host"
	"portrange/internal/port"
)

// Rate is how fast one pool was drawn on between two looks.
type Rate struct {
	Pool Pool // as it is at the second look
	// PerSecond counts the connections that were new at the second look. Those
	// opened and gone in between, TIME_WAIT included, are not among them, nor those
	// that took a port over from TIME_WAIT and left it there again: of these it has as
	// many as [Closing] shows and the kernel has opened.
	PerSecond float64
	// ClosedHere is how many connections a second this side closed first, each of
	// which leaves a port in TIME_WAIT. It is no more than PerSecond: when many
	// that were opened long before end at once, that does not go on.
	ClosedHere float64
	// Growth is by how many ports a second Left shrank; negative where it grew.
	Growth float64
	// Ceiling is the highest ClosedHere that the pool can sustain: each such
	// connection keeps its port for as long as Kept. It is 0 where no port is in
	// TIME_WAIT, as then the other side closes first.
	Ceiling float64
	Kept    time.Duration
	// Settled is how many ports TIME_WAIT holds at ClosedHere once the first of
	// them expire; 0 where none is in it.
	Settled float64
	// ToWall is how long Left lasts at this pace, TIME_WAIT growing no further
	// than Settled; 0 where it does not run out.
	ToWall time.Duration
}

// Closeness is ClosedHere as a share of its ceiling, 0 where there is none. It is
// rounded so that 850 a minute of 1000 are 0.85, and not the last bit less.
func (r *Rate) Closeness() float64 {
	if r.Ceiling == 0 {
		return 0
	}
	return math.Round(1e6*r.ClosedHere/r.Ceiling) / 1e6
}

// LevelsOff reports whether the ports in TIME_WAIT still grow, and stop doing so
// below the ceiling.
func (r *Rate) LevelsOff() bool {
	waiting := r.Pool.In(port.TimeWait)
	return waiting > 0 && r.Settled > float64(waiting) && r.Closeness() < 1
}

// Rates compares two looks at one namespace and tells of the pools with new
// connections or fewer ports left, in no certain order.
func Rates(earlier, now *host.Namespace, elapsed time.Duration) []Rate {
	if elapsed <= 0 {
		return nil
	}
	before, after, seconds := newRules(earlier), newRules(now), elapsed.Seconds()
	var rates []Rate
	for _, pool := range after.pools() {
		rates = append(rates, after.turnover(pool, before, seconds))
	}
	addTakenOver(rates, now, unseen(rates, earlier, now, seconds))
	for i := range rates {
		r := &rates[i]
		earlier := before.pool(r.Pool.Tuple)
		r.sustain(now)
		r.ToWall = r.wall(float64(r.Pool.open()-earlier.open()) / seconds)
	}
	return slices.DeleteFunc(rates, func(r Rate) bool { return r.PerSecond <= 0 && r.Growth <= 0 })
}

// unseen is how many connections a second the kernel opened besides those that two
// looks show; infinite where it was not asked.
func unseen(rates []Rate, earlier, now *host.Namespace, seconds float64) float64 {
	if earlier.Opened == nil || now.Opened == nil {
		return math.Inf(1)
	}
	rest := float64(*now.Opened-*earlier.Opened) / seconds
	for i := range rates {
		rest -= rates[i].PerSecond
	}
	return max(0, rest)
}

// addTakenOver adds the connections that no two looks show, as they begin and end on
// a port that is in TIME_WAIT at both: together no more than rest a second.
func addTakenOver(rates []Rate, now *host.Namespace, rest float64) {
	more, all := make([]float64, len(rates)), 0.0
	for i := range rates {
		more[i] = max(0, Closing(now, &rates[i].Pool)-rates[i].PerSecond)
		all += more[i]
	}
	for i := range rates {
		if r := &rates[i]; more[i] > 0 {
			r.PerSecond += more[i] * min(1, rest/all)
			r.ClosedHere = r.PerSecond
		}
	}
}

// shortestDelay is the shortest in which the connections closed tell a rate, and not
// a moment.
const shortestDelay = 100 * time.Millisecond

// Closing is how many connections a second a pool shows this side to close first,
// where connect() takes ports over from TIME_WAIT: those that it may not take yet were
// closed within the delay. It is 0 where none is taken over.
func Closing(ns *host.Namespace, pool *Pool) float64 {
	usage, kept := ns.Usage.Tuples[pool.Tuple], Kept(ns, pool.Tuple)
	if usage == nil || kept >= port.TimeWaitLength || kept < shortestDelay {
		return 0
	}
	usable := newRules(ns).field(ns.Usage.L3Mdev(pool.Tuple.Device)).usable
	young := pool.In(port.TimeWait) - pool.Reusable - usage.Aged.CountIn(usable) - usage.Unstamped.CountIn(usable)
	return max(0, float64(young)/kept.Seconds())
}

// turnover is what two looks at a pool show.
func (r *rules) turnover(pool Pool, before *rules, seconds float64) Rate {
	earlier := before.pool(pool.Tuple)
	turnover := Compare(before.ns.Usage.Tuples[pool.Tuple], r.ns.Usage.Tuples[pool.Tuple], r.field(r.ns.Usage.L3Mdev(pool.Tuple.Device)).usable)
	return Rate{
		Pool: pool, PerSecond: float64(turnover.Opened) / seconds,
		ClosedHere: float64(min(turnover.Opened, turnover.ClosedHere)) / seconds,
		Growth:     float64(earlier.Left-pool.Left) / seconds,
	}
}

// sustain tells what TIME_WAIT allows.
func (r *Rate) sustain(ns *host.Namespace) {
	if r.Pool.In(port.TimeWait) > 0 {
		r.Kept = Kept(ns, r.Pool.Tuple)
		r.Ceiling = float64(r.Pool.Size) / r.Kept.Seconds()
		r.Settled = r.ClosedHere * r.Kept.Seconds()
	}
}

// open is how many ports of the pool are in use and not in TIME_WAIT.
func (p *Pool) open() int { return p.Used - p.In(port.TimeWait) }

// wall is the time to a full pool, where so many ports a second more are open.
// After a start the ports in TIME_WAIT grow, and no longer than the first of
// them takes to expire: that alone fills no pool below the ceiling.
func (r *Rate) wall(opening float64) time.Duration {
	if r.Growth <= 0 {
		return 0
	}
	left := float64(r.Pool.Left)
	waiting := r.Pool.Used - r.Pool.open() - r.Pool.Reusable
	switch room := left - max(0, r.Settled-float64(waiting)); {
	case room <= 0:
		return wallIn(left / r.Growth)
	case opening <= 0:
		return 0
	default:
		return wallIn(room / opening)
	}
}

// wallIn is never 0, which would say that there is no wall.
func wallIn(seconds float64) time.Duration {
	return max(time.Nanosecond, time.Duration(min(seconds, math.MaxInt32)*float64(time.Second)))
}
