package rules

import (
	"portrange/internal/capacity"
	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/port"
)

// poolFull: no port is left to a destination.
var poolFull = &Rule{
	Kind: finding.Kind{
		Code: "pool-full", Title: "No port is left to a destination",
		Causes: causesOfFullPools(), Evidence: poolEvidence,
	},
	Needs:     host.WantSockets | host.WantOwners,
	Show:      Shown,
	Namespace: func(p *Place) { eachPool(p, full, finding.Critical) },
	Change:    worsened,
}

// eachPool adds a finding for each pool of a level.
func eachPool(p *Place, wanted level, severity finding.Severity) {
	for i := range p.Verdict.Pools {
		if pool := &p.Verdict.Pools[i]; p.levelOf(pool) == wanted {
			p.add(severity, poolSubject(pool), p.poolValues(pool), moreRoom(p, pool)...)
		}
	}
}

// moreRoom are the ways to give a pool more ports where nothing explains why it
// is as full as it is, the quickest first.
func moreRoom(p *Place, pool *judge.Pool) []finding.Action {
	present := p.present(pool)
	var actions []finding.Action
	if share(pool, port.TimeWait) >= worthWaiting {
		actions = takeOver(p, pool, &present)
	}
	actions = append(actions, widen(p, &present)...)
	spread := finding.Action{
		Step:   finding.Today,
		Text:   "add a source address or a port at the destination: each pair of them has a pool of its own",
		Effect: present.With(capacity.Remedy{Sources: 2}),
	}
	if present.Rate == 0 {
		return append(append(actions, spread), fewerOpen(p, pool)...)
	}
	return append(actions, spread, keepOpen(p, pool, &present))
}

// fewerOpen are the ways to keep fewer connections of a pool open, where none of
// them ends here: reusing connections would not free a port.
func fewerOpen(p *Place, pool *judge.Pool) []finding.Action {
	return []finding.Action{
		{
			Step: finding.Today, Command: socketsOf(p, pool, pool.Owners, ""), Text: "lists them with their processes",
		},
		{
			Step: finding.InProgram, Text: "close connections that carry nothing (an idle timeout), and limit how many are open at once",
		},
	}
}

// share is the share of a pool that is in a state.
func share(pool *judge.Pool, state port.State) float64 {
	return float64(pool.In(state)) / float64(max(pool.Size, 1))
}

// poolValues are the numbers of a pool.
func (p *Place) poolValues(pool *judge.Pool) finding.Values {
	values := finding.Values{
		{Name: "used", V: pool.Used}, {Name: "size", V: pool.Size}, {Name: "left", V: pool.Left},
		{Name: "time_wait", V: pool.In(port.TimeWait)}, {Name: "reusable", V: pool.Reusable},
	}
	if present := p.present(pool); present.Rate > 0 {
		values = append(values, finding.Value{Name: "rate", V: present.Rate})
	}
	return withOwners(values, pool.Owners)
}

// withOwners adds the processes that hold ports, where they are known.
func withOwners(values finding.Values, owners []judge.Owner) finding.Values {
	if len(owners) == 0 {
		return values
	}
	return append(values, finding.Value{Name: "owners", V: owners})
}
