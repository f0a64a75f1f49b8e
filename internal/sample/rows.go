package sample

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"slices"

	"portrange/internal/host"
	"portrange/internal/kernel/netns"
	"portrange/internal/kernel/owner"
	"portrange/internal/kernel/sysctl"
	"portrange/internal/port"
)

// Row is one socket with what belongs to it.
type Row struct {
	Namespace Namespace
	Range     port.Range // of the namespace
	Socket    port.Socket
	Device    string // name of the interface it is bound to, empty for none
	Processes []host.Process
}

// Sockets yields the sockets of the targets one by one. Of owners it keeps a
// compact index, of sockets nothing. An error that is a *host.Gap tells of a
// part that is missing, any other ends the stream.
func (s *Sampler) Sockets(ctx context.Context, targets []Namespace) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		index, gaps, err := s.index(ctx)
		if err != nil {
			yield(Row{}, err)
			return
		}
		for _, gap := range append(s.gaps, gaps...) {
			if !yield(Row{}, &gap) {
				return
			}
		}
		var failures []error
		for _, target := range targets {
			err := s.rows(ctx, target, index, yield)
			if errors.Is(err, errStopped) {
				return
			}
			if err != nil {
				failures = append(failures, err)
				if len(targets) > 1 && !yield(Row{}, &host.Gap{Part: host.PartSockets, NetNS: target.ID, Why: err.Error()}) {
					return
				}
			}
		}
		if len(failures) == len(targets) {
			yield(Row{}, nothing(failures))
		}
	}
}

// errStopped ends a walk whose rows nobody wants any more.
var errStopped = errors.New("stopped")

// rows yields the sockets of one target. The error is [errStopped] when no more
// are wanted, any other says why none could be read.
func (s *Sampler) rows(ctx context.Context, target Namespace, index *owner.Index, yield func(Row, error) bool) error {
	return within(target, func(at *netns.Handle) error {
		settings, err := sysctl.Read()
		if err != nil {
			return err
		}
		devices := deviceNames()
		for socket, err := range s.stream(ctx, at) {
			row := Row{Namespace: target, Range: settings.Range, Socket: socket}
			if err == nil {
				row.Device = devices(socket.Device)
				row.Processes = slices.Collect(index.Holders(socket.Inode))
			}
			if !yield(row, err) || fatal(err) {
				return errStopped
			}
		}
		return nil
	})
}

// stream yields from the primary source. Where that fails before it has yielded
// a socket, the other one takes its place.
func (s *Sampler) stream(ctx context.Context, at *netns.Handle) iter.Seq2[port.Socket, error] {
	return func(yield func(port.Socket, error) bool) {
		begun := false
		for socket, err := range s.primary.sockets(ctx, at) {
			if fatal(err) && !begun && s.fallback != nil {
				gap := &host.Gap{Part: host.PartBuckets, NetNS: at.ID, Why: err.Error()}
				if yield(port.Socket{}, gap) {
					s.fallback.sockets(ctx, at)(yield)
				}
				return
			}
			begun = begun || err == nil
			if !yield(socket, err) {
				return
			}
		}
	}
}

// deviceNames looks interface names up, each once, in the calling thread's namespace.
func deviceNames() func(uint32) string {
	known := map[uint32]string{0: ""}
	return func(index uint32) string {
		name, found := known[index]
		if !found {
			name = fmt.Sprintf("if%d", index)
			if device, err := net.InterfaceByIndex(int(index)); err == nil {
				name = device.Name
			}
			known[index] = name
		}
		return name
	}
}

// index finds the owners of all sockets, through BPF where that is in use.
func (s *Sampler) index(ctx context.Context) (*owner.Index, []host.Gap, error) {
	switch {
	case !s.owners:
		return &owner.Index{}, nil, nil
	case s.programs == nil:
		return owner.Scan(ctx, owner.Proc)
	}
	index, gaps := &owner.Index{}, []host.Gap(nil)
	for held, err := range s.programs.Holders(ctx) {
		if err != nil {
			gaps = append(gaps, host.Gap{Part: host.PartOwners, Why: reason(err)})
			continue
		}
		index.Add(held.Socket.Inode, held.Process)
	}
	return index, gaps, ctx.Err()
}
