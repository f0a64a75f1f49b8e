package boot

import (
	"fmt"
	"strings"

	"portrange/internal/rootfs"
)

// pair is one option of a section.
type pair struct {
	name  string
	value string
	line  Line
}

// section is a part of a configuration file, its options in order of their
// first appearance.
type section struct {
	name  string
	pairs []pair
}

// get returns the value of an option.
func (s *section) get(name string) (string, bool) {
	for _, p := range s.pairs {
		if p.name == name {
			return p.value, true
		}
	}
	return "", false
}

// put sets an option, which keeps its place if it was there before, and
// returns that place.
func (s *section) put(p pair) int {
	for i := range s.pairs {
		if s.pairs[i].name == p.name {
			s.pairs[i] = p
			return i
		}
	}
	s.pairs = append(s.pairs, p)
	return len(s.pairs) - 1
}

// parser reads a configuration file as Python's configparser does with the
// settings tuned gives it: only = separates, # also begins a comment after
// white space, a deeper indented line continues the value above, and options
// may come twice.
type parser struct {
	file     rootfs.File
	sections []*section
	current  *section
	indent   int
	last     int      // the option that a deeper line continues, -1 for none
	more     []string // the lines that continue it
	bare     bool     // an option may stand without a value, and then says nothing
	lines    int      // those that say something
}

// maxLines bounds the lines of one file that say something. Those of tuned have
// some dozens.
const maxLines = 1 << 13

// parseINI returns the sections of a file. Options before the first header
// belong to the section "", which tuned allows only where it adds a header of
// its own.
func parseINI(f rootfs.File, headless bool) ([]*section, error) {
	p := parser{file: f, bare: headless}
	if headless {
		p.begin("")
	}
	text := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(f.Data))
	number := 0
	for line := range strings.SplitSeq(text, "\n") {
		number++
		if err := p.feed(number, line); err != nil {
			return nil, fmt.Errorf("parse %s:%d: %w", f.Path, number, err)
		}
	}
	p.settle()
	return p.sections, nil
}

// settle ends an option that goes on over several lines.
func (p *parser) settle() {
	if len(p.more) > 0 {
		o := &p.current.pairs[p.last]
		o.value = strings.Join(append([]string{o.value}, p.more...), "\n")
		p.more = nil
	}
}

func (p *parser) begin(name string) {
	for _, s := range p.sections {
		if s.name == name {
			p.current, p.last = s, -1
			return
		}
	}
	p.current, p.last = &section{name: name}, -1
	p.sections = append(p.sections, p.current)
}

func (p *parser) feed(number int, line string) error {
	value := strings.TrimSpace(uncommented(line))
	if value == "" {
		return nil
	}
	if p.lines++; p.lines > maxLines {
		return fmt.Errorf("more than the %d lines that are read of a file", maxLines)
	}
	indent := len(line) - len(strings.TrimLeft(line, " \t\v\f"))
	if p.current != nil && p.last >= 0 && indent > p.indent {
		p.more = append(p.more, value)
		return nil
	}
	p.settle()
	p.indent = indent
	if end := strings.LastIndexByte(value, ']'); value[0] == '[' && end > 1 {
		p.begin(value[1:end])
		return nil
	}
	if p.current == nil {
		return fmt.Errorf("%q stands before the first section", shown(value))
	}
	name, option, assigns := strings.Cut(value, "=")
	if !assigns {
		p.last = -1
		if !p.bare {
			return fmt.Errorf("%q is no assignment", shown(value))
		}
		return nil
	}
	p.last = p.current.put(pair{
		name:  strings.TrimSpace(name),
		value: strings.TrimSpace(option),
		line:  Line{File: p.file.Path, Line: number, Target: p.file.Target},
	})
	return nil
}

// uncommented cuts a comment off: a line that begins with # or ;, and what
// follows a # after white space.
func uncommented(line string) string {
	if text := strings.TrimSpace(line); text == "" || text[0] == ';' {
		return ""
	}
	for i := range len(line) {
		if line[i] == '#' && (i == 0 || strings.IndexByte(cSpace, line[i-1]) >= 0) {
			return line[:i]
		}
	}
	return line
}
