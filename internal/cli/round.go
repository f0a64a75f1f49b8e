package cli

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"portrange/internal/collect"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/kernel/netns"
	"portrange/internal/port"
	"portrange/internal/report"
)

// round is one way of check through the namespaces: the host's first, then a few at a
// time, so that what was seen by the time limit counts, however many namespaces others
// have made.
type round struct {
	*checkCommand
	look   func(context.Context, []netns.Namespace, host.Want) (*host.State, error)
	remote netip.AddrPort

	strains        []judge.Strain
	exact, partial bool
	gaps           []host.Gap
	found, read    int
	cut            bool // time ran out before the end
}

// aFew is how many namespaces one look takes in: reading them takes tens of
// milliseconds, and what a look has read counts only once it is whole.
const aFew = 32

// visit reads all namespaces of --netns, or as many as there is time for. The error is
// for a round that saw nothing.
func (r *round) visit(ctx context.Context) error {
	var failures []error
	every := r.netns == collect.AllNamespaces
	if every {
		if first, err := netns.Host(); err == nil {
			r.found++
			failures = append(failures, r.take(ctx, []netns.Namespace{first}))
		}
	}
	targets, gaps, err := collect.Targets(ctx, r.netns)
	r.gaps = append(r.gaps, gaps...)
	failures = append(failures, err)
	if every {
		targets = rootsFirst(targets)
		targets = slices.DeleteFunc(targets, func(n netns.Namespace) bool { return n.Name == port.Host && r.found > 0 })
	}
	r.found += len(targets)
	for few := range slices.Chunk(targets, aFew) {
		if ctx.Err() != nil {
			break
		}
		failures = append(failures, r.take(ctx, few))
	}
	r.cut = ctx.Err() != nil && r.read < r.found || err != nil
	if r.read == 0 {
		return errors.Join(failures...)
	}
	return nil
}

// rootsFirst puts the host's namespace, where only the search has found it, and those
// that root has mounted somewhere before those that only live in processes, of which
// every user can make thousands.
func rootsFirst(targets []netns.Namespace) []netns.Namespace {
	rank := func(n netns.Namespace) int {
		if n.Name == port.Host {
			return -1
		}
		return strings.Count(n.Path, "/proc/")
	}
	slices.SortStableFunc(targets, func(a, b netns.Namespace) int { return rank(a) - rank(b) })
	return targets
}

// take reads a few namespaces. Those that are gone meanwhile are not missed.
func (r *round) take(ctx context.Context, few []netns.Namespace) error {
	state, err := r.look(ctx, few, host.WantSockets)
	if err != nil {
		state = &host.State{}
	}
	if ctx.Err() == nil {
		unread := collect.Unread(state, few)
		r.partial = r.partial || len(unread) > 0
		r.found -= len(few) - len(state.Namespaces) - len(unread)
	}
	for i := range state.Namespaces {
		ns := &state.Namespaces[i]
		r.strains = append(r.strains, r.checkCommand.strains(ns, r.remote)...)
		r.exact, r.partial = r.exact && judge.Exact(ns), r.partial || ns.Partial
		r.read++
	}
	r.gaps = append(r.gaps, state.Gaps...)
	return err
}

// document is the result, with the worst of what was seen.
func (r *round) document() *report.Check {
	if r.cut {
		r.gaps = append(r.gaps, host.Gap{Part: host.PartNamespaces, Why: fmt.Sprintf("no time left after %v", r.timeout)})
	}
	own, unread := unsettled()
	gaps := host.Distinct(append(r.gaps, unread...))
	doc := report.NewCheck(r.strains, r.exact, r.partial || r.cut, own, gaps)
	if r.cut {
		doc.Cut(r.read, r.found)
	}
	return doc
}
