package services

import (
	"slices"

	"portrange/internal/host"
	"portrange/internal/port"
)

// Settle puts claims and holds of one namespace beside each other. Where Docker
// holds a port for a container, the container has it; where the socket of a
// service is there, no claim is needed any more. Of NodePorts no socket says
// anything.
func Settle(claims []host.Claim, holds []host.Hold) ([]host.Claim, []host.Hold) {
	holds = withoutDocker(holds, claims)
	var kept []host.Claim
	for _, claim := range claims {
		if claim.Kind != host.NodePorts {
			claim.Ports = claim.Ports.Clone()
			claim.Ports.Subtract(held(&claim, holds))
		}
		if claim.Ports.Len() > 0 {
			kept = append(kept, claim)
		}
	}
	return kept, holds
}

// withoutDocker leaves out the ports that Docker holds for containers: which
// container it is says more than that Docker listens.
func withoutDocker(holds []host.Hold, claims []host.Claim) []host.Hold {
	published := &port.Set{}
	for _, claim := range claims {
		if claim.Kind == host.PublishedPorts {
			published.Union(claim.Ports)
		}
	}
	return slices.DeleteFunc(holds, func(h host.Hold) bool {
		return published.Contains(h.Port) && len(h.Processes) > 0 && !slices.ContainsFunc(h.Processes, isOther)
	})
}

func isOther(p host.Process) bool { return p.Command != dockerProxy && p.Command != dockerDaemon }

// held are the ports on which a socket shows who needs them.
func held(claim *host.Claim, holds []host.Hold) *port.Set {
	set := &port.Set{}
	for i := range holds {
		hold := &holds[i]
		if (claim.Proto == 0 || claim.Proto == hold.Proto) && !passesBy(hold, claim) {
			set.Add(hold.Port)
		}
	}
	return set
}

// systemd is the process that opens the sockets of socket units, and keeps them.
const systemd = 1

// passesBy reports whether a socket on the port of a socket unit is another's,
// that of a client which may have got the port by chance: UDP has no listeners
// to tell from clients.
func passesBy(hold *host.Hold, claim *host.Claim) bool {
	ofUnit := func(p host.Process) bool { return p.PID == systemd }
	return claim.Kind == host.SocketUnit && hold.Proto == port.UDP && len(hold.Processes) > 0 && !slices.ContainsFunc(hold.Processes, ofUnit)
}
