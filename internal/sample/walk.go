package sample

import (
	"context"
	"errors"
	"fmt"
	"net"

	"portrange/internal/host"
	"portrange/internal/kernel/netns"
	"portrange/internal/kernel/owner"
	"portrange/internal/port"
)

// walk tallies the sockets of one namespace and shows each to visit. Where the
// primary source fails on the way, the other one starts over. A namespace that
// neither can read is left out with a gap.
func (p *pass) walk(ctx context.Context, l *look, visit func(*port.Socket)) error {
	err := p.walkThrough(ctx, p.primary, l, visit)
	if err != nil && ctx.Err() == nil && p.fallback != nil && !errors.Is(err, netns.ErrGone) {
		l.gaps = append(l.gaps, host.Gap{Part: host.PartBuckets, NetNS: l.ns.ID, Why: err.Error()})
		l.ns.Usage, l.ns.Partial = l.newUsage(), false
		err = p.walkThrough(ctx, p.fallback, l, visit)
	}
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	l.failed = err
	return nil
}

func (p *pass) walkThrough(ctx context.Context, from source, l *look, visit func(*port.Socket)) error {
	l.ns.Source = from.name()
	err := within(l.target, func(at *netns.Handle) error {
		var s port.Socket // one for all, or each would be an allocation
		for seen, err := range from.sockets(ctx, at) {
			if err != nil {
				if err := l.miss(err); err != nil {
					return err
				}
				continue
			}
			s = seen
			l.ns.Usage.Add(&s)
			visit(&s)
		}
		l.nameDevices()
		return nil
	})
	if err != nil {
		return fmt.Errorf("read sockets of netns %s: %w", l.ns.Name, err)
	}
	return nil
}

// miss takes note of a gap among the sockets. Any other error it returns.
func (l *look) miss(err error) error {
	var gap *host.Gap
	if !errors.As(err, &gap) {
		return err
	}
	if gap.Missed.Sockets > 0 {
		l.ns.Usage.Miss(gap.Missed)
	} else {
		l.ns.Partial = true
	}
	l.gaps = append(l.gaps, host.Gap{Part: gap.Part, Object: gap.Object, NetNS: l.ns.ID, Why: gap.Why, Missed: gap.Missed})
	return nil
}

// nameDevices looks up the interfaces that sockets are bound to, if any are.
func (l *look) nameDevices() {
	for local := range l.ns.Usage.Locals {
		if local.Device != 0 {
			l.readDevices()
			return
		}
	}
}

func (l *look) readDevices() {
	interfaces, err := net.Interfaces()
	if err != nil {
		l.gaps = append(l.gaps, host.Gap{Part: host.PartDevices, NetNS: l.ns.ID, Why: err.Error()})
		return
	}
	l.ns.Devices = make(map[uint32]string, len(interfaces))
	for _, i := range interfaces {
		l.ns.Devices[uint32(i.Index)] = i.Name
	}
}

// readHolders fills the holdings of all namespaces in one pass over the open
// files of all processes.
func (p *pass) readHolders(ctx context.Context) error {
	holdings := make(map[uint64]*host.Holdings, len(p.looks))
	for _, l := range p.looks {
		holdings[l.ns.ID] = l.ns.Holdings
	}
	for held, err := range p.programs.Holders(ctx) {
		if err != nil {
			p.ownerGaps = append(p.ownerGaps, host.Gap{Part: host.PartOwners, Why: reason(err)})
			if fatal(err) {
				return ctx.Err()
			}
			continue
		}
		if here, asked := holdings[held.NetNS]; asked {
			here.Add(&held)
		}
	}
	return ctx.Err()
}

// reason is a gap's own reason, else the whole error.
func reason(err error) string {
	var gap *host.Gap
	if errors.As(err, &gap) {
		return gap.Why
	}
	return err.Error()
}

// readJoined reads the owners from /proc first and joins them to the sockets by
// inode as these come by.
func (p *pass) readJoined(ctx context.Context) error {
	index, gaps, err := owner.Scan(ctx, owner.Proc)
	if err != nil {
		return err
	}
	p.ownerGaps = append(p.ownerGaps, gaps...)
	for _, l := range p.looks {
		err := p.walk(ctx, l, func(s *port.Socket) { l.join(s, index) })
		if err != nil {
			return err
		}
	}
	return nil
}

// join credits the socket to its processes.
func (l *look) join(s *port.Socket, index *owner.Index) {
	held := host.Holder{Socket: *s, NetNS: l.ns.ID}
	for process := range index.Holders(s.Inode) {
		held.Process = process
		l.ns.Holdings.Add(&held)
	}
}
