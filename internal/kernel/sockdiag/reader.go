package sockdiag

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"portrange/internal/host"
	"portrange/internal/port"
)

// tcpSockets names all TCP sockets, shutSockets those that were shut down.
const (
	tcpSockets  = "tcp sockets"
	shutSockets = "tcp sockets that were shut down"
)

// Reader reads sockets through sock_diag. It keeps nothing open between two
// streams and may be used by several goroutines.
type Reader struct {
	kernel Kernel
	// split tells to walk the table of connections in two halves at once.
	split bool
	// idle is what was found out about the state BoundInactive, a [support].
	idle atomic.Int32
}

// New returns a reader of the running kernel.
func New() *Reader { return NewOn(running{}) }

// NewOn returns a reader of the given kernel.
func NewOn(kernel Kernel) *Reader {
	return &Reader{kernel: kernel, split: runtime.GOMAXPROCS(0) > 1}
}

// Sockets yields the TCP and UDP sockets of the calling thread's network
// namespace, TCP listeners first. The goroutine must stay on its thread while
// the stream runs.
//
// A part that could not be read is a gap, without the namespace's number, and so is
// how many sockets may be missing; the error is for anything else that ends the
// stream. A connection that closes meanwhile may come twice, the second time in
// TIME_WAIT: count sockets by tuple and port, as [host.Usage] does.
func (r *Reader) Sockets(ctx context.Context, gaps *host.Gaps) *host.Stream[port.Socket] {
	return r.stream(ctx, gaps, func(w *walk) error {
		for _, ask := range []func() error{
			func() error { return w.serial(tcpQuery(tcpSockets, listening, nil)) },
			w.tcp,
			w.checkIdle,
			w.udp,
		} {
			if err := ask(); err != nil {
				return err
			}
		}
		return nil
	})
}

// Idle yields the TCP sockets that are bound but neither listen nor connect
// ([port.BoundInactive]), on the terms of [Reader.Sockets]. A kernel that does
// not list them leaves a gap of [host.PartIdle].
func (r *Reader) Idle(ctx context.Context, gaps *host.Gaps) *host.Stream[port.Socket] {
	return r.stream(ctx, gaps, func(w *walk) error {
		if err := w.serial(tcpQuery(idleSockets, idle, nil)); err != nil {
			return err
		}
		return w.checkIdle()
	})
}

// ShutDown yields the TCP sockets in the states that shutdown() and close() alike lead
// into, on the terms of [Reader.Sockets]. Of those, one that some process still has
// open has an inode, an orphan has none.
func (r *Reader) ShutDown(ctx context.Context, gaps *host.Gaps) *host.Stream[port.Socket] {
	return r.stream(ctx, gaps, func(w *walk) error { return w.serial(tcpQuery(shutSockets, shutDown, nil)) })
}

func (r *Reader) stream(ctx context.Context, gaps *host.Gaps, ask func(*walk) error) *host.Stream[port.Socket] {
	return host.NewStream(func(yield func(port.Socket) bool) error {
		err := ask(&walk{
			Reader: r, ctx: ctx, yield: yield, gaps: gaps,
			bound: map[uint32]*port.Set{}, yielded: map[uint64]struct{}{},
		})
		if errors.Is(err, errStopped) {
			return nil
		}
		return err
	})
}

// connections asks for all TCP sockets but listeners.
func (r *Reader) connections() []*query {
	if !r.split {
		return []*query{tcpQuery(tcpSockets, idle|connections, nil)}
	}
	half := halves()
	return []*query{
		tcpQuery(tcpSockets, idle|connections, half[0]),
		tcpQuery(tcpSockets, idle|connections, half[1]),
	}
}

