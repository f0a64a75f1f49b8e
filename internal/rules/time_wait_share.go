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
var timeWaitShare = &Rule{
	Kind: finding.Kind{
		Code: "time-wait-share", Title: "Most ports of a pool are in TIME_WAIT",
		Weight: func(f *finding.Finding) int { return f.Values.Int("time_wait") },
		Evidence: func(f *finding.Finding) string {
			v := f.Values
			text := stateText(v, "time_wait", "TIME_WAIT") + ": this side closes first, and each port stays taken for " +
				words.Span(port.TimeWaitLength)
			if reusable := v.Int("reusable"); reusable > 0 {
				text += fmt.Sprintf(", but %s may be taken over now", words.Count(reusable, "port"))
			}
			if v.Text("timestamps") == host.No.String() {
				text += "; none of these connections had TCP timestamps, so tcp_tw_reuse cannot take their ports over"
			}
			if owners := ownersIn(v); len(owners) > 0 {
				text += "; " + owners[0].Process.String() + " has most of the open connections"
			}
			return text
		},
	},
	Needs: host.WantSockets | host.WantOwners,
	Show:  ShownAsCause,
	Namespace: func(p *Place) {
		for i := range p.Verdict.Pools {
			pool := &p.Verdict.Pools[i]
			if share(pool, port.TimeWait) >= worthWaiting && 2*pool.In(port.TimeWait) >= pool.Used {
				values := append(p.poolValues(pool), finding.Value{Name: "timestamps", V: judge.Stamps(p.NS, pool.Tuple).String()})
				p.add(finding.Info, poolSubject(pool), values, lessWaiting(p, pool)...)
			}
		}
	},
}

// lessWaiting are the ways to have fewer ports in TIME_WAIT: a setting that ends
// the waiting where it can, more room, and a program that does not close.
func lessWaiting(p *Place, pool *judge.Pool) []finding.Action {
	present := p.present(pool)
	actions := append(takeOver(p, pool, &present), widen(p, &present)...)
	return append(actions, keepOpen(&present))
}
