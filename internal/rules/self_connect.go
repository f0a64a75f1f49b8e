package rules

import (
	"fmt"
	"strconv"

	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/port"
)

// selfConnect: a socket is connected to itself, on a port that a service has when it
// is up.
var selfConnect = &Rule{
	Kind: finding.Kind{
		Code: "self-connect", Title: "A socket that is connected to itself",
		Evidence: func(f *finding.Finding) string {
			return fmt.Sprintf("a connection to %s got the same port as its own end, so both ends are one socket: it reads what it "+
				"writes, and a service on port %s cannot start%s", f.Subject.Remote, f.Values.Text("port"), heldBy(f.Values))
		},
	},
	Needs: host.WantSockets | host.WantOwners,
	Namespace: func(p *Place) {
		for i := range p.Verdict.Pools {
			pool := &p.Verdict.Pools[i]
			tuple, at := pool.Tuple, pool.Tuple.Remote.Port()
			if tuple.Local != tuple.Remote.Addr() || !p.NS.Usage.Tuples[tuple].Contains(at) || p.NS.Usage.Listening.Contains(at) {
				continue
			}
			who, process := "the process that holds it", firstOf(pool.Owners)
			if process != nil {
				who = process.String()
			}
			p.add(finding.Warning, poolSubject(pool), withOwners(finding.Values{{Name: "port", V: strconv.Itoa(int(at))}}, pool.Owners),
				finding.Action{
					Step: finding.Now, Change: finding.Restart, Process: process,
					Text: "restart " + who + ", then start the service: nothing else frees the port",
				},
				reserve(p.NS, port.Range{Low: at, High: at}.Set(), "to keep it from happening again: nothing is picked there then"))
		}
	},
}
