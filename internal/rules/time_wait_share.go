package rules

import (
	"fmt"
	"strings"

	"portrange/internal/capacity"
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
			switch {
			case v.Text("timestamps") != host.No.String():
			case v.Get("offered") == true:
				text += "; none of these connections had TCP timestamps, as the other end sends none, " +
					"so tcp_tw_reuse cannot take their ports over"
			default:
				text += "; none of these connections had TCP timestamps, which are off at this end, " +
					"so tcp_tw_reuse cannot take their ports over"
			}
			text += "; a port in TIME_WAIT has no process, "
			if held := heldBy(v); held != "" {
				return text + "connections there now: " + strings.TrimPrefix(held, "; ")
			}
			return text + "and none was seen with a connection there now"
		},
	},
	Needs: host.WantSockets | host.WantOwners,
	Show:  ShownAsCause,
	Namespace: func(p *Place) {
		for i := range p.Verdict.Pools {
			pool := &p.Verdict.Pools[i]
			if share(pool, port.TimeWait) >= worthWaiting && 2*pool.In(port.TimeWait) >= pool.Used {
				values := append(p.poolValues(pool),
					finding.Value{Name: "timestamps", V: judge.Stamps(p.NS, pool.Tuple).String()},
					finding.Value{Name: "offered", V: p.NS.Settings.Timestamps != 0})
				p.add(finding.Info, poolSubject(pool), values, lessWaiting(p, pool)...)
			}
		}
	},
}

// lessWaiting are the ways to have fewer ports in TIME_WAIT. What helps at once comes
// first: to take ports over, where it is known that both ends send timestamps, else
// more room, which is searched the longer the more of it waits. What lasts is a
// program that does not close.
func lessWaiting(p *Place, pool *judge.Pool) []finding.Action {
	present := p.present(pool)
	reuse, room := takeOver(p, pool, &present), widenWaiting(p, pool, &present)
	actions := append(room, reuse...)
	if len(reuse) > 0 && p.NS.Settings.Timestamps != 0 && judge.Stamps(p.NS, pool.Tuple) == host.Yes {
		for i := range room {
			room[i].Step = finding.Today
		}
		actions = append(reuse, room...)
	}
	return append(append(actions, offerStamps(p, pool, &present)...), keepOpen(p, pool, &present))
}

// widenWaiting is [widen] for a pool that TIME_WAIT fills, with what comes of it.
func widenWaiting(p *Place, pool *judge.Pool, present *capacity.Present) []finding.Action {
	actions := widen(p, present)
	for i := range actions {
		size := actions[i].Effect.Size
		text := fmt.Sprintf("up to %s it stays below its half, from which connect() is slow", words.Rate(present.HalfRate(size)))
		if after := present.ToHalf(size); after > 0 {
			text = fmt.Sprintf("past its half again in %s at %s, and connect() is slow from there on", words.Span(after), words.Rate(present.Rate))
		}
		if pool.Left == 0 {
			text += "; what a full pool refuses is not in this rate"
		}
		actions[i].Text = text
	}
	return actions
}

// offerStamps is what the administrator of the other end can do, where that end has
// no timestamps and this one has.
func offerStamps(p *Place, pool *judge.Pool, present *capacity.Present) []finding.Action {
	if p.NS.Settings.Timestamps == 0 || judge.Stamps(p.NS, pool.Tuple) != host.No {
		return nil
	}
	then := judge.Reuse{Mode: judge.ReuseOn, Delay: port.DefaultTWReuseDelay, Timestamps: true}
	return []finding.Action{{
		Step: finding.Today, Effect: present.With(capacity.Remedy{Kept: then.Kept(false)}),
		Text: "turn TCP timestamps on at " + pool.Remote + " (" + port.KeyTimestamps + "=1; a load balancer or firewall on the way " +
			"may strip them), as without them no port can be taken over while it waits",
	}}
}
