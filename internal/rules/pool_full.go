package rules

import (
	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/port"
)

// poolFull: no port is left to a destination.
func poolFull() *Rule {
	return &Rule{
		Kind: finding.Kind{
			Code: "pool-full", Title: "No port is left to a destination",
			Causes: causesOfFullPools(), Evidence: poolEvidence,
		},
		Needs:  host.WantSockets | host.WantOwners,
		Change: worsened,
		Namespace: func(p *Place) {
			eachPool(p, func(pool *judge.Pool) bool { return pool.Left == 0 }, finding.Critical)
		},
	}
}

// causesOfFullPools are the codes of what fills a pool.
func causesOfFullPools() []string {
	return []string{"close-wait-leak", "time-wait-share", "range-withheld", "bind-before-connect", "one-process"}
}

// eachPool adds a finding for each pool that passes the test.
func eachPool(p *Place, test func(*judge.Pool) bool, severity finding.Severity) {
	for i := range p.Verdict.Pools {
		if pool := &p.Verdict.Pools[i]; test(pool) {
			p.add(severity, poolSubject(pool), poolValues(pool), moreRoom(p, pool)...)
		}
	}
}

// moreRoom are the ways to give a pool more ports where nothing explains why it
// is as full as it is, the quickest first.
func moreRoom(p *Place, pool *judge.Pool) []finding.Action {
	present := p.present(pool)
	return append(widen(p, &present), moreTuples(&present), keepOpen(&present))
}

// poolValues are the numbers of a pool.
func poolValues(pool *judge.Pool) finding.Values {
	values := finding.Values{
		{Name: "used", V: pool.Used}, {Name: "size", V: pool.Size}, {Name: "left", V: pool.Left},
		{Name: "time_wait", V: pool.In(port.TimeWait)}, {Name: "reusable", V: pool.Reusable},
	}
	if len(pool.Owners) > 0 {
		values = append(values, finding.Value{Name: "owners", V: pool.Owners})
	}
	return values
}
