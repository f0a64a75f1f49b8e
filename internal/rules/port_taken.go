package rules

import (
	"fmt"
	"slices"
	"strconv"

	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/port"
	"portrange/internal/words"
)

// portTaken: a service could not start now, as others have its port.
var portTaken = &Rule{
	Kind: finding.Kind{
		Code: "port-taken", Title: "A connection or a UDP socket sits on a service's port", Evidence: takenEvidence,
	},
	Needs: host.WantSockets | host.WantHolds | host.WantClaims,
	Namespace: func(p *Place) {
		for i := range p.NS.Claims {
			claim := &p.NS.Claims[i]
			if claim.By == "" && (claim.Kind == host.SocketUnit || claim.Kind == host.ServicePort) {
				p.takenFrom(claim)
			}
		}
	},
}

// takenFrom reports the ports of one claim that others have at this moment. A
// connection is in the way of TCP alone, and a UDP socket of UDP.
func (p *Place) takenFrom(claim *host.Claim) {
	proto, count, taken, processes := port.TCP, 0, &port.Set{}, []host.Process{}
	udp := p.NS.Usage.UDP()
	if claim.Proto == port.UDP {
		proto = port.UDP
	}
	for at := range unmet(p.NS, claim, p.Ports.Open()).All() {
		n := connections(p.NS, at)
		switch {
		case proto == port.UDP && udp.Contains(at):
			n = 1
		case proto == port.UDP || n == 0 || p.NS.Usage.BindHeld.Contains(at):
			continue
		}
		count += n
		taken.Add(at)
		for _, process := range holdersOf(p.NS, proto, at) {
			if !slices.Contains(processes, process) {
				processes = append(processes, process)
			}
		}
	}
	if taken.Len() == 0 {
		return
	}
	severity := finding.Warning // the service may well be configured to another port
	if claim.Kind == host.SocketUnit {
		severity = finding.Critical
	}
	subject := finding.Subject{Object: claim.Who, Proto: proto.String()}
	values := append(portValues(taken), finding.Values{
		{Name: "service", V: claim.Who}, {Name: "sockets", V: count}, {Name: "processes", V: processes},
	}...)
	p.add(severity, subject, values, freeAndReserve(p.NS, taken)...)
}

func freeAndReserve(ns *host.Namespace, taken *port.Set) []finding.Action {
	first := 0
	for at := range taken.All() {
		first = int(at)
		break
	}
	return []finding.Action{
		{
			Step: finding.Now, Command: finding.Portrange(ns.Ref, "sockets", "--local", ":"+strconv.Itoa(first)),
			Text: "it cannot start (EADDRINUSE) until the port is free, TIME_WAIT included; this lists what holds it",
		},
		reserve(ns, taken, "to keep it from happening again"),
	}
}

func takenEvidence(f *finding.Finding) string {
	v := f.Values
	verb, what := "is", "outgoing connection"
	if v.Int("count") > 1 {
		verb = "are"
	}
	if f.Subject.Proto == port.UDP.String() {
		what = "UDP socket"
	}
	sockets := words.Count(v.Int("sockets"), what)
	if v.Int("sockets") == 1 {
		sockets = "one " + what
	}
	processes, _ := v.Get("processes").([]host.Process)
	var names []string
	for _, process := range processes {
		names = append(names, process.String())
	}
	if len(names) == 0 {
		names = []string{"a process that could not be seen"}
	}
	return fmt.Sprintf("%s %s held now by %s of %s", portsText(f), verb, sockets, words.Join(names, "and"))
}
