package rules

import (
	"slices"

	"portrange/internal/finding"
	"portrange/internal/judge"
)

// level is how full a pool is.
type level int

const (
	roomy level = iota
	pastHalf
	nearFull
	full
)

// slack is by how much a share has to fall below a mark before a finding that
// says it is past it goes.
const slack = 0.05

// past reports whether a share has passed a mark. While one of the codes stands
// for the subject the mark is lower, so that a share that swings around it makes
// no finding that comes and goes.
func (p *Place) past(share, mark float64, subject finding.Subject, codes ...string) bool {
	if slices.ContainsFunc(codes, func(code string) bool { return p.Standing.Stands(code, p.NS.ID, subject) }) {
		mark -= slack
	}
	return share >= mark
}

// levelOf is how full a pool of connect() is.
func (p *Place) levelOf(pool *judge.Pool) level {
	subject, taken := poolSubject(pool), pool.Taken()
	switch {
	case pool.Left == 0:
		return full
	case p.past(taken, judge.NearRatio, subject, "pool-near-full", "pool-full"):
		return nearFull
	case p.past(taken, judge.SlowRatio, subject, "pool-past-half", "pool-near-full", "pool-full"):
		return pastHalf
	}
	return roomy
}

// localLevelOf is how full a pool is that all destinations share.
func (p *Place) localLevelOf(pool *judge.LocalPool) level {
	subject, taken := localSubject(pool), pool.Taken()
	switch {
	case pool.Left == 0:
		return full
	case p.past(taken, judge.NearRatio, subject, "local-pool-near-full", "local-pool-full"):
		return nearFull
	case p.past(taken, judge.SlowRatio, subject, "local-pool-past-half", "local-pool-near-full", "local-pool-full"):
		return pastHalf
	}
	return roomy
}
