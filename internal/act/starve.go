package act

import (
	"errors"
	"fmt"

	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/words"
)

// ErrStarves says that a change leaves too few ports.
var ErrStarves = errors.New("too few ports would be left")

// starves is an error where a change takes ports away and leaves none to connect(),
// or fewer than the fullest pool uses now.
func starves(before, after *host.Namespace) error {
	now, next := judge.PortsUnder(&before.Settings), judge.PortsUnder(&after.Settings)
	left, had := next.Open().Len(), now.Open().Len()
	if left >= had {
		return nil
	}
	used, towards := fullest(before)
	switch {
	case left == 0:
		return fmt.Errorf("%w: none of %s in netns %s, and no connect() would work", ErrStarves, words.Thousands(had), before.Name)
	case left < used:
		return fmt.Errorf("%w: %s of %s in netns %s, and %s are in use %s", ErrStarves,
			words.Thousands(left), words.Thousands(had), before.Name, words.Thousands(used), towards)
	}
	return nil
}

// fullest is how many ports the pool that uses most has in use, and towards whom;
// 0 where sockets were not read.
func fullest(ns *host.Namespace) (used int, towards string) {
	if ns.Usage == nil {
		return 0, ""
	}
	verdict := judge.Namespace(ns)
	for i := range verdict.Pools {
		if pool := &verdict.Pools[i]; pool.Used > used {
			used, towards = pool.Used, "towards "+pool.Remote
		}
	}
	for i := range verdict.LocalPools {
		if pool := &verdict.LocalPools[i]; pool.Used > used {
			used, towards = pool.Used, "at "+pool.Local
		}
	}
	return used, towards
}

// Starves is why a plan must not be carried out unasked; nil where it may.
func (p *Plan) Starves() error {
	for i := range p.Changes {
		if err := p.Changes[i].starves; err != nil {
			return err
		}
	}
	return nil
}
