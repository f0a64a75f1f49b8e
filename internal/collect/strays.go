package collect

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"portrange/internal/host"
	"portrange/internal/kernel/netns"
	"portrange/internal/kernel/owner"
	"portrange/internal/port"
)

// maxStrays is how many connections of a namespace are asked after. More are as
// good as that many to know that owners are missing.
const maxStrays = 4096

// stray is a connection by its four numbers.
type stray struct {
	tuple port.Tuple
	port  uint16
}

// strays are the connections of a namespace that seem to be open in no process,
// with their inodes, 0 for one that is not known yet.
type strays struct {
	target netns.Namespace
	inodes map[stray]uint64
	more   bool // than are in inodes
	// shut is set where connections that were shut down are in no process either:
	// which of them are open and which orphans, is to be asked.
	shut bool
}

func newStrays(target netns.Namespace) *strays {
	return &strays{target: target, inodes: map[stray]uint64{}}
}

func (s *strays) add(at stray, inode uint64) {
	if len(s.inodes) >= maxStrays {
		s.more = true
		return
	}
	s.inodes[at] = inode
}

// addSocket adds a socket of the walk for which no process was found. An orphan has no
// inode.
func (s *strays) addSocket(socket *port.Socket) {
	if socket.Proto == port.TCP && socket.Inode != 0 && (isOpen(socket.State) || isShut(socket.State)) {
		s.add(stray{socket.Tuple(), socket.Local.Port()}, socket.Inode)
	}
}

// isOpen reports whether a connection of the state is one that somebody has open,
// unless it waits for accept(): close() leads out of these states (tcp_close_state,
// net/ipv4/tcp.c).
func isOpen(state port.State) bool {
	return state == port.Established || state == port.SynSent || state == port.CloseWait
}

// isShut reports whether shutdown() and close() alike lead into the state: somebody may
// have the connection open, or it is an orphan.
func isShut(state port.State) bool {
	return state == port.FinWait1 || state == port.FinWait2 || state == port.LastAck || state == port.Closing
}

// suspects are the connections on ports of the range for which the passes found
// no process.
func (p *pass) suspects(ctx context.Context) []*strays {
	if !p.want.Has(host.WantOwners) {
		return nil
	}
	var all []*strays
	for _, s := range p.sites {
		if s.failed != nil {
			continue
		}
		found := s.suspects()
		if found.shut && !p.gaps.Lacks(host.PartOwners, s.ns.ID) {
			if err := p.addShut(ctx, s, found); err != nil && !errors.Is(err, netns.ErrGone) && ctx.Err() == nil {
				p.gaps.Missing(host.PartOwners, s.ns.ID, err)
			}
		}
		all = append(all, found)
	}
	return all
}

func (s *site) suspects() *strays {
	found := newStrays(s.target)
	for tuple, usage := range s.ns.Usage.Tuples {
		for i := range usage.States {
			in := &usage.States[i]
			switch unheld := s.ns.Holdings.Unheld(tuple, &in.Ports); {
			case isOpen(in.State):
				for p := range unheld {
					found.add(stray{tuple, p}, 0)
				}
			case isShut(in.State) && !found.shut:
				for range unheld {
					found.shut = true
					break
				}
			}
		}
	}
	return found
}

// addShut adds the connections of the site that were shut down and have an inode all
// the same: some process has them open. To list them takes one question, to look them up
// as many as there are orphans.
func (p *pass) addShut(ctx context.Context, s *site, found *strays) error {
	var gaps host.Gaps
	err := within(s.target, func(*netns.Handle) error {
		sockets := p.diag.ShutDown(ctx, &gaps)
		for socket := range sockets.All() {
			usage, known := s.ns.Usage.Tuples[socket.Tuple()]
			if known && usage.Contains(socket.Local.Port()) && s.ns.Holdings.Lacks(socket.Tuple(), socket.Local.Port()) {
				found.addSocket(&socket)
			}
		}
		return sockets.Err()
	})
	p.gaps.AddOf(s.ns.ID, gaps.List()...)
	return err
}

// tellStrays leaves a gap for connections that stay open although no process has
// them open. The passes over sockets and over files run side by side, so that
// whatever comes, goes or changes hands meanwhile may look like that. Only what is
// still there afterwards, as a file, is searched for once more, in a second pass
// over the open files that nothing else needs, and only what is there after that
// counts. Where owners are missing anyway, a gap says so already.
func (c *Collector) tellStrays(ctx context.Context, all []*strays, gaps *host.Gaps) error {
	missing := slices.ContainsFunc(gaps.List(), func(gap host.Gap) bool { return gap.Part == host.PartOwners })
	if missing || !c.keepOpen(all, gaps) {
		return ctx.Err()
	}
	if err := c.searchAgain(ctx, all); err != nil {
		if ctx.Err() == nil {
			gaps.Missing(host.PartOwners, 0, err)
		}
		return ctx.Err()
	}
	c.keepOpen(all, gaps)
	for _, s := range all {
		if len(s.inodes) > 0 {
			gaps.Add(host.Gap{Part: host.PartOwners, NetNS: s.target.ID, Why: s.why()})
		}
	}
	return ctx.Err()
}

// keepOpen drops the strays that are gone, or are no file any more, and reports
// whether any are left.
func (c *Collector) keepOpen(all []*strays, gaps *host.Gaps) bool {
	left := false
	for _, s := range all {
		if len(s.inodes) == 0 {
			continue
		}
		if err := within(s.target, func(*netns.Handle) error { return c.keepOpenOf(s) }); err != nil {
			clear(s.inodes)
			if !errors.Is(err, netns.ErrGone) {
				gaps.Missing(host.PartOwners, s.target.ID, err)
			}
		}
		left = left || len(s.inodes) > 0
	}
	return left
}

func (c *Collector) keepOpenOf(s *strays) error {
	lookup, err := c.diag.Lookup()
	if err != nil {
		return err
	}
	defer lookup.Close()
	for at, before := range s.inodes {
		inode, err := lookup.Inode(at.tuple, at.port)
		switch {
		case err != nil:
			return err
		case inode == 0 || before != 0 && before != inode: // another one has the four numbers by now
			delete(s.inodes, at)
		default:
			s.inodes[at] = inode
		}
	}
	return nil
}

// searchAgain drops the strays that a process has open.
func (c *Collector) searchAgain(ctx context.Context, all []*strays) error {
	if c.programs == nil {
		index, _, err := owner.Scan(ctx, owner.Proc)
		if err != nil {
			return err
		}
		for _, s := range all {
			s.dropHeld(index)
		}
		return nil
	}
	byID := make(map[uint64]*strays, len(all))
	for _, s := range all {
		byID[s.target.ID] = s
	}
	holders := c.programs.Holders(ctx, nil)
	for held := range holders.All() {
		if s, asked := byID[held.NetNS]; asked {
			delete(s.inodes, stray{held.Socket.Tuple(), held.Socket.Local.Port()})
		}
	}
	return holders.Err()
}

func (s *strays) dropHeld(index *owner.Index) {
	for at, inode := range s.inodes {
		for range index.Holders(inode) {
			delete(s.inodes, at)
			break
		}
	}
}

// why says how many there are, and who may have them.
func (s *strays) why() string {
	number := fmt.Sprint(len(s.inodes))
	if s.more {
		number = "at least " + number
	}
	return fmt.Sprintf("connections open in no process that was found: %s; they are in io_uring's fixed files, "+
		"on their way through SCM_RIGHTS, the kernel's own, or of processes that this PID namespace does not show", number)
}
