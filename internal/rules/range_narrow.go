package rules

import (
	"fmt"

	"portrange/internal/capacity"
	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/port"
	"portrange/internal/words"
)

// useful is the share of the fullest pool from which a small range is worth a word.
const useful = 0.25

// rangeNarrow: the range is narrower than the kernel's default.
var rangeNarrow = &Rule{
	Kind: finding.Kind{
		Code: "range-narrow", Title: "The range is narrower than the kernel's default",
		Causes: causesOfDetails(),
		Evidence: func(f *finding.Finding) string {
			size, standard := f.Values.Int("size"), port.DefaultRange.Size()
			return fmt.Sprintf("%s, %s fewer than the kernel's default of %s; %s", words.Count(size, "port"),
				words.Thousands(standard-size), words.Thousands(standard), useText(f.Values))
		},
	},
	Needs: host.WantSockets,
	Namespace: func(p *Place) {
		if p.NS.Settings.Range.Size() >= port.DefaultRange.Size() {
			return
		}
		severity := finding.Info
		if p.busy() >= useful {
			severity = finding.Warning
		}
		p.add(severity, rangeSubject(p), rangeValues(p), setRange(p.NS, port.DefaultRange,
			"unless a firewall wants it so", fullestWith(p, port.DefaultRange)))
	},
}

// rangeSubject is the range, with the pool that needs it where one is busy: of a
// destination, or else one that all destinations share.
func rangeSubject(p *Place) finding.Subject {
	subject := finding.OfSetting(port.KeyRange, p.NS.Settings.Range.String())
	if p.busy() >= useful {
		return withPool(subject, p.fullest())
	}
	if shared := p.fullestShared(); shared != nil && shared.Taken() >= useful {
		subject.Proto, subject.Local = shared.Proto, shared.Source()
	}
	return subject
}

// fullestShared is the pool with the largest share taken of those that all
// destinations share and something draws on, nil where there is none.
func (p *Place) fullestShared() *judge.LocalPool {
	var worst *judge.LocalPool
	pools := judge.Distinct(p.Verdict.LocalPools)
	for i := range pools {
		if pool := &pools[i]; judge.DrawnOn(p.NS, pool) && (worst == nil || pool.Taken() > worst.Taken()) {
			worst = pool
		}
	}
	return worst
}

// withPool says which pool a setting matters to.
func withPool(subject finding.Subject, pool *judge.Pool) finding.Subject {
	of := poolSubject(pool)
	subject.Proto, subject.Local, subject.Remote = of.Proto, of.Local, of.Remote
	return subject
}

// rangeValues are the size of the range and how much of it the fullest pool has left.
func rangeValues(p *Place) finding.Values {
	values := finding.Values{{Name: "size", V: p.NS.Settings.Range.Size()}}
	if worst := p.fullest(); worst != nil {
		values = append(values, finding.Values{
			{Name: "pool_size", V: worst.Size}, {Name: "left", V: worst.Left}, {Name: "remote", V: worst.Remote},
		}...)
	}
	return values
}

func useText(v finding.Values) string {
	remote := v.Text("remote")
	if remote == "" {
		return "no pool of a destination uses a port of it"
	}
	return fmt.Sprintf("the fullest pool, towards %s, has %s of %s left",
		remote, words.Thousands(v.Int("left")), words.Thousands(v.Int("pool_size")))
}

// fullestWith predicts the fullest pool in another range, nil where there is none.
func fullestWith(p *Place, r port.Range) *finding.Effect {
	worst := p.fullest()
	if worst == nil {
		return nil
	}
	present := p.present(worst)
	return present.With(capacity.Remedy{Size: p.usableIn(r)})
}
