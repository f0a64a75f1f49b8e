package simulate

import (
	"errors"
	"fmt"
	"math"
	"time"

	"portrange/internal/capacity"
	"portrange/internal/port"
)

// Bounds keep a simulation short and small.
type Bounds struct {
	// Ports are in use at most, all tuples together.
	Ports int
	// Rate is new connections per second, all tuples together.
	Rate float64
	// Tuples are simulated at most. They are alike, so few tell as much as many.
	Tuples int
}

// DefaultBounds are those of the command line: some 3 s to fill the pools, 3 s
// to watch them, and a third of one processor.
var DefaultBounds = Bounds{Ports: 10000, Rate: 3000, Tuples: 16}

// Run is a planned load scaled down to what a simulation carries. Scaled are the
// ports, with the load and the range by the same factor, and time, so that all
// parts of a connection's life keep their proportions.
type Run struct {
	// TimeScale and PortScale are simulated / planned.
	TimeScale float64 `json:"time_scale" doc:"simulated / planned time"`
	PortScale float64 `json:"port_scale" doc:"simulated / planned ports"`
	// Tuples are the pools simulated, of the Plan's.
	Tuples int `json:"tuples" doc:"tuples simulated"`
	// TupleRate is new connections per second for each.
	TupleRate float64 `json:"tuple_rate" doc:"new connections per second for each"`
	// Hold is for how many seconds a connection is open, Lingers for how many
	// more its port stays withheld.
	Hold    float64 `json:"hold_seconds" doc:"how long a connection is open"`
	Lingers float64 `json:"lingers_seconds" doc:"for how long its port is withheld thereafter"`
	Low     uint16  `json:"low" doc:"lowest port of the simulated range"`
	High    uint16  `json:"high" doc:"highest port"`
	Usable  int     `json:"usable" doc:"ports connect() may draw on for each tuple"`
	// Stands is what stands in for TIME_WAIT; see the constants.
	Stands StandIn `json:"time_wait" doc:"kernel (its own, with a scaled tcp_tw_reuse_delay), emulated (by connections that stay open as long) or not_needed"`

	withheld *port.Set
}

// StandIn is what withholds a port after its connection was closed.
type StandIn string

// The stand-ins.
const (
	// Nothing lingers: the listener closes first.
	NotNeeded StandIn = "not_needed"
	// Kernel: TIME_WAIT itself, with a tcp_tw_reuse_delay scaled like time,
	// and set anew where the machine cannot keep up with the run.
	Kernel StandIn = "kernel"
	// Emulated: the connection stays open for as long as TIME_WAIT, whose 60 s
	// cannot be scaled, would withhold its port, and is then reset.
	Emulated StandIn = "emulated"
)

// headroom keeps the peak of a load below the bound that its mean was scaled to.
const headroom = 0.9

// shortestBlock is for how many seconds a simulated connection withholds its port
// at least, so that the time connect() takes does not matter.
const shortestBlock = 0.3

// Scale finds a run for the plan within bounds. hasDelay says that the kernel
// has tcp_tw_reuse_delay.
func Scale(plan *capacity.Plan, bounds Bounds, hasDelay bool) (*Run, error) {
	load := &plan.Load
	if load.ClientCloses != 0 && load.ClientCloses != 1 {
		return nil, errors.New("simulate a load: want one side that always closes first, client or server")
	}
	most := headroom * float64(bounds.Ports)
	tuples := max(1, min(plan.Tuples, bounds.Tuples, int(most/plan.Mean)))
	r := &Run{Tuples: tuples, PortScale: min(1, most/plan.Mean)}
	mean := plan.Mean * r.PortScale
	block := max(mean*float64(tuples)/bounds.Rate, min(plan.Blocks, shortestBlock))
	r.TimeScale = block / plan.Blocks
	r.TupleRate = mean / block
	r.Hold = load.Hold * r.TimeScale
	lingers := load.Lingers() * r.TimeScale
	switch {
	case load.ClientCloses == 0:
		r.Stands = NotNeeded
	case load.Reuses() && hasDelay: // tcp_tw_reuse_delay is set in milliseconds
		r.Stands, r.Lingers = Kernel, max(1, math.Round(lingers*1000))/1000
	default:
		r.Stands, r.Lingers = Emulated, lingers
	}
	planned := plan.Ports.Range
	r.Low, r.High, r.Usable, r.withheld = planned.Low, planned.High, plan.Pool.Usable, plan.Ports.Withheld()
	if r.PortScale < 1 { // a range as large as the share of usable ports, with nothing withheld from it
		r.Usable = max(2, 2*int(math.Round(float64(plan.Pool.Usable)*r.PortScale/2)))
		r.Low = min(r.Low, uint16(65536-r.Usable))
		r.High, r.withheld = r.Low+uint16(r.Usable-1), &port.Set{}
	}
	if r.Low == 1 && r.High == 65535 {
		return nil, fmt.Errorf("simulate a load in the range %v: it leaves no port for a listener", planned)
	}
	return r, nil
}

// listenerPort is a port outside the range, as one inside would be withheld from it.
func (r *Run) listenerPort() int {
	if r.Low > 1 {
		return int(r.Low) - 1
	}
	return int(r.High) + 1
}

// block is how long a connection withholds its port.
func (r *Run) block() time.Duration { return seconds(r.Hold + r.Lingers) }

// mean is the number of ports of one tuple withheld on average, if there were enough.
func (r *Run) mean() float64 { return r.TupleRate * (r.Hold + r.Lingers) }

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
