package services

import (
	"context"

	"portrange/internal/host"
	"portrange/internal/rootfs"
)

// Services is what the host tells, read once for all network namespaces.
type Services struct {
	processes []process
	installed []host.Claim // by unit files
	docker    []host.Claim // what Docker says that it publishes
}

// Find asks the file system under root, "/" but in tests. What is started where
// its files apply, units and what Docker publishes, is looked for only where
// local is set: with a namespace among those of interest to which it applies.
func Find(ctx context.Context, root string, local bool, gaps *host.Gaps) *Services {
	s := &Services{processes: running(ctx, root, gaps)}
	if local {
		s.installed = installed(root, gaps)
		s.docker = askDocker(ctx, root, gaps)
	}
	return s
}

// installed are the claims of units.
func installed(dir string, gaps *host.Gaps) []host.Claim {
	root, err := rootfs.Open(dir)
	if err != nil {
		gaps.Missing(host.PartUnits, 0, err)
		return nil
	}
	defer func() { _ = root.Close() }()
	units := readUnits(root, gaps)
	return append(units.sockets(gaps), units.daemons()...)
}

// In lists the claims to ports of one namespace, by its inode number. local is
// set for one to which the files apply; nat are the namespace's source NAT rules.
func (s *Services) In(netns uint64, local bool, nat []host.NATRules) []host.Claim {
	claims := kubernetes(inside(netns, s.processes, nodeAgents...), nat)
	published := s.docker
	if !local || len(published) == 0 {
		published = proxied(inside(netns, s.processes, dockerProxy))
	}
	claims = append(claims, published...)
	if local {
		claims = append(claims, s.installed...)
	}
	return claims
}
