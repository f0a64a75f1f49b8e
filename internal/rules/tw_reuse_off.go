package rules

import (
	"fmt"

	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/port"
	"portrange/internal/words"
)

// twReuseOff: TIME_WAIT fills a pool, and connect() may not take its ports over.
var twReuseOff = &Rule{
	Kind: finding.Kind{
		Code: "tw-reuse-off", Title: "TIME_WAIT is not reused", Causes: causesOfDetails(),
		Evidence: func(f *finding.Finding) string {
			v, why := f.Values, "0 is off"
			if v.Int("mode") == judge.ReuseLoopback {
				why = "2 is for loopback alone"
			}
			return fmt.Sprintf("it leaves %s in TIME_WAIT untouched (%s); %s of %s left",
				words.Count(v.Int("time_wait"), "port"), why, words.Thousands(v.Int("left")), words.Thousands(v.Int("size")))
		},
	},
	Needs: host.WantSockets,
	Namespace: func(p *Place) {
		reuse := judge.ReuseUnder(&p.NS.Settings)
		worst := waitingPool(p, func(pool *judge.Pool) bool {
			hopeless := reuse.Timestamps && judge.Stamps(p.NS, pool.Tuple) == host.No
			return !reuse.Applies(judge.OnLoopback(pool.Tuple)) && !hopeless
		})
		if worst == nil {
			return
		}
		present := p.present(worst)
		values := append(finding.Values{{Name: "mode", V: reuse.Mode}}, p.poolValues(worst)...)
		p.add(severityAt(worst.Taken()), settingOf(p, port.KeyTWReuse, worst), values, takeOver(p, worst, &present)...)
	},
}

// waitingPool is the pool with most ports in TIME_WAIT that passes the test, nil
// where none has enough of them to matter.
func waitingPool(p *Place, test func(*judge.Pool) bool) *judge.Pool {
	var worst *judge.Pool
	for i := range p.Verdict.Pools {
		pool := &p.Verdict.Pools[i]
		if share(pool, port.TimeWait) < worthWaiting || !test(pool) {
			continue
		}
		if worst == nil || pool.In(port.TimeWait) > worst.In(port.TimeWait) {
			worst = pool
		}
	}
	return worst
}

// reusingPool is the one of them to which tcp_tw_reuse applies.
func reusingPool(p *Place) *judge.Pool {
	reuse := judge.ReuseUnder(&p.NS.Settings)
	return waitingPool(p, func(pool *judge.Pool) bool { return reuse.Applies(judge.OnLoopback(pool.Tuple)) })
}

// settingOf is the subject of a setting of the namespace, with the pool that it
// matters to; nil for none.
func settingOf(p *Place, key string, pool *judge.Pool) finding.Subject {
	value, _ := p.NS.Settings.Value(key)
	subject := finding.OfSetting(key, value)
	if pool == nil {
		return subject
	}
	return withPool(subject, pool)
}
