package collect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"portrange/internal/collect/services"
	"portrange/internal/host"
	"portrange/internal/kernel/netns"
	"portrange/internal/port"
)

// Look reads of the targets what is wanted, settings always. What could not be
// read is among the state's gaps. The error is for a host of which nothing at
// all could be read, or for ctx.
func (c *Collector) Look(ctx context.Context, targets []netns.Namespace, want host.Want) (*host.State, error) {
	p := &pass{Collector: c, want: want}
	if err := p.identify(); err != nil {
		return nil, err
	}
	p.gaps.Add(c.gaps.List()...)
	for _, target := range targets {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s := &site{target: target, ns: host.Namespace{ID: target.ID, Name: target.String(), Ref: reference(target)}}
		if err := within(target, func(*netns.Handle) error { return p.readInside(ctx, s) }); err != nil {
			p.fail(target, host.PartSettings, err) // it has gone, or may not be entered
			continue
		}
		s.begin(want)
		p.sites = append(p.sites, s)
	}
	p.machine()
	p.claim(ctx)
	if err := p.readSockets(ctx); err != nil {
		return nil, err
	}
	if err := p.tellStrays(ctx, p.suspects(ctx), &p.gaps); err != nil {
		return nil, err
	}
	for _, s := range p.sites {
		p.finish(s)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(p.state.Namespaces) == 0 {
		return nil, nothing(p.failures)
	}
	p.state.Gaps = p.gaps.List()
	return &p.state, nil
}

// pass is one look in the making.
type pass struct {
	*Collector
	want     host.Want
	state    host.State
	gaps     host.Gaps
	sites    []*site
	failures []error // why namespaces were left out
	cut      bool    // the pass over open files is not whole
}

func (p *pass) identify() error {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return fmt.Errorf("read kernel release: %w", err)
	}
	name, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("read host name: %w", err)
	}
	p.state.TakenAt = time.Now().UTC()
	p.state.Host, p.state.Kernel = name, unix.ByteSliceToString(uts.Release[:])
	return nil
}

// fail leaves a namespace out, with a gap that says why.
func (p *pass) fail(target netns.Namespace, what host.Part, err error) {
	p.failures = append(p.failures, err)
	p.gaps.Missing(what, target.ID, err)
}

// claim asks who wants ports of the namespaces, and which of those are of the
// range, so that the pass over open files can say who has them.
func (p *pass) claim(ctx context.Context) {
	if !p.want.Has(host.WantClaims) {
		return
	}
	local := false
	for _, s := range p.sites {
		local = local || s.local()
	}
	found := services.Find(ctx, p.root, local, &p.gaps)
	for _, s := range p.sites {
		s.ns.Claims = found.In(s.ns.ID, s.local(), s.ns.NAT)
		s.contested = &port.Set{}
		for _, claim := range s.ns.Claims {
			s.contested.Union(claim.Ports)
		}
		s.contested.Intersect(s.ns.Settings.Range.Set())
	}
}

// finish brings together what the passes left of a site, and puts it into the state.
func (p *pass) finish(s *site) {
	if s.failed != nil {
		p.fail(s.target, host.PartSockets, s.failed)
		return
	}
	switch {
	case s.unlisted == nil:
	case p.programs == nil || p.cut || !p.want.Any(needFiles): // nobody saw the idle bound sockets
		s.ns.Partial = true
		p.gaps.AddOf(s.ns.ID, *s.unlisted)
	default: // the pass over open files saw them, as far as they are open somewhere
		for i := range s.idle {
			s.see(&s.idle[i])
		}
	}
	if s.ns.Holdings != nil {
		s.ns.Holdings.Partial = p.gaps.Lacks(host.PartOwners, s.ns.ID)
	}
	if s.census != nil {
		for key, hold := range s.held.holds {
			s.census.credit(key, hold.State, hold.Processes)
		}
		s.ns.Holds, s.ns.Takers = s.census.list(), s.takers.list()
	}
	if p.want.Has(host.WantClaims) {
		s.ns.Claims, s.ns.Holds = services.Settle(s.ns.Claims, s.ns.Holds)
	}
	if s.ns.Totals != nil {
		r := s.ns.Settings.Range
		s.ns.Totals.Ports = host.PortTotals{Bound: s.bound.Len(), InRange: s.bound.CountIn(r.Set()), RangeSize: r.Size()}
	}
	p.foreign(s)
	p.busiest(s)
	p.state.Namespaces = append(p.state.Namespaces, s.ns)
}

// nothing is the error of a host of which nothing could be read.
func nothing(failures []error) error {
	return cmp.Or(errors.Join(failures...), errors.New("no network namespace to look at"))
}
