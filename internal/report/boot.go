package report

import (
	"fmt"
	"io"

	"portrange/internal/boot"
	"portrange/internal/escape"
	"portrange/internal/finding"
	"portrange/internal/words"
)

// Boot is the document of `portrange boot`.
type Boot struct {
	*boot.Report
	Findings []Finding `json:"findings" doc:"what there is to say of changes that are not settled" see:"findings"`
}

// NewBoot is a forecast, with what there is to say of changes that are not settled.
func NewBoot(forecast *boot.Report, found []finding.Finding) *Boot {
	return &Boot{forecast, NewFindings(found)}
}

// WriteBoot prints, for each setting, what it will be after a reboot, which
// line of which file says so, and which lines come to nothing.
func WriteBoot(w io.Writer, doc *Boot, style Style) error {
	p := newPrinter(w, style)
	p.text(plain, fmt.Sprintf("After a reboot, as %s applies sysctl.d here:", doc.Program))
	drifting := 0
	for i := range doc.Settings {
		p.line("")
		p.bootSetting(&doc.Settings[i])
		if doc.Settings[i].Drift {
			drifting++
		}
	}
	p.blocks(blocksOf(doc.Findings), 0, false)
	p.line("")
	switch {
	case drifting > 0:
		p.text(yellow, fmt.Sprintf("A reboot changes %s. %s and %s with --persist keep a range and a list.",
			words.Count(drifting, "setting"), commandText("portrange set"), commandText("portrange reserve add")))
	case len(doc.Settings) > 0 && doc.Settings[0].Running != nil:
		p.text(green, "A reboot changes none of them.")
	default:
		p.text(plain, "What runs now is not compared with another root.")
	}
	return p.flush()
}

func (p *printer) bootSetting(s *boot.Setting) {
	p.line("%s", p.paint(bold, s.Key))
	switch {
	case s.Boot == nil:
		p.field("Boot", "what the kernel has, as no file sets it")
	case s.Systemd == nil && s.Procps == nil && s.Tuned == nil:
		p.field("Boot", quoted(*s.Boot)+"  the kernel's default")
	default:
		p.field("Boot", quoted(*s.Boot))
	}
	if s.Running != nil {
		running := quoted(*s.Running)
		if s.Drift {
			running += "  " + p.paint(yellow, "differs: a reboot changes it")
		}
		p.field("Running", running)
	}
	for _, program := range []struct {
		name     string
		decision *boot.Decision
	}{{"systemd", s.Systemd}, {"procps", s.Procps}, {"tuned", s.Tuned}} {
		if program.decision != nil {
			p.field(program.name, fmt.Sprintf("%s  %s", quoted(program.decision.Value), place(program.decision.Line)))
		}
	}
	for _, loser := range s.Loses {
		p.field("no effect", fmt.Sprintf("%s  %s: %s", quoted(loser.Value), place(loser.Line), escape.Printable(loser.Why)))
	}
}

// place names a line, and the file itself where its name is a link.
func place(line boot.Line) string {
	text := escape.Printable(line.String())
	if line.Target != "" && line.Target != line.File {
		text += " (" + escape.Printable(line.Target) + ")"
	}
	return text
}

// quoted makes an empty value visible.
func quoted(value string) string {
	if value == "" {
		return `""`
	}
	return escape.Printable(value)
}
