package collect

import (
	"context"

	"portrange/internal/host"
	"portrange/internal/kernel/netns"
	"portrange/internal/kernel/sockdiag"
	"portrange/internal/kernel/sockiter"
	"portrange/internal/port"
)

// Source is a choice of the door that sockets come through.
type Source string

// The sources, as --source names them.
const (
	Auto    Source = "auto" // BPF where it loads, else netlink
	BPF     Source = "bpf"
	Netlink Source = "netlink"
)

// source is one way to the sockets of a network namespace.
type source interface {
	// name is what [host.Namespace] calls it.
	name() string
	// lost is what is missing where the next source has to take its place.
	lost() host.Part
	// sockets yields those of the namespace at, in which the calling thread is.
	sockets(ctx context.Context, at *netns.Handle, n *notes) *host.Stream[port.Socket]
}

// notes are what a walk leaves behind besides its sockets.
type notes struct {
	gaps host.Gaps  // without the number of the namespace
	walk *host.Walk // nil unless the table was walked
}

// netlinkSource reads everything through sock_diag, which does not show buckets.
type netlinkSource struct{ diag *sockdiag.Reader }

func (netlinkSource) name() string    { return string(Netlink) }
func (netlinkSource) lost() host.Part { return host.PartSockets }

func (s netlinkSource) sockets(ctx context.Context, _ *netns.Handle, n *notes) *host.Stream[port.Socket] {
	return s.diag.Sockets(ctx, &n.gaps)
}

// tableSource walks the kernel's table of bind buckets.
type tableSource struct{ programs *sockiter.Programs }

func (tableSource) name() string    { return string(BPF) }
func (tableSource) lost() host.Part { return host.PartTableWalk }

func (s tableSource) sockets(ctx context.Context, _ *netns.Handle, n *notes) *host.Stream[port.Socket] {
	n.walk = &host.Walk{}
	return s.programs.Sockets(ctx, n.walk)
}

// iteratorSource reads through BPF iterators, and what they do not list, sockets
// bound but not connected, through sock_diag.
type iteratorSource struct {
	programs *sockiter.Programs
	diag     *sockdiag.Reader
}

func (iteratorSource) name() string    { return string(BPF) }
func (iteratorSource) lost() host.Part { return host.PartBuckets }

func (s iteratorSource) sockets(ctx context.Context, at *netns.Handle, n *notes) *host.Stream[port.Socket] {
	return host.NewStream(func(yield func(port.Socket) bool) error {
		ctx, cancel := context.WithCancel(ctx)
		idle := beside(at, func() *host.Stream[port.Socket] { return s.diag.Idle(ctx, &n.gaps) }, ctx)
		defer func() {
			for range idle.found { // until its goroutine lets go of the namespace
			}
		}()
		defer cancel()
		listed := s.programs.Iterate(ctx)
		for socket := range listed.All() {
			if !yield(socket) {
				return nil
			}
		}
		if err := listed.Err(); err != nil {
			return err
		}
		for batch := range idle.found {
			for i := range batch {
				if !yield(batch[i]) {
					return nil
				}
			}
		}
		return idle.err
	})
}

// batchLen makes handing sockets between goroutines cheap.
const batchLen = 128

// batches are sockets on their way from another goroutine.
type batches struct {
	found chan []port.Socket
	err   error // why they are not all, once found is closed
}

// beside reads a stream on another thread inside the namespace. To find a few
// idle sockets, the kernel goes through all it has (inet_diag_dump_icsk), which
// takes about a third of the iterators' time.
func beside(at *netns.Handle, open func() *host.Stream[port.Socket], ctx context.Context) *batches {
	b := &batches{found: make(chan []port.Socket, 8)}
	go func() {
		defer close(b.found)
		b.err = at.Do(func() error { return b.send(ctx, open()) })
	}()
	return b
}

func (b *batches) send(ctx context.Context, sockets *host.Stream[port.Socket]) error {
	var next []port.Socket
	hand := func() error {
		select {
		case b.found <- next:
			next = nil
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for s := range sockets.All() {
		if next = append(next, s); len(next) < batchLen {
			continue
		}
		if err := hand(); err != nil {
			return err
		}
	}
	if err := hand(); err != nil {
		return err
	}
	return sockets.Err()
}