// walk is one stream on its way. Its methods return [errStopped] when the
// consumer wants no more.
type walk struct {
	*Reader
	ctx   context.Context
	yield func(port.Socket) bool
	gaps  *host.Gaps
	// bound are the ports known to be taken by bind(), by device.
	bound map[uint32]*port.Set
	// sawIdle is set once an idle bound socket came by.
	sawIdle bool
	// tally counts the reading that is under way, nil where none is counted; yielded
	// are the cookies of all sockets so far: a dump that is repeated lists them again.
	tally   *tally
	yielded map[uint64]struct{}
}

// serial asks one query.
func (w *walk) serial(q *query) error { return w.repeat(q, 0) }

// repeat asks the query until it works or the attempts, counted from 0, are used up.
func (w *walk) repeat(q *query, attempt int) error {
	var err error
	for ; attempt < attempts; attempt++ {
		var conn Conn
		if conn, err = w.kernel.Dial(firstBuffer << attempt); err != nil {
			return fmt.Errorf("open sock_diag: %w%s", err, dialHint(err))
		}
		err = q.converse(w.ctx, conn, w.deliver)
		if !worthRepeating(err) {
			return w.settle(q, err)
		}
	}
	w.gaps.MissingObject(host.PartSockets, q.what, 0, fmt.Errorf("%w; %d attempts", err, attempts))
	return nil
}

// settle decides what the end of a dump means for the stream.
func (w *walk) settle(q *query, err error) error {
	var refused replyError
	switch {
	case err == nil, errors.Is(err, errStopped):
		return err
	case w.ctx.Err() != nil:
		return w.ctx.Err()
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("read %s through sock_diag: %w; a seccomp filter or security module denies NETLINK_SOCK_DIAG", q.what, err)
	case errors.As(err, &refused):
		w.gaps.MissingObject(host.PartSockets, q.what, 0, fmt.Errorf("%w%s", err, replyHint(q.proto, err)))
		return nil
	}
	return fmt.Errorf("read %s through sock_diag: %w", q.what, err)
}

// deliver is the [sink] of the walk. The sockets of one device that share a
// port share its bind bucket, and what one of them tells holds for all.
func (w *walk) deliver(batch []port.Socket) ([]port.Socket, bool) {
	if w.tally != nil {
		w.tally.datagrams++
	}
	for i := range batch {
		s := &batch[i]
		if !w.fresh(s) {
			continue
		}
		if s.Proto == port.TCP {
			w.shareHold(s)
		}
		if !w.yield(*s) {
			return nil, false
		}
	}
	return batch, true
}

// fresh reports whether the socket was not yielded yet.
func (w *walk) fresh(s *port.Socket) bool {
	if s.Cookie == 0 { // the kernel gives one to each socket that it lists
		return true
	}
	if w.tally != nil {
		w.tally.seen[s.Cookie] = struct{}{}
	}
	before := len(w.yielded)
	w.yielded[s.Cookie] = struct{}{}
	return len(w.yielded) > before
}

func (w *walk) shareHold(s *port.Socket) {
	ports := w.bound[s.Device]
	switch {
	case s.Hold == port.BindHeld:
		if ports == nil {
			ports = &port.Set{}
			w.bound[s.Device] = ports
		}
		ports.Add(s.Local.Port())
		w.sawIdle = w.sawIdle || s.State == port.BoundInactive
	case s.Hold == port.HoldUnknown && ports != nil && ports.Contains(s.Local.Port()):
		s.Hold = port.BindHeld
	}
}

func dialHint(err error) string {
	switch {
	case errors.Is(err, unix.EPROTONOSUPPORT):
		return "; load the kernel modules tcp_diag and udp_diag"
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return "; a seccomp filter or security module denies NETLINK_SOCK_DIAG"
	}
	return ""
}

// replyHint names the module that is missing where the kernel has no handler
// for the protocol and could not load one.
func replyHint(proto port.Proto, err error) string {
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EPROTONOSUPPORT) {
		return fmt.Sprintf(": the kernel has no handler for it; load the kernel module %s_diag", proto)
	}
	return ""
}
