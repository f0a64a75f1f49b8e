package sockiter

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/cilium/ebpf/link"

	"portrange/internal/host"
	"portrange/internal/port"
)

// The bits of record.flags in record.h.
const (
	flagFamily6 = 1 << iota
	flagV6Only
	flagMini
	flagStamped
	flagCoarse
	flagShared
	flagChosen
)

// The bits of record.options in record.h.
const (
	optionReuse = 1 << iota
	optionReusePort
)

// Sockets yields the TCP sockets, then the UDP sockets of the network
// namespace that the calling thread is in when the walk begins. The caller
// keeps the thread locked until then.
//
// What holds no port or is idle depends on where TCP sockets are read: see
// [Programs.HasTable]. Where that is the table, the stream tells in walked, which
// may be nil, how the walk went. The kernel tells no UID of a timewait socket: it
// is 0. Sockets that come, go or change their address meanwhile are seen or not.
// One that becomes a timewait socket can be seen as both, and any other twice. No
// second walk may wait for the loop over the first.
//
// Any error ends the walk. So does cancelling ctx, after the read that is under
// way.
func (p *Programs) Sockets(ctx context.Context, walked *host.Walk) *host.Stream[port.Socket] {
	if p.binds == nil {
		return p.Iterate(ctx)
	}
	return p.stream(ctx, func(yield func(port.Socket) bool) error {
		records := p.binds.records(ctx)
		defer func() { records.report(walked) }()
		return visitBound(records, yield)
	})
}

// Iterate is [Programs.Sockets] without the table, for when the walk of that has
// failed.
func (p *Programs) Iterate(ctx context.Context) *host.Stream[port.Socket] {
	return p.stream(ctx, func(yield func(port.Socket) bool) error {
		tcp, err := p.iterator()
		if err != nil {
			return err
		}
		return p.visitSockets(ctx, tcp, yield)
	})
}

// stream yields the TCP sockets that the function visits, and those of UDP.
func (p *Programs) stream(ctx context.Context, tcp func(yield func(port.Socket) bool) error) *host.Stream[port.Socket] {
	return host.NewStream(func(yield func(port.Socket) bool) error {
		p.walks.Add(1)
		defer p.walks.Done()
		err := tcp(yield)
		if err == nil {
			err = p.visitSockets(ctx, p.udp, yield)
		}
		if err != nil && err != errStop {
			return fmt.Errorf("read sockets through BPF: %w", err)
		}
		return nil
	})
}

// HasTable reports whether TCP sockets are read from the table of bind buckets.
// It has those that are bound but neither connected nor listening, as
// [port.BoundInactive], and no request sockets, which hold no port. The kernel's
// iterator has it the other way round: it does not visit the first, and gives
// the second as [port.SynRecv] with [port.NotHeld].
func (p *Programs) HasTable() bool { return p.binds != nil }

func visitBound(records *records, yield func(port.Socket) bool) error {
	for some := range records.all() {
		for i := range some {
			socket, err := some[i].bound()
			if err != nil {
				return err
			}
			if !yield(socket) {
				return errStop
			}
		}
	}
	return records.err
}

func (p *Programs) visitSockets(ctx context.Context, from *link.Iter, yield func(port.Socket) bool) error {
	return walk(ctx, from, func(r *bpfRecord) error {
		socket, err := r.socket(p.tick)
		if err == nil && !yield(socket) {
			return errStop
		}
		return err
	})
}

// errStop: the reader of the stream wants no more.
var errStop = errors.New("stop")

func walk[T bpfRecord | bpfHeldRecord](ctx context.Context, from *link.Iter, visit func(*T) error) error {
	r, err := from.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	return readRecords(ctx, r, visit)
}

// socket decodes a record; tick is the length of a jiffy.
func (r *bpfRecord) socket(tick time.Duration) (port.Socket, error) {
	if err := r.check(); err != nil {
		return port.Socket{}, err
	}
	local, remote := r.addresses()
	s := port.Socket{
		Proto:   port.Proto(r.Proto),
		State:   port.State(r.State),
		Local:   netip.AddrPortFrom(local, r.LocalPort),
		Family6: r.Flags&flagFamily6 != 0,
		V6Only:  r.Flags&flagV6Only != 0,
		Device:  r.Device,
		L3Mdev:  r.L3mdev,
		Hold:    port.Hold(r.Hold),
		Mini:    r.Flags&flagMini != 0,
		Stamped: r.Flags&flagStamped != 0,
		Chosen:  r.Flags&flagChosen != 0,
		UID:     r.Uid,

		Reuse:     r.Options&optionReuse != 0,
		ReusePort: r.Options&optionReusePort != 0,
		Inode:     r.Inode,
	}
	if r.RemotePort != 0 {
		s.Remote = netip.AddrPortFrom(remote, r.RemotePort)
	}
	if s.Mini {
		s.Quiet = r.quietFor()
	}
	if r.Timer != 0 {
		s.Timer = r.pendingTimer(tick)
	}
	return s, nil
}

// bound decodes the record of a TCP socket that holds a port: a closed one is
// bound and nothing else.
func (r *bpfRecord) bound() (port.Socket, error) {
	s, err := r.socket(0)
	if s.State == port.Close {
		s.State = port.BoundInactive
	}
	return s, err
}

// check refuses what no program of ours writes.
func (r *bpfRecord) check() error {
	proto := port.Proto(r.Proto)
	if proto != port.TCP && proto != port.UDP || r.State == 0 || int(r.State) >= port.States ||
		port.Hold(r.Hold) > port.NotHeld || port.TimerKind(r.Timer) > port.TimerProbe {
		return fmt.Errorf("broken record of a socket: protocol %d, state %d, hold %d, timer %d",
			r.Proto, r.State, r.Hold, r.Timer)
	}
	return nil
}

func (r *bpfRecord) addresses() (local, remote netip.Addr) {
	if r.Flags&flagFamily6 == 0 {
		return netip.AddrFrom4([4]byte(r.Local[:4])), netip.AddrFrom4([4]byte(r.Remote[:4]))
	}
	return netip.AddrFrom16(r.Local).Unmap(), netip.AddrFrom16(r.Remote).Unmap()
}

// quietFor is what tcp_twsk_unique compares with the reuse delay. Kernels
// before 6.14 compare whole seconds of their clock and want them to differ:
// that is the case exactly when the time since the start of the old second,
// which may be up to a second too long, is above one second.
func (r *bpfRecord) quietFor() time.Duration {
	if r.Flags&flagCoarse != 0 {
		return time.Duration(max(r.Quiet, 0))*time.Second + time.Second - time.Millisecond
	}
	return time.Duration(max(r.Quiet, 0)) * time.Millisecond
}

func (r *bpfRecord) pendingTimer(tick time.Duration) port.Timer {
	return port.Timer{
		Kind:    port.TimerKind(r.Timer),
		Expires: time.Duration(max(r.Expires, 0)) * tick,
		Retries: r.Retries,
	}
}
