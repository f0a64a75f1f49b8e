package rules

import (
	"fmt"

	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/port"
	"portrange/internal/words"
)

// worthWaiting is the share of a pool in one state of closing from which it matters.
const worthWaiting = 0.1

// timeWaitShare: a pool consists of TIME_WAIT to a good part.
func timeWaitShare() *Rule {
	return &Rule{
		Kind: finding.Kind{
			Code: "time-wait-share", Title: "Most ports of a pool are in TIME_WAIT",
			Evidence: func(f *finding.Finding) string {
				waiting, used := f.Values.Int("time_wait"), f.Values.Int("used")
				return fmt.Sprintf("%s of %s in use are in TIME_WAIT (%s): this side closes first, and each port stays taken for %s",
					words.Thousands(waiting), words.Count(used, "port"), words.Percent(float64(waiting)/float64(used)), words.Span(port.TimeWaitLength))
			},
		},
		Needs: host.WantSockets,
		Namespace: func(p *Place) {
			for i := range p.Verdict.Pools {
				pool := &p.Verdict.Pools[i]
				waiting := pool.In(port.TimeWait)
				if float64(waiting) >= worthWaiting*float64(pool.Size) && 2*waiting >= pool.Used && pool.Size > 0 {
					p.add(finding.Info, poolSubject(pool), poolValues(pool), lessWaiting(p, pool)...)
				}
			}
		},
	}
}

// lessWaiting are the ways to have fewer ports in TIME_WAIT.
func lessWaiting(p *Place, pool *judge.Pool) []finding.Action {
	present := p.present(pool)
	var actions []finding.Action
	if !judge.ReuseUnder(&p.NS.Settings).Lasts(judge.OnLoopback(pool.Tuple)) {
		actions = append(actions, reuse(p, &present))
	}
	actions = append(actions, widen(p, &present)...)
	return append(actions, keepOpen(&present))
}
