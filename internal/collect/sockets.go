package collect

import (
	"context"
	"errors"
	"fmt"
	"net"

	"golang.org/x/sync/errgroup"

	"portrange/internal/host"
	"portrange/internal/kernel/netns"
	"portrange/internal/kernel/owner"
	"portrange/internal/port"
)

// readSockets walks the sockets of every namespace, and beside it, where the
// kernel tells owners in a pass of their own, the open files of all processes.
func (p *pass) readSockets(ctx context.Context) error {
	owners := p.want.Any(needFiles)
	switch {
	case !p.want.Any(needSockets):
		return nil
	case owners && p.programs == nil:
		return p.readJoined(ctx)
	}
	group, ctx := errgroup.WithContext(ctx)
	if owners {
		group.Go(func() error { return p.readFiles(ctx) })
	}
	group.Go(func() error {
		return p.walkAll(ctx, func(s *site, socket *port.Socket) { s.see(socket) })
	})
	return group.Wait()
}

func (p *pass) walkAll(ctx context.Context, visit func(*site, *port.Socket)) error {
	for _, s := range p.sites {
		if err := p.walk(ctx, s, func(socket *port.Socket) { visit(s, socket) }); err != nil {
			return err
		}
	}
	return nil
}

// walk shows each socket of one namespace to visit. Where a source fails on the
// way, the next one starts over. A namespace that none can read is left out with
// a gap.
func (p *pass) walk(ctx context.Context, s *site, visit func(*port.Socket)) error {
	var err error
	for i, from := range p.sources {
		err = p.walkThrough(ctx, from, s, visit)
		if err == nil || ctx.Err() != nil || errors.Is(err, netns.ErrGone) {
			break
		}
		if i+1 < len(p.sources) {
			p.gaps.Missing(from.lost(), s.ns.ID, err)
			s.ns.Usage = s.newUsage() // without what the walk that failed has left
			if s.census != nil {
				s.census = newCensus()
			}
			if s.bound != nil {
				s.bound = &port.Set{}
			}
		}
	}
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	s.failed = err
	return nil
}

func (p *pass) walkThrough(ctx context.Context, from source, s *site, visit func(*port.Socket)) error {
	var n notes
	err := within(s.target, func(at *netns.Handle) error {
		var socket port.Socket // one for all, or each would be an allocation
		sockets := from.sockets(ctx, at, &n)
		for seen := range sockets.All() {
			socket = seen
			visit(&socket)
		}
		if sockets.Err() == nil {
			p.nameDevices(s)
		}
		return sockets.Err()
	})
	if err != nil {
		return fmt.Errorf("read sockets of netns %s: %w", s.ns.Name, err)
	}
	s.ns.Source, s.ns.Walk = from.name(), n.walk
	for _, gap := range n.gaps.List() {
		if gap.Part == host.PartIdle {
			s.unlisted = &gap // no gap yet: the pass over open files may have seen them
			continue
		}
		if gap.Missed.Sockets > 0 {
			s.ns.Usage.Miss(gap.Missed)
		} else {
			s.ns.Partial = true
		}
		p.gaps.AddOf(s.ns.ID, gap)
	}
	return nil
}

// nameDevices looks up the interfaces that sockets are bound to, if any are.
func (p *pass) nameDevices(s *site) {
	bound := false
	for local := range s.ns.Usage.Locals {
		bound = bound || local.Device != 0
	}
	if !bound {
		return
	}
	interfaces, err := net.Interfaces()
	if err != nil {
		p.gaps.Missing(host.PartDevices, s.ns.ID, err)
		return
	}
	s.ns.Devices = make(map[uint32]string, len(interfaces))
	for _, i := range interfaces {
		s.ns.Devices[uint32(i.Index)] = i.Name
	}
}

// readFiles finds the holders of the sockets of all namespaces in one pass over
// the open files of all processes.
func (p *pass) readFiles(ctx context.Context) error {
	byID := make(map[uint64]*site, len(p.sites))
	for _, s := range p.sites {
		byID[s.ns.ID] = s
	}
	// The table of bind buckets has idle sockets, other sources may miss them.
	keepIdle := !p.programs.HasTable()
	holders := p.programs.Holders(ctx, &p.gaps)
	for held := range holders.All() {
		s, asked := byID[held.NetNS]
		if !asked {
			continue
		}
		s.credit(&held)
		if keepIdle && held.Socket.State == port.BoundInactive {
			s.idle = append(s.idle, held.Socket)
		}
	}
	if err := holders.Err(); err != nil {
		p.cut = true
		p.gaps.Missing(host.PartOwners, 0, err)
	}
	return ctx.Err()
}

// readJoined reads the owners from /proc first and joins them to the sockets by
// inode as these come by.
func (p *pass) readJoined(ctx context.Context) error {
	index := scanFiles(ctx, &p.gaps)
	return p.walkAll(ctx, func(s *site, socket *port.Socket) {
		s.see(socket)
		held := host.Holder{Socket: *socket, NetNS: s.ns.ID}
		for process := range index.Holders(socket.Inode) {
			held.Process = process
			s.credit(&held)
		}
	})
}

// scanFiles indexes the open files of all processes by /proc; one that could not be
// listed is empty, with a gap.
func scanFiles(ctx context.Context, gaps *host.Gaps) *owner.Index {
	index, missing, err := owner.Scan(ctx, owner.Proc)
	gaps.Add(missing...)
	if err == nil {
		return index
	}
	if ctx.Err() == nil {
		gaps.Missing(host.PartOwners, 0, err)
	}
	return &owner.Index{}
}
