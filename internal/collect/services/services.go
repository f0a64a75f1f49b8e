package services

import (
	"context"
	"fmt"

	"portrange/internal/host"
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
	s := &Services{processes: running(root, gaps)}
	if local {
		s.installed = installed(root, gaps)
		s.docker = askDocker(ctx, root, gaps)
	}
	return s
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

// installed finds installed services by their unit files.
func installed(root string, gaps *host.Gaps) []host.Claim {
	units := readUnits(root, gaps)
	return append(units.sockets(gaps), installedDaemons(units)...)
}

func installedDaemons(units units) []host.Claim {
	var claims []host.Claim
	for _, daemon := range catalogue() {
		for _, unit := range units.names(".service") {
			if !daemon.HasUnit(unit) {
				continue
			}
			claims = append(claims, host.Claim{
				Kind: host.ServicePort, Who: daemon.Name, Ports: daemon.Set(),
				Evidence: fmt.Sprintf("%s is installed and not listening there now; %s is its default (%s)", unit, daemon.Ports, daemon.Source),
			})
			break
		}
	}
	return claims
}
