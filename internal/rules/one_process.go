package rules

import (
	"fmt"

	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/port"
	"portrange/internal/words"
)

// oneProcess: one process has nine tenths of the open connections of a pool, which
// is mostly established.
var oneProcess = &Rule{
	Kind: finding.Kind{
		Code: "one-process", Title: "One process keeps most connections of a pool open",
		Causes: []string{"close-wait-leak", "fin-wait2-share", "time-wait-share"},
		// It explains a full pool where nothing else does.
		Weight: func(*finding.Finding) int { return 1 },
		Evidence: func(f *finding.Finding) string {
			v := f.Values
			return fmt.Sprintf("%s of %s belong to %s, and %s are established: they take ports until the process closes them",
				words.Thousands(v.Int("process_open")), words.Count(v.Int("open"), "open connection"), f.Subject.Process,
				words.Thousands(v.Int("established")))
		},
	},
	Needs: host.WantSockets | host.WantOwners,
	Show:  ShownAsCause,
	Namespace: func(p *Place) {
		for i := range p.Verdict.Pools {
			pool := &p.Verdict.Pools[i]
			if len(pool.Owners) == 0 {
				continue
			}
			subject, owner := poolSubject(pool), &pool.Owners[0]
			subject.Process = &owner.Process
			open, established := pool.Used-pool.In(port.TimeWait), pool.In(port.Established)
			if 10*owner.Used < 9*open || 2*established <= pool.Used {
				continue
			}
			if !p.past(pool.Taken(), judge.SlowRatio, subject, "one-process") {
				continue
			}
			p.add(finding.Info, subject, append(finding.Values{
				{Name: "process_open", V: owner.Used}, {Name: "open", V: open}, {Name: "established", V: established},
			}, p.poolValues(pool)...), tameProcess(p, pool)...)
		}
	},
}

// tameProcess is more room at once, which a process that never closes fills
// again, then a look at the connections, then the program.
func tameProcess(p *Place, pool *judge.Pool) []finding.Action {
	present := p.present(pool)
	return append(retold(widen(p, &present), "room for now: a process that never closes fills it too"),
		finding.Action{
			Step: finding.Today, Command: socketsOf(p, pool, pool.Owners, ""),
			Text: "lists the connections: are they used, or forgotten?",
		},
		finding.Action{
			Step: finding.InProgram, Change: finding.CloseIdle, Process: firstOf(pool.Owners),
			Text: "find why " + pool.Owners[0].Process.String() + " opens so many, and does not close or reuse them: " +
				"give its connection pool a limit, and close idle connections",
		},
	)
}
