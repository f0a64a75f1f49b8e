package simulate

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"portrange/internal/judge"
	"portrange/internal/port"
)

// The number of ports that [ConnectCost] can fill.
const (
	MinCostPorts = 1000
	MaxCostPorts = 64000
)

// costSteps is the number of steps in which a pool is filled.
const costSteps = 40

// failingCalls is how often connect() is asked when no port is left.
const failingCalls = 50

// costPort is the listener's port, below every range that is measured.
const costPort = 1500

// fillTime bounds the filling: after TIME_WAIT the first ports come back.
const fillTime = 55 * time.Second

// Fill is the state of the sockets that a pool is filled with.
type Fill string

// The fills. Since Linux 6.15 a search passes over an established connection
// without taking a lock, but not over one in TIME_WAIT
// (__inet_check_established, net/ipv4/inet_hashtables.c).
const (
	// Established takes an open file for each port, and as much memory as two
	// connections.
	Established Fill = "established"
	// TimeWait takes neither; it must be done in less than 55 s.
	TimeWait Fill = "time_wait"
)

// ConnectCosts is what connect() costs while a pool fills.
type ConnectCosts struct {
	// Ports is the size of the pool.
	Ports int    `json:"ports" doc:"size of the pool"`
	Fill  Fill   `json:"fill" doc:"established or time_wait"`
	Steps []Cost `json:"steps" doc:"steps of filling, in order"`
	// Failing is the cost of the calls that found no port.
	Failing Latency `json:"failing"`
}

// Cost is the latency of connect() over one step of filling.
type Cost struct {
	// From and To are the shares of the pool in use before and after the step.
	From float64 `json:"from" doc:"share of the pool in use before the step"`
	To   float64 `json:"to" doc:"share of the pool in use after it"`
	Latency
}

// ConnectCost measures how long a successful connect() takes at each share of a
// pool in use, and how long one that finds no port. It fills a pool of that many
// ports, an even number from [MinCostPorts] to [MaxCostPorts], in a private
// network namespace, which takes root or CAP_SYS_ADMIN. The time it takes grows
// with the square of the ports: for 10,000 of them a few seconds.
func ConnectCost(ctx context.Context, ports int, fill Fill) (*ConnectCosts, error) {
	costs := &ConnectCosts{Ports: ports, Fill: fill}
	if err := costs.check(); err != nil {
		return nil, fmt.Errorf("measure connect() with %d ports: %w", ports, err)
	}
	if err := privately(func() error { return costs.measure(ctx) }); err != nil {
		return nil, fmt.Errorf("measure connect() with %d ports: %w", ports, err)
	}
	return costs, nil
}

func (c *ConnectCosts) check() error {
	if c.Ports < MinCostPorts || c.Ports > MaxCostPorts || c.Ports%2 != 0 {
		return fmt.Errorf("want an even number from %d to %d", MinCostPorts, MaxCostPorts)
	}
	if c.Fill != Established {
		return nil
	}
	files, err := openFiles()
	if err == nil && files < c.Ports {
		err = fmt.Errorf("a process may have %d files open; ask for fewer ports or raise the limit (ulimit -n)", files)
	}
	return err
}

func (c *ConnectCosts) measure(ctx context.Context) error {
	low := min(int(port.DefaultRange.Low), 65536-c.Ports) // the default low end where that goes
	err := apply([]setting{
		{port.KeyRange, port.Range{Low: uint16(low), High: uint16(low + c.Ports - 1)}.String()},
		{port.KeyTWReuse, strconv.Itoa(judge.ReuseOff)},
		{port.KeyMaxTWBuckets, strconv.Itoa(2 * MaxCostPorts)},
		{keyBacklog, strconv.Itoa(backlog)},
	})
	if err != nil {
		return err
	}
	to := &unix.SockaddrInet4{Port: costPort, Addr: [4]byte{127, 0, 0, 1}}
	listener, err := listen(to)
	if err != nil {
		return err
	}
	defer listener.close()
	p := &pool{listener: listener, to: to, size: c.Ports, fill: c.Fill}
	defer func() {
		for _, client := range p.open {
			client.close()
		}
	}()
	times, err := p.fillUp(ctx)
	if err != nil {
		return err
	}
	c.Steps = stepsOf(times)
	times, err = p.overfill(ctx)
	c.Failing = latencyOf(times)
	return err
}

// pool is the ports towards one listener, being filled.
type pool struct {
	listener end
	to       *unix.SockaddrInet4
	size     int
	fill     Fill
	open     []end
}

// fillUp takes all ports and tells how long each connect() took.
func (p *pool) fillUp(ctx context.Context) ([]time.Duration, error) {
	begin := time.Now()
	times := make([]time.Duration, 0, p.size)
	for len(times) < p.size {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if p.fill == TimeWait && time.Since(begin) > fillTime {
			return nil, fmt.Errorf("only %d were filled in %v, when TIME_WAIT ends: ask for fewer", len(times), fillTime)
		}
		took, err := p.takeOne()
		if err != nil {
			return nil, fmt.Errorf("with %d in use: %w", len(times), err)
		}
		times = append(times, took)
	}
	return times, nil
}

// takeOne takes one port. The server's end of an established connection stays in
// the listener's queue, where it needs no open file.
func (p *pool) takeOne() (time.Duration, error) {
	if p.fill == Established {
		client, took, err := dial(anyAddress, p.to)
		if err == nil {
			p.open = append(p.open, client)
		}
		return took, err
	}
	made, took, err := open(p.listener, anyAddress, p.to)
	if err != nil {
		return 0, err
	}
	return took, closeBy(made.client, made.server)
}

// overfill asks for ports that are not there, and tells how long that took.
func (p *pool) overfill(ctx context.Context) ([]time.Duration, error) {
	var times []time.Duration
	for range failingCalls {
		client, took, err := dial(anyAddress, p.to)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err == nil:
			client.close()
			return nil, errors.New("a port of the full pool was free again: it took too long, ask for fewer ports")
		case !errors.Is(err, unix.EADDRNOTAVAIL):
			return nil, fmt.Errorf("with no port left: %w", err)
		}
		times = append(times, took)
	}
	return times, nil
}

// stepsOf cuts the times of the calls that filled a pool into steps.
func stepsOf(times []time.Duration) []Cost {
	steps := make([]Cost, costSteps)
	for i := range steps {
		from, to := i*len(times)/costSteps, (i+1)*len(times)/costSteps
		steps[i] = Cost{From: share(from, len(times)), To: share(to, len(times)), Latency: latencyOf(times[from:to])}
	}
	return steps
}

func share(part, whole int) float64 { return float64(part) / float64(whole) }
