package simulate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/kernel/sockdiag"
	"portrange/internal/kernel/sysctl"
	"portrange/internal/port"
)

// looks is how often the kernel's sockets are counted while a run is watched. A
// look walks the sockets of the whole host, of which there may be many.
const looks = 10

// play is a run on its way. Everything happens one after the other on one
// thread, in the order of the run's own clock.
type play struct {
	*Run
	random *rand.Rand
	clock  clock

	listener end
	live     []life // ordered by their end, as all lives are equally long
	diag     *sockdiag.Reader
	delay    time.Duration // tcp_tw_reuse_delay in force

	connects, failures []time.Duration
	peak, looks        int
}

// life is one connection.
type life struct {
	connection
	ends time.Duration
}

func (p *play) perform(ctx context.Context) error {
	if err := apply(p.settings()); err != nil {
		return err
	}
	var err error
	if p.listener, err = listen(&unix.SockaddrInet4{Port: p.listenerPort()}); err != nil {
		return err
	}
	defer func() {
		for _, l := range p.live {
			_ = l.drop() // the namespace goes; what the kernel says of single sockets is no news
		}
		p.listener.close()
	}()
	p.diag = sockdiag.New()
	p.clock.start(seconds(p.Lingers))
	return p.pass(ctx)
}

// settings are the planned ones. Whether tcp_tw_reuse applies is settled
// already: on loopback, where the run takes place, its value 2 would mean 1.
func (p *play) settings() []setting {
	list := []setting{
		{port.KeyRange, port.Range{Low: p.Low, High: p.High}.String()},
		{port.KeyReserved, p.withheld.String()},
		{keyBacklog, strconv.Itoa(backlog)},
		{port.KeyTimestamps, "1"},
	}
	if p.Low < firstUnprivileged {
		list = append([]setting{{port.KeyUnprivilegedStart, strconv.Itoa(int(p.Low))}}, list...)
	}
	if p.Stands == Kernel {
		return append(list, setting{port.KeyTWReuse, strconv.Itoa(judge.ReuseOn)},
			setting{port.KeyMaxTWBuckets, strconv.Itoa(8 * math.MaxUint16)})
	}
	// Without TIME_WAIT, the listener's closed ends do not pile up.
	return append(list, setting{port.KeyTWReuse, strconv.Itoa(judge.ReuseOff)}, setting{port.KeyMaxTWBuckets, "0"})
}

// pass fills the pools for one blocked time and watches them for another.
func (p *play) pass(ctx context.Context) error {
	watch := p.block()
	arrival, look := p.gap(), watch
	for {
		closing := time.Duration(math.MaxInt64) // when the oldest connection ends
		if len(p.live) > 0 {
			closing = p.live[0].ends
		}
		next := min(arrival, look, closing)
		if next >= 2*watch {
			return nil
		}
		if err := errors.Join(p.clock.wait(ctx, next), p.keepDelay()); err != nil {
			return err
		}
		var err error
		switch {
		case next == closing:
			err = p.end()
		case next == arrival:
			err = p.arrive(arrival, arrival >= watch)
			arrival += p.gap()
		default:
			err = p.look(ctx)
			look += watch / looks
		}
		if err != nil {
			return err
		}
	}
}

// keepDelay has tcp_tw_reuse_delay follow the run's clock: the kernel looks at
// the setting when it searches a port, so a change holds for all of TIME_WAIT.
func (p *play) keepDelay() error {
	if p.Stands != Kernel {
		return nil
	}
	delay := min(p.clock.realLinger().Round(time.Millisecond), port.TimeWaitLength)
	if delay == p.delay {
		return nil
	}
	p.delay = delay
	return sysctl.Set(port.KeyTWReuseDelay, strconv.FormatInt(delay.Milliseconds(), 10))
}

// gap is the time to the next arrival.
func (p *play) gap() time.Duration {
	return seconds(p.random.ExpFloat64() / (p.TupleRate * float64(p.Tuples)))
}

func (p *play) arrive(now time.Duration, watched bool) error {
	tuple := p.random.IntN(p.Tuples)
	to := &unix.SockaddrInet4{Addr: [4]byte{127, 2, byte(tuple >> 8), byte(tuple)}, Port: p.listenerPort()}
	made, took, err := open(p.listener, clientAddress, to)
	switch {
	case errors.Is(err, unix.EADDRNOTAVAIL):
		if watched {
			p.failures = append(p.failures, took)
		}
		return nil
	case err != nil:
		return fmt.Errorf("with %d connections open: %w", len(p.live), err)
	case watched:
		p.connects = append(p.connects, took)
	}
	ends := now + seconds(p.Hold)
	if p.Stands == Emulated {
		ends = now + p.block()
	}
	p.live = append(p.live, life{made, ends})
	return nil
}

// end closes the oldest connection.
func (p *play) end() error {
	oldest := p.live[0]
	p.live = p.live[1:]
	switch p.Stands {
	case Emulated:
		return oldest.drop()
	case Kernel:
		return closeBy(oldest.client, oldest.server)
	}
	return closeBy(oldest.server, oldest.client)
}

// clientAddress is where all connections come from. The tuples differ by their
// destination, which for the search of a port is as good as by source. Loopback
// addresses need no setting up.
var clientAddress = &unix.SockaddrInet4{Addr: [4]byte{127, 1, 0, 1}}

// look counts the ports that each tuple's sockets withhold from connect() now.
func (p *play) look(ctx context.Context) error {
	withheld := map[port.Tuple]*port.Set{}
	var gaps host.Gaps
	sockets := p.diag.Sockets(ctx, &gaps)
	for s := range sockets.All() {
		// All sockets of the run have timestamps, so connect() may take these over.
		reusable := p.Stands == Kernel && s.State == port.TimeWait && s.Quiet > p.delay
		if s.Remote.Port() != uint16(p.listenerPort()) || reusable {
			continue
		}
		if withheld[s.Tuple()] == nil {
			withheld[s.Tuple()] = &port.Set{}
		}
		withheld[s.Tuple()].Add(s.Local.Port())
	}
	if err := sockets.Err(); err != nil {
		return fmt.Errorf("count ports: %w", err)
	}
	if missed := gaps.List(); len(missed) > 0 {
		return fmt.Errorf("count ports: read %s: %s", missed[0].What(), missed[0].Why)
	}
	for _, ports := range withheld {
		p.peak = max(p.peak, ports.Len())
	}
	p.looks++
	return nil
}
