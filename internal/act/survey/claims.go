package survey

import (
	"context"
	"fmt"

	"portrange/internal/act"
	"portrange/internal/catalogue"
	"portrange/internal/port"
)

// claim asks everybody who may need ports without having a socket on them.
func (s *Survey) claim(ctx context.Context, sites []*site) []port.Gap {
	var gaps []port.Gap
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
	s.facts.Claims = append(s.facts.Claims, without(found, s.held())...)
}

// held are the ports on which a socket shows who needs them.
func (s *site) held() *port.Set {
	set := &port.Set{}
	for i := range s.facts.Holds {
		set.Add(s.facts.Holds[i].Port)
	}
	return set
}

func without(list []act.Claim, held *port.Set) []act.Claim {
	var kept []act.Claim
	for _, claim := range list {
		claim.Ports = claim.Ports.Clone()
		claim.Ports.Subtract(held)
		if claim.Ports.Len() > 0 {
			kept = append(kept, claim)
		}
	}
	return kept
}

// services finds installed services by their unit files.
func (s *Survey) services() ([]act.Claim, []port.Gap) {
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
