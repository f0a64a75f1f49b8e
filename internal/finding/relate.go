package finding

import (
	"cmp"
	"slices"
)

// Relate finds which findings explain others: a finding is a cause of another
// of the same namespace whose kind names the cause's code among its Causes, and
// which is about the same. The causes of each come into its Causes, the one with
// the greatest weight first. The first cause carries at least the severity of its
// effects. An explained finding loses its actions, as its cause has them. The
// result has the worst first, each cause before its effects and these next to it.
func Relate(findings []Finding) []Finding {
	related := slices.Clone(findings)
	direct := make([][]int, len(related))
	for i := range related {
		direct[i] = candidates(related, i)
	}
	for i := range related {
		f := &related[i]
		f.Causes = nil
		for _, cause := range direct[i] {
			if code := related[cause].Code(); !explainedByAnother(direct, i, cause) && !slices.Contains(f.Causes, code) {
				f.Causes = append(f.Causes, code)
			}
		}
		if len(f.Causes) > 0 {
			f.Actions = nil
		}
	}
	raise(related)
	Sort(related)
	arranged := make([]Finding, 0, len(related))
	for _, block := range Blocks(related) {
		arranged = append(append(arranged, block.Cause), block.Effects...)
	}
	return arranged
}

// candidates are the findings that may explain the one at i: by weight, then in
// the order in which its kind names them.
func candidates(findings []Finding, i int) []int {
	var found []int
	for _, code := range findings[i].Kind.Causes {
		for j := range findings {
			if j != i && findings[j].Code() == code && findings[j].explains(&findings[i]) {
				found = append(found, j)
			}
		}
	}
	slices.SortStableFunc(found, func(a, b int) int { return cmp.Compare(findings[b].weight(), findings[a].weight()) })
	return found
}

// explainedByAnother reports whether a cause of the finding at i is itself the
// effect of another cause of it, which then says enough.
func explainedByAnother(direct [][]int, i, cause int) bool {
	return slices.ContainsFunc(direct[i], func(other int) bool {
		return slices.Contains(direct[cause], other) && !slices.Contains(direct[other], cause)
	})
}

// weight is how many ports the finding accounts for.
func (f *Finding) weight() int {
	if f.Kind.Weight == nil {
		return 0
	}
	return f.Kind.Weight(f)
}

// explains reports whether f can be a cause of effect, their codes aside. It has
// to account for half of what the effect is about, where that is known.
func (f *Finding) explains(effect *Finding) bool {
	enough := f.Kind.Weight == nil || f.weight() > 0 && 2*f.weight() >= effect.weight()
	return enough && f.NetNS == effect.NetNS && f.Subject.concerns(effect.Subject)
}

// IsCauseOf reports whether effect names f among its causes.
func (f *Finding) IsCauseOf(effect *Finding) bool {
	return slices.Contains(effect.Causes, f.Code()) && f.explains(effect)
}

// firstCause is the place of the first cause of the finding at i, -1 for none.
func firstCause(findings []Finding, i int) int {
	f := &findings[i]
	if len(f.Causes) == 0 {
		return -1
	}
	first := -1
	for j := range findings {
		if j != i && findings[j].Code() == f.Causes[0] && findings[j].explains(f) &&
			(first < 0 || findings[j].weight() > findings[first].weight()) {
			first = j
		}
	}
	return first
}

// raise gives each first cause the severity of its effects, which may be causes too.
func raise(findings []Finding) {
	for raised := true; raised; {
		raised = false
		for i := range findings {
			first := firstCause(findings, i)
			if first >= 0 && !findings[first].Severity.Reaches(findings[i].Severity) {
				findings[first].Severity, raised = findings[i].Severity, true
			}
		}
	}
}

// Block is a finding that nothing explains, with all that belongs to it.
type Block struct {
	Cause Finding
	// Effects are what the cause explains, each behind what explains it, and
	// last what else is a cause of them.
	Effects []Finding
}

// Blocks groups findings that [Relate] has related: each effect stands with its
// first cause. What is only another cause of effects that stand elsewhere joins
// them, so that one fault is one block.
func Blocks(related []Finding) []Block {
	g := grouping{findings: related, parent: make([]int, len(related)), placed: make([]bool, len(related))}
	for i := range related {
		g.parent[i] = firstCause(related, i)
	}
	var blocks []Block
	for _, start := range g.starts() {
		if g.placed[start] {
			continue
		}
		members := g.withOtherCauses(g.collect(start, nil))
		block := Block{Cause: related[start]}
		for _, i := range members[1:] {
			block.Effects = append(block.Effects, related[i])
		}
		blocks = append(blocks, block)
	}
	slices.SortStableFunc(blocks, func(a, b Block) int { return CompareSeverity(a.Cause.Severity, b.Cause.Severity) })
	return blocks
}

// grouping is the work of [Blocks].
type grouping struct {
	findings []Finding
	parent   []int // of each finding, its first cause or -1
	placed   []bool
}

// starts are the findings in the order in which they may begin a block: those
// that nothing explains, then those that explain each other and so have no first
// one, and last what is only another cause.
func (g *grouping) starts() []int {
	var first, explained, others []int
	for i := range g.findings {
		switch {
		case g.parent[i] >= 0:
			explained = append(explained, i)
		case g.isOther(i):
			others = append(others, i)
		default:
			first = append(first, i)
		}
	}
	return slices.Concat(first, explained, others)
}

// isOther reports whether the finding at i explains others and is the first cause of none.
func (g *grouping) isOther(i int) bool {
	return g.parent[i] < 0 && !slices.Contains(g.parent, i) &&
		slices.ContainsFunc(g.findings, func(f Finding) bool { return g.findings[i].IsCauseOf(&f) })
}

// collect places the finding at i and, behind it, what it is the first cause of.
func (g *grouping) collect(i int, members []int) []int {
	if g.placed[i] {
		return members
	}
	g.placed[i] = true
	members = append(members, i)
	for j := range g.findings {
		if g.parent[j] == i {
			members = g.collect(j, members)
		}
	}
	return members
}

// withOtherCauses adds what is another cause of one of the members, unless it is
// worse than all of them.
func (g *grouping) withOtherCauses(members []int) []int {
	for i := range g.findings {
		f := &g.findings[i]
		adds := func(member int) bool { return f.IsCauseOf(&g.findings[member]) }
		if !g.placed[i] && g.isOther(i) && g.findings[members[0]].Severity.Reaches(f.Severity) && slices.ContainsFunc(members, adds) {
			g.placed[i] = true
			members = append(members, i)
		}
	}
	return members
}
