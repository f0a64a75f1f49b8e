package doctor

import (
	"slices"

	"portrange/internal/judge"
	"portrange/internal/port"
)

// Finding is one thing worth knowing, and where.
type Finding struct {
	judge.Finding
	// Namespace is the inode number of the network namespace, 0 for what
	// belongs to the whole machine.
	Namespace uint64 `json:"namespace"`
	Name      string `json:"name"` // of the namespace
}

// Examine lists what is wrong, the worst first.
func Examine(f *Facts) []Finding {
	found := []Finding{}
	for i := range f.Namespaces {
		ns := &f.Namespaces[i]
		for _, finding := range examineNamespace(f, ns) {
			found = append(found, Finding{Finding: finding, Namespace: ns.Now.ID, Name: ns.Now.Name})
		}
	}
	for _, finding := range examineMachine(f) {
		found = append(found, Finding{Finding: finding})
	}
	slices.SortStableFunc(found, func(a, b Finding) int { return judge.CompareSeverity(a.Severity, b.Severity) })
	return found
}

// chart is one namespace under examination.
type chart struct {
	*Patient
	facts   *Facts
	verdict judge.Verdict
	open    *port.Set // the range without its reserved ports
	found   []judge.Finding
}

func examineNamespace(f *Facts, ns *Patient) []judge.Finding {
	c := &chart{Patient: ns, facts: f, verdict: judge.Namespace(&ns.Now), open: ns.Now.Settings.Range.Set()}
	c.open.Subtract(ns.Now.Settings.Reserved)
	c.found = append(c.found, c.verdict.Findings...)
	for _, check := range []func(){
		c.rates, c.rangeSize, c.parity, c.otherRange, c.boot,
		c.listeners, c.reserved, c.claims,
		c.closeWait, c.timeWait, c.reuse, c.buckets, c.cures,
		c.processFiles, c.conntrack, c.sourceNAT, c.cloudNAT,
		c.kernel, c.cost,
	} {
		check()
	}
	return c.found
}

func (c *chart) add(code string, severity judge.Severity, subject, evidence, advice string) {
	c.found = append(c.found, judge.Finding{Code: code, Severity: severity, Subject: subject, Evidence: evidence, Advice: advice})
}

// fullest is the pool with the largest share taken, nil where there is none.
func (c *chart) fullest() *judge.Pool {
	var worst *judge.Pool
	for i := range c.verdict.Pools {
		if p := &c.verdict.Pools[i]; worst == nil || p.Taken() > worst.Taken() {
			worst = p
		}
	}
	return worst
}

// busy is the largest share taken of any pool, 0 where there is none.
func (c *chart) busy() float64 {
	if worst := c.fullest(); worst != nil {
		return worst.Taken()
	}
	return 0
}
