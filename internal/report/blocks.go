package report

import (
	"fmt"
	"slices"
	"strings"

	"portrange/internal/escape"
	"portrange/internal/finding"
	"portrange/internal/words"
)

// labelCells is the width of the longest severity, and of the gap behind it.
const labelCells = len("CRITICAL") + columnGap

// maxEffects is how many effects of one cause text prints: a range that is too
// narrow fills every pool.
const maxEffects = 5

// block is a finding that nothing explains, with what it explains.
type block struct {
	*Finding
	effects []*Finding
}

// blocksOf groups findings as [finding.Blocks] does.
func blocksOf(list []Finding) []block {
	bare := make([]finding.Finding, len(list))
	worded := make(map[*finding.Kind]*Finding, len(list))
	for i := range list {
		f := &list[i]
		bare[i] = finding.Finding{Kind: &finding.Kind{Code: f.Code}, Severity: f.Severity, NetNS: f.NetNS, Subject: f.Subject, Causes: f.Causes}
		worded[bare[i].Kind] = f
	}
	var blocks []block
	for _, b := range finding.Blocks(bare) {
		one := block{Finding: worded[b.Cause.Kind]}
		for i := range b.Effects {
			one.effects = append(one.effects, worded[b.Effects[i].Kind])
		}
		blocks = append(blocks, one)
	}
	return blocks
}

// steps are what to do about the block, in the order of the steps: what its cause
// asks for, then what else adds to the same effects does. No command comes twice,
// and no setting is changed twice: the second change would undo the first.
func (b *block) steps() []Action {
	var steps []Action
	for _, f := range append([]*Finding{b.Finding}, b.effects...) {
		for _, action := range f.Actions {
			same := func(a Action) bool {
				return a.Command == action.Command || a.Setting != "" && a.Setting == action.Setting
			}
			if action.Command == "" || !slices.ContainsFunc(steps, same) {
				steps = append(steps, action)
			}
		}
	}
	slices.SortStableFunc(steps, func(a, b Action) int { return finding.CompareSteps(a.Step, b.Step) })
	return steps
}

// blocks prints the first limit blocks, 0 for all of them. several says that
// each has to name its namespace.
func (p *printer) blocks(blocks []block, limit int, several bool) {
	shown := blocks
	if limit > 0 && len(blocks) > limit {
		shown = blocks[:limit]
	}
	for i := range shown {
		p.line("")
		p.block(&shown[i], several, i > 0 && sameSteps(shown[i-1].steps(), shown[i].steps()))
	}
	if hidden := len(blocks) - len(shown); hidden > 0 {
		p.line("")
		p.text(plain, words.Count(hidden, "finding")+" not shown (--json lists all)")
	}
}

// block prints what is wrong, about what, why, what follows from it, and what to
// do. repeated says that the block above ends with the same steps.
func (p *printer) block(b *block, several, repeated bool) {
	code := p.padded(strings.ToUpper(string(b.Severity)), labelCells) + b.Code
	about := subjectText(&b.Subject)
	if several && b.NetNS != 0 {
		about = strings.TrimPrefix(about+", network namespace "+b.Name, ", ")
	}
	about = p.wrap(escape.Printable(about), p.cells(code)+columnGap, labelCells)
	head := p.paint(severityInk(b.Severity), code) + strings.Repeat(" ", columnGap) + about
	p.line("%s", strings.TrimRight(head, " "))
	p.under(b.bareEvidence())
	p.effects(b)
	if repeated {
		p.under("the same steps as above")
		return
	}
	for i, step := range b.steps() {
		number := fmt.Sprintf("%*s%d. ", labelCells, "", i+1)
		p.beside(number, plain, string(step.Step)+": "+adviceText(&step))
		if step.Effect != "" {
			p.beside(strings.Repeat(" ", p.cells(number)), faint, escape.Printable("then "+step.Effect))
		}
	}
}

// under prints a text below the code of a finding.
func (p *printer) under(text string) {
	p.beside(strings.Repeat(" ", labelCells), plain, escape.Printable(text))
}

// effects prints which pools suffer, each with its subject where that is another
// one, and names what else belongs to the fault.
func (p *printer) effects(b *block) {
	var others []string
	shown, hidden := 0, 0
	for _, effect := range b.effects {
		switch {
		case effect.Subject.IsPool() && shown < maxEffects:
			shown++
			about := effect.Code
			if subject := subjectText(&effect.Subject); subject != subjectText(&b.Subject) {
				about += ", " + subject
			}
			p.aside("therefore", about+": "+effect.bareEvidence())
		case effect.Subject.IsPool():
			hidden++
		case !slices.Contains(others, effect.Code):
			others = append(others, effect.Code)
		}
	}
	if hidden > 0 {
		p.aside("therefore", words.Count(hidden, "more finding")+" (--json lists all)")
	}
	if len(others) > 0 {
		p.aside("see also", strings.Join(others, ", "))
	}
}

// aside prints a text beside a word that says how it belongs to the finding.
func (p *printer) aside(label, text string) {
	p.beside(strings.Repeat(" ", labelCells)+p.padded(label, len("therefore"))+"  ", faint, escape.Printable(text))
}

// adviceText is what an action asks for.
func adviceText(a *Action) string {
	if a.Command == "" {
		return escape.Printable(a.Text)
	}
	text := commandText(a.Command)
	if a.Text != "" {
		text += ": " + escape.Printable(a.Text)
	}
	return text
}

// sameSteps reports whether two findings ask for the same, whatever that does.
func sameSteps(a, b []Action) bool {
	return len(a) > 0 && slices.EqualFunc(a, b, func(a, b Action) bool {
		return a.Step == b.Step && a.Command == b.Command && a.Text == b.Text
	})
}

func severityInk(s finding.Severity) ink {
	switch s {
	case finding.Critical:
		return red
	case finding.Warning:
		return yellow
	}
	return green
}

// tally counts blocks by severity: "1 critical, 2 warnings".
func tally(blocks []block, severities ...finding.Severity) string {
	var parts []string
	for _, severity := range severities {
		n := 0
		for i := range blocks {
			if blocks[i].Severity == severity {
				n++
			}
		}
		switch {
		case n == 0:
		case severity == finding.Warning:
			parts = append(parts, words.Count(n, string(severity)))
		default:
			parts = append(parts, words.Thousands(n)+" "+string(severity))
		}
	}
	return strings.Join(parts, ", ")
}
