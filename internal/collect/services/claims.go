package services

import (
	"slices"

	"portrange/internal/host"
	"portrange/internal/port"
)

// Settle puts claims and holds of one namespace beside each other. Where Docker
// holds a port for a container, on root's word, the container has it: which one it is
// says more than that Docker listens. Where the socket of a service is there, no claim is
// needed any more. Of NodePorts no socket says anything.
func Settle(claims []host.Claim, holds []host.Hold) ([]host.Claim, []host.Hold) {
	published := &port.Set{}
	for _, claim := range claims {
		if claim.Kind == host.PublishedPorts && claim.By == "" {
			published.Union(claim.Ports)
		}
	}
	isOther := func(p host.Process) bool { return p.Command != dockerProxy && p.Command != dockerDaemon }
	holds = slices.DeleteFunc(holds, func(h host.Hold) bool {
		return published.Contains(h.Port) && len(h.Processes) > 0 && !slices.ContainsFunc(h.Processes, isOther)
	})
	var kept []host.Claim
	for _, claim := range claims {
		if claim.Kind != host.NodePorts {
			claim.Ports = claim.Ports.Clone()
			for i := range holds {
				if meets(&holds[i], &claim) {
					claim.Ports.Remove(holds[i].Port)
				}
			}
		}
		if claim.Ports.Len() > 0 {
			kept = append(kept, claim)
		}
	}
	return kept, holds
}

// systemd is the process that opens the sockets of socket units, and keeps them.
const systemd = 1

// meets reports whether a socket on one of the claim's ports is the one that the
// claim is about. On the port of a socket unit it may be another's, that of a
// client which got the port by chance: UDP has no listeners to tell from clients.
func meets(hold *host.Hold, claim *host.Claim) bool {
	if claim.Proto != 0 && claim.Proto != hold.Proto {
		return false
	}
	if claim.Kind != host.SocketUnit || hold.Proto != port.UDP || len(hold.Processes) == 0 {
		return true
	}
	return slices.ContainsFunc(hold.Processes, func(p host.Process) bool { return p.PID == systemd })
}
