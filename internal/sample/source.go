package sample

import (
	"context"
	"errors"
	"iter"

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

// source yields the sockets of the network namespace at, in which the calling
// thread is. An error that is a *host.Gap tells of a part that is missing; any
// other ends the walk.
type source interface {
	name() string
	sockets(ctx context.Context, at *netns.Handle) iter.Seq2[port.Socket, error]
}

// netlinkSource reads everything through sock_diag, which does not show buckets.
type netlinkSource struct{ diag *sockdiag.Reader }

func (netlinkSource) name() string { return string(Netlink) }

func (n netlinkSource) sockets(ctx context.Context, _ *netns.Handle) iter.Seq2[port.Socket, error] {
	return n.diag.Sockets(ctx)
}

// bpfSource reads through BPF, and what the iterators do not list, sockets bound
// but not connected, through sock_diag.
type bpfSource struct {
	programs *sockiter.Programs
	diag     *sockdiag.Reader
	holders  bool // the programs can walk open files
}

func (bpfSource) name() string { return string(BPF) }

func (b bpfSource) sockets(ctx context.Context, at *netns.Handle) iter.Seq2[port.Socket, error] {
	if b.programs.ListsIdle() {
		return b.programs.Sockets(ctx)
	}
	return func(yield func(port.Socket, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		idle := b.idle(ctx, at)
		defer func() {
			cancel()
			for range idle { // until its goroutine lets go of the namespace
			}
		}()
		for s, err := range b.programs.Sockets(ctx) {
			if !yield(s, err) || fatal(err) {
				return
			}
		}
		for found := range idle {
			for i := range found.sockets {
				if !yield(found.sockets[i], nil) {
					return
				}
			}
			if found.err != nil && !yield(port.Socket{}, found.err) {
				return
			}
		}
	}
}

// batch is some sockets, or what ended or interrupted their stream.
type batch struct {
	sockets []port.Socket
	err     error
}

// batchLen makes handing sockets between goroutines cheap.
const batchLen = 128

// idle reads the sockets that are bound but not connected on another thread:
// to find a few, the kernel goes through all it has (inet_diag_dump_icsk),
// which takes about a third of the iterators' time.
func (b bpfSource) idle(ctx context.Context, at *netns.Handle) <-chan batch {
	found := make(chan batch, 8)
	go func() {
		defer close(found)
		err := at.Do(func() error { return sendBatches(ctx, b.listIdle(ctx, at.ID), found) })
		if err != nil {
			send(ctx, found, batch{err: err})
		}
	}()
	return found
}

func sendBatches(ctx context.Context, sockets iter.Seq2[port.Socket, error], to chan<- batch) error {
	var next batch
	for s, err := range sockets {
		if err == nil {
			next.sockets = append(next.sockets, s)
		}
		next.err = err
		if err == nil && len(next.sockets) < batchLen {
			continue
		}
		if err := send(ctx, to, next); err != nil {
			return err
		}
		next = batch{}
	}
	return send(ctx, to, next)
}

func send(ctx context.Context, to chan<- batch, next batch) error {
	select {
	case to <- next:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// listIdle asks sock_diag, and where the kernel does not list such sockets
// (before 6.8) looks for them among the open files of all processes.
func (b bpfSource) listIdle(ctx context.Context, netns uint64) iter.Seq2[port.Socket, error] {
	return func(yield func(port.Socket, error) bool) {
		for s, err := range b.diag.Idle(ctx) {
			if err != nil && !fatal(err) && b.holders {
				b.heldIdle(ctx, netns, yield)
				return
			}
			if !yield(s, err) {
				return
			}
		}
	}
}

func (b bpfSource) heldIdle(ctx context.Context, netns uint64, yield func(port.Socket, error) bool) {
	for held, err := range b.programs.Holders(ctx) {
		wanted := err != nil || held.NetNS == netns && held.Socket.State == port.BoundInactive
		if wanted && !yield(held.Socket, err) {
			return
		}
	}
}

// fatal reports whether a stream of sockets ended with err, unlike a gap in it.
func fatal(err error) bool {
	var gap *host.Gap
	return err != nil && !errors.As(err, &gap)
}
