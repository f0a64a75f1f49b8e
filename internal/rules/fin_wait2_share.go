package rules

import (
	"fmt"
	"strconv"
	"time"

	"portrange/internal/capacity"
	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/port"
	"portrange/internal/words"
)

// shortFinTimeout is a tcp_fin_timeout that leaves any peer time to close.
const shortFinTimeout = 15 * time.Second

// finWait2Share: a pool is full of connections that this side has closed, and the
// other has not.
var finWait2Share = &Rule{
	Kind: finding.Kind{
		Code: "fin-wait2-share", Title: "Connections that only the other side keeps open",
		Weight: func(f *finding.Finding) int { return f.Values.Int("fin_wait2") },
		Evidence: func(f *finding.Finding) string {
			v := f.Values
			text := stateText(v, "fin_wait2", "FIN_WAIT_2") + ": this side has closed, the other has not"
			if orphaned, known := v.Get("orphaned").(int); known && orphaned == 0 {
				text += "; a process still holds each of them"
			} else if known {
				text += fmt.Sprintf("; %s of them have no process any more and end after %s",
					words.Thousands(orphaned), words.Span(v.Duration("timeout")))
			}
			return text + mostBy(v)
		},
	},
	Needs: host.WantSockets | host.WantOwners,
	Show:  ShownAsCause,
	Namespace: func(p *Place) {
		for i := range p.Verdict.Pools {
			if pool := &p.Verdict.Pools[i]; share(pool, port.FinWait2) >= worthWaiting {
				p.halfClosed(pool)
			}
		}
	},
}

// halfClosed adds the finding. Only where the files of all processes could be read
// is it known which connections have no process any more, and so a timeout: one
// that somebody holds has none.
func (p *Place) halfClosed(pool *judge.Pool) {
	n := pool.In(port.FinWait2)
	orphaned := 0
	values := finding.Values{
		{Name: "fin_wait2", V: n}, {Name: "used", V: pool.Used}, {Name: "size", V: pool.Size}, {Name: "left", V: pool.Left},
		{Name: "timeout", V: p.NS.Settings.FinTimeout},
	}
	if holdings := p.NS.Holdings; holdings != nil && !holdings.Partial {
		orphaned = pool.Orphaned
		values = append(values, finding.Value{Name: "orphaned", V: orphaned})
	}
	p.add(finding.Warning, poolSubject(pool), withOwners(values, pool.Owners), endHalfClosed(p, pool, orphaned)...)
}

// endHalfClosed are the ways to be rid of connections in FIN_WAIT_2. A timeout
// ends only those that no process holds, so it comes first where at least half are
// known to be such. Orphaned is 0 where that is not known.
func endHalfClosed(p *Place, pool *judge.Pool, orphaned int) []finding.Action {
	present, timeout := p.present(pool), p.NS.Settings.FinTimeout
	var actions []finding.Action
	if timeout > shortFinTimeout && 2*orphaned >= pool.In(port.FinWait2) {
		actions = []finding.Action{{
			Step: finding.Now, Command: sysctl(p.NS, port.KeyFinTimeout+"="+strconv.Itoa(int(shortFinTimeout.Seconds()))),
			Text:   "ends new ones that their process has closed sooner; one that it has only shut down() has no timeout",
			Effect: present.With(capacity.Remedy{Freed: orphaned - int(float64(orphaned)*shortFinTimeout.Seconds()/timeout.Seconds())}),
		}}
	}
	return append(append(actions, widen(p, &present)...),
		finding.Action{
			Step: finding.Today, Command: socketsOf(p, pool, nil, "fin-wait2"),
			Text: "lists them: one with a process is shut down and not closed, one without waits for the timeout",
		},
		finding.Action{
			Step: finding.InProgram,
			Text: "have the other side close when it has read to the end; " +
				"here, call close() and not only shutdown() where no answer is awaited",
		})
}
