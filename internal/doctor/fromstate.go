package doctor

import (
	"portrange/internal/boot"
	"portrange/internal/host"
	"portrange/internal/port"
)

// Want is what an examination needs.
const Want = host.WantSockets | host.WantOwners | host.WantHolds | host.WantClaims |
	host.WantLimits | host.WantTCP | host.WantNAT | host.WantFeatures | host.WantHost

// FromStates makes facts of a look at the host, and of an earlier one, nil for
// none. A namespace that has gone since the earlier look keeps that one. forecast
// is what will hold after a reboot in the namespace numbered booted.
func FromStates(earlier, now *host.State, booted uint64, forecast *boot.Report) *Facts {
	facts := &Facts{
		Kernel: now.Kernel, Features: now.Features,
		Machine: Machine{Files: now.Files, TCP: now.TCP},
	}
	first := now
	if earlier != nil {
		first = earlier
	}
	for i := range first.Namespaces {
		before := &first.Namespaces[i]
		patient := patientOf(now, before)
		if ns := now.Find(before.ID); ns != nil && earlier != nil {
			patient = patientOf(now, ns)
			patient.Earlier, patient.TimeWaitEarlier = before, before.TimeWait
			patient.Elapsed = now.TakenAt.Sub(earlier.TakenAt)
		}
		if before.ID == booted {
			patient.Boot = forecast
		}
		facts.Namespaces = append(facts.Namespaces, patient)
	}
	return facts
}

func patientOf(state *host.State, ns *host.Namespace) Patient {
	patient := Patient{
		Now: *ns, Holds: holdsOf(ns), HasStepWidth: ns.Settings.HasStepWidth,
		TimeWait: ns.TimeWait, Conntrack: ns.Conntrack, SourceNAT: ns.NAT,
	}
	if state.HostRange != nil && state.HostNetNS != ns.ID {
		patient.Host = state.HostRange
	}
	if state.Cost != nil {
		patient.Cost = costOf(state.Cost)
	}
	if ns.Busiest != nil {
		patient.Process = &Process{Process: ns.Busiest.Process, Ports: ns.Busiest.Ports, Files: *ns.Busiest}
	}
	for _, claim := range ns.Claims {
		patient.Claims = append(patient.Claims, Claim{
			Code: string(claim.Kind), Who: claim.Who, Ports: claim.Ports, Evidence: claim.Evidence, Proto: claim.Proto,
		})
	}
	return patient
}

func costOf(measured *host.ConnectCost) *Cost {
	cost := &Cost{Ports: measured.Ports, Failing: measured.Failing}
	for _, step := range measured.Steps {
		cost.Steps = append(cost.Steps, Step(step))
	}
	return cost
}

// holdsOf are the listeners of the range, then who has ports that services claim.
func holdsOf(ns *host.Namespace) []Hold {
	var holds []Hold
	for _, hold := range ns.Holds {
		if hold.Proto == port.TCP && hold.State == port.Listen && ns.Settings.Range.Contains(hold.Port) {
			holds = append(holds, Hold{Proto: hold.Proto, Port: hold.Port, Listening: true, Processes: hold.Processes})
		}
	}
	for _, taker := range ns.Takers {
		holds = append(holds, Hold{Proto: taker.Proto, Port: taker.Port, Processes: taker.Processes})
	}
	for _, hold := range ns.Holds {
		if hold.Proto == port.UDP {
			holds = append(holds, Hold{Proto: hold.Proto, Port: hold.Port, Processes: hold.Processes})
		}
	}
	return holds
}
