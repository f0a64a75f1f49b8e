package rules

import (
	"cmp"
	"fmt"
	"slices"

	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/words"
)

// ratesShown is how many pools with new connections are worth a finding.
const ratesShown = 10

// nearCeiling is the share of the highest rate from which it is close: at that
// rate TIME_WAIT comes to hold the same share of the pool.
const nearCeiling = judge.NearRatio

// connectionRate: how fast connections come, and how fast they may.
var connectionRate = &Rule{
	Kind: finding.Kind{
		Code: "connection-rate", Title: "How fast connections come, and how fast they may",
		Causes: causesOfDetails(),
		Evidence: func(f *finding.Finding) string {
			v := f.Values
			text := fmt.Sprintf("at least %s over %s",
				words.PerSecond(v.Float("rate"), "new connection"), words.Span(v.Duration("over")))
			if ceiling := v.Float("ceiling"); ceiling > 0 {
				text += fmt.Sprintf("; TIME_WAIT allows %s (%s, each kept for %s) that this side closes first, which closed %s: %s of that",
					words.Rate(ceiling), words.Count(v.Int("size"), "port"), words.Span(v.Duration("kept")),
					words.Rate(v.Float("closed_here")), words.Percent(v.Float("of_ceiling")))
			}
			if settled := v.Float("settled"); settled > 0 {
				text += fmt.Sprintf("; TIME_WAIT grows to about %s and no further", words.Count(int(settled+0.5), "port"))
			}
			if wall := v.Duration("to_wall"); wall > 0 {
				text += fmt.Sprintf("; %s left, at this pace for %s", words.Count(v.Int("left"), "port"), words.Span(wall))
			}
			return text
		},
	},
	Needs: host.WantSockets | host.WantOpened,
	Namespace: func(p *Place) {
		rates := slices.Clone(p.Rates)
		slices.SortStableFunc(rates, func(a, b judge.Rate) int { return cmp.Compare(b.PerSecond, a.PerSecond) })
		for i := range rates {
			if r := &rates[i]; r.Closeness() >= nearCeiling {
				p.add(finding.Warning, poolSubject(&r.Pool), rateValues(p, r), lessWaiting(p, &r.Pool)...)
			} else if i < ratesShown {
				p.add(finding.Info, poolSubject(&r.Pool), rateValues(p, r), finding.Action{
					Step: finding.Today, Command: finding.Portrange(p.NS.Ref, "plan", "--from-live", "1m"),
					Text: "nothing to do; this tells whether the ports are enough for the load, and with --rate what a higher one needs",
				})
			}
		}
	},
}

func rateValues(p *Place, r *judge.Rate) finding.Values {
	values := finding.Values{
		{Name: "rate", V: r.PerSecond}, {Name: "over", V: p.Elapsed},
		{Name: "size", V: r.Pool.Size}, {Name: "left", V: r.Pool.Left},
	}
	if r.Ceiling > 0 {
		values = append(values, finding.Values{
			{Name: "closed_here", V: r.ClosedHere}, {Name: "ceiling", V: r.Ceiling}, {Name: "of_ceiling", V: r.Closeness()}, {Name: "kept", V: r.Kept},
		}...)
	}
	if r.LevelsOff() {
		values = append(values, finding.Value{Name: "settled", V: r.Settled})
	}
	if r.ToWall > 0 {
		values = append(values, finding.Value{Name: "to_wall", V: r.ToWall})
	}
	return values
}
