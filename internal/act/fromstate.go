package act

import (
	"errors"
	"fmt"
	"slices"

	"portrange/internal/act/journal"
	"portrange/internal/host"
)

// Want is what a plan is made from.
const Want = host.WantSockets | host.WantHolds | host.WantClaims | host.WantLimits

// FromState makes facts of a look at the host. identify describes a namespace so
// that it can be told from others later, by its inode number; one of many for
// which that fails is a gap. The one with the number own is the caller's, to
// which the files are taken to apply, besides the host's.
func FromState(state *host.State, own uint64, identify func(id uint64) (journal.Place, error)) (Facts, error) {
	facts := Facts{Gaps: slices.Clone(state.Gaps)}
	var failures []error
	for i := range state.Namespaces {
		ns := &state.Namespaces[i]
		place, err := identify(ns.ID)
		if err != nil {
			failures = append(failures, err)
			facts.Gaps = append(facts.Gaps, host.Gap{Part: host.PartSettings, NetNS: ns.ID, Why: err.Error()})
			continue
		}
		facts.Namespaces = append(facts.Namespaces, siteOf(state, ns, place, place.Host || ns.ID == own))
	}
	if len(facts.Namespaces) == 0 {
		return facts, errors.Join(failures...)
	}
	return facts, nil
}

func siteOf(state *host.State, ns *host.Namespace, place journal.Place, booted bool) Site {
	site := Site{Place: place, Booted: booted, Now: *ns, Limits: limitsOf(state, ns)}
	for _, hold := range ns.Holds {
		site.Holds = append(site.Holds, Hold(hold))
	}
	for _, claim := range ns.Claims {
		site.Claims = append(site.Claims, Claim{
			Code: string(claim.Kind), Who: claim.Who, Ports: claim.Ports, Evidence: claim.Evidence, Proto: claim.Proto,
		})
	}
	return site
}

// limitsOf is what bounds the number of connections besides ports. There is no
// conntrack where the kernel tracks no connections, and no process where none
// has a port of the range.
func limitsOf(state *host.State, ns *host.Namespace) []Limit {
	var list []Limit
	if ns.Conntrack != nil {
		list = append(list, Limit{Name: "net.netfilter.nf_conntrack_max", Value: ns.Conntrack.Max, Each: "an entry of netfilter's table"})
	}
	if state.Files != nil {
		list = append(list,
			Limit{Name: "fs.file-max", Value: state.Files.Max, Each: "an open file"},
			Limit{Name: "fs.nr_open", Value: state.Files.PerProcess, Each: "an open file of its process"})
	}
	if ns.Busiest != nil {
		list = append(list, Limit{Name: fmt.Sprintf("RLIMIT_NOFILE of %s", ns.Busiest.Process), Value: ns.Busiest.Soft, Each: "an open file"})
	}
	return list
}
