package survey

import (
	"context"
	"fmt"
	"slices"

	"portrange/internal/act"
	"portrange/internal/catalogue"
	"portrange/internal/host"
	"portrange/internal/port"
)

// claim asks everybody who may need ports without having a socket on them.
func (s *Survey) claim(ctx context.Context, sites []*site) []host.Gap {
	var gaps []host.Gap
	processes, gap := s.processes()
	gaps = append(gaps, gap...)
	for _, site := range sites {
		found, gap := kubernetes(ctx, site.target, processes)
		gaps = append(gaps, gap...)
		site.facts.Claims = append(site.facts.Claims, found...)
		published, gap := s.published(ctx, site, processes)
		gaps = append(gaps, gap...)
		site.yield(published)
		site.claim(published)
		if site.facts.Booted { // services are started where the files apply
			found, gap := s.services()
			gaps = append(gaps, gap...)
			site.claim(found)
		}
	}
	return gaps
}

// claim notes claims, but for ports whose sockets speak for themselves.
func (s *site) claim(found []act.Claim) {
	for _, claim := range found {
		claim.Ports = claim.Ports.Clone()
		claim.Ports.Subtract(s.held(&claim))
		if claim.Ports.Len() > 0 {
			s.facts.Claims = append(s.facts.Claims, claim)
		}
	}
}

// held are the ports on which a socket shows who needs them.
func (s *site) held(claim *act.Claim) *port.Set {
	set := &port.Set{}
	for i := range s.facts.Holds {
		hold := &s.facts.Holds[i]
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
func passesBy(hold *act.Hold, claim *act.Claim) bool {
	ofUnit := func(p host.Process) bool { return p.PID == systemd }
	return claim.Code == act.SocketUnit && hold.Proto == port.UDP && len(hold.Processes) > 0 && !slices.ContainsFunc(hold.Processes, ofUnit)
}

// services finds installed services by their unit files.
func (s *Survey) services() ([]act.Claim, []host.Gap) {
	units, gaps := readUnits(s.Root)
	claims, more := units.sockets()
	return append(claims, daemons(units)...), append(gaps, more...)
}

func daemons(units units) []act.Claim {
	var claims []act.Claim
	for _, daemon := range catalogue.Daemons() {
		for _, unit := range units.names(".service") {
			if !daemon.HasUnit(unit) {
				continue
			}
			claims = append(claims, act.Claim{
				Code: act.ServicePort, Who: daemon.Name, Ports: daemon.Set(),
				Evidence: fmt.Sprintf("%s is installed and not listening there now; %s is its default (%s)", unit, daemon.Ports, daemon.Source),
			})
			break
		}
	}
	return claims
}
