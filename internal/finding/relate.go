package finding

import (
	"slices"
	"time"

	"portrange/internal/port"
)

// hostRef is what --netns takes for the host's namespace.
const hostRef = port.Host

// Relate finds which findings explain others: a finding is a cause of another
// of the same namespace whose kind names the cause's code among its Causes, and
// whose subject the cause's subject covers. The causes of each come into its
// Causes, a cause carries at least the severity of its effects, and the result
// has the worst first, each cause before its effects and these next to it.
func Relate(findings []Finding) []Finding {
	related := slices.Clone(findings)
	for i := range related {
		f := &related[i]
		f.Causes = nil
		for _, code := range f.Kind.Causes {
			for j := range related {
				if cause := &related[j]; j != i && cause.Code() == code && cause.explains(f) {
					f.Causes = append(f.Causes, code)
					break
				}
			}
		}
	}
	raise(related)
	return arrange(related)
}

// explains reports whether f can be a cause of effect, their codes aside.
func (f *Finding) explains(effect *Finding) bool {
	return f.NetNS == effect.NetNS && f.Subject.covers(effect.Subject)
}

// IsCauseOf reports whether effect names f among its causes.
func (f *Finding) IsCauseOf(effect *Finding) bool {
	return slices.Contains(effect.Causes, f.Code()) && f.explains(effect)
}

// raise gives each cause the severity of its effects, which may be causes too.
func raise(findings []Finding) {
	for raised := true; raised; {
		raised = false
		for i := range findings {
			for j := range findings {
				cause, effect := &findings[i], &findings[j]
				if i != j && cause.IsCauseOf(effect) && !cause.Severity.Reaches(effect.Severity) {
					cause.Severity, raised = effect.Severity, true
				}
			}
		}
	}
}

// arrange puts the worst first, and behind each cause what it explains.
func arrange(findings []Finding) []Finding {
	Sort(findings)
	placed := make([]bool, len(findings))
	sorted := make([]Finding, 0, len(findings))
	var place func(i int)
	place = func(i int) {
		if placed[i] {
			return
		}
		placed[i] = true
		sorted = append(sorted, findings[i])
		for j := range findings {
			if findings[i].IsCauseOf(&findings[j]) {
				place(j)
			}
		}
	}
	for i := range findings {
		if len(findings[i].Causes) == 0 {
			place(i)
		}
	}
	for i := range findings { // two that explain each other have no first one
		place(i)
	}
	return sorted
}

// Block is a finding that nothing explains, with all that it does.
type Block struct {
	Cause   Finding
	Effects []Finding
}

// Blocks groups findings that [Relate] has related: each effect stands with its
// first cause.
func Blocks(related []Finding) []Block {
	var blocks []Block
	for i := range related {
		f := &related[i]
		at := slices.IndexFunc(blocks, func(b Block) bool { return b.explains(f) })
		if at < 0 {
			blocks = append(blocks, Block{Cause: *f})
			continue
		}
		blocks[at].Effects = append(blocks[at].Effects, *f)
	}
	return blocks
}

func (b *Block) explains(f *Finding) bool {
	if b.Cause.IsCauseOf(f) {
		return true
	}
	return slices.ContainsFunc(b.Effects, func(effect Finding) bool { return effect.IsCauseOf(f) })
}

// Tracker remembers since when findings stand. The zero value is ready to use.
type Tracker struct {
	standing []Finding
}

// Update takes in what a look at the time at found, and returns it with Since:
// the time of the first look of an unbroken row in which it was found.
func (t *Tracker) Update(at time.Time, found []Finding) []Finding {
	found = slices.Clone(found)
	for i := range found {
		found[i].Since = at
		if before := t.find(&found[i]); before != nil {
			found[i].Since = before.Since
		}
	}
	t.standing = found
	return slices.Clone(found)
}

// Stands reports whether the last look found a kind of finding on a subject. A
// rule may ask for less to keep it than to begin it.
func (t *Tracker) Stands(code string, netns uint64, subject Subject) bool {
	return t.find(&Finding{Kind: &Kind{Code: code}, NetNS: netns, Subject: subject}) != nil
}

func (t *Tracker) find(like *Finding) *Finding {
	for i := range t.standing {
		f := &t.standing[i]
		if f.Code() == like.Code() && f.NetNS == like.NetNS && f.Subject.equal(like.Subject) {
			return f
		}
	}
	return nil
}
