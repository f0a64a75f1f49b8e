package rules

import (
	"fmt"
	"time"

	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/words"
)

// A pool that fills is worth a warning this long before the wall.
const (
	wallSoon = 10 * time.Minute
	wallNow  = time.Minute
)

// poolFilling: more ports are taken than given back, and soon none is left.
var poolFilling = &Rule{
	Kind: finding.Kind{
		Code: "pool-filling", Title: "A pool fills up within minutes", Causes: causesOfFullPools(),
		Evidence: func(f *finding.Finding) string {
			v := f.Values
			return fmt.Sprintf("%s more in use than given back over %s; %s of %s left, which lasts %s%s",
				words.PerSecond(v.Float("growth"), "port"), words.Span(v.Duration("over")),
				words.Thousands(v.Int("left")), words.Thousands(v.Int("size")), words.Span(v.Duration("to_wall")), mostBy(v))
		},
	},
	Needs: host.WantSockets | host.WantOwners,
	Namespace: func(p *Place) {
		for i := range p.Rates {
			r := &p.Rates[i]
			switch {
			case r.ToWall == 0 || r.ToWall > wallSoon || r.Pool.Left == 0:
			case r.ToWall <= wallNow:
				p.fills(r, finding.Critical)
			default:
				p.fills(r, finding.Warning)
			}
		}
	},
}

// fills adds the finding of a pool that fills: more room at once, then why.
func (p *Place) fills(r *judge.Rate, severity finding.Severity) {
	values := withOwners(finding.Values{
		{Name: "growth", V: r.Growth}, {Name: "over", V: p.Elapsed}, {Name: "left", V: r.Pool.Left}, {Name: "size", V: r.Pool.Size},
		{Name: "to_wall", V: r.ToWall},
	}, r.Pool.Owners)
	present := p.present(&r.Pool)
	p.add(severity, poolSubject(&r.Pool), values, append(widen(p, &present),
		finding.Action{
			Step: finding.Today, Command: finding.Portrange(p.NS.Ref, "sockets", "--remote", r.Pool.Remote),
			Text: "names the processes whose connections stay open",
		},
		finding.Action{Step: finding.InProgram, Text: "find out why connections are not closed or reused"},
	)...)
}
