package boot

import (
	"fmt"
	"strings"
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
	file     file
	sections []*section
	current  *section
	indent   int
	last     int  // the option that a deeper line continues, -1 for none
	bare     bool // an option may stand without a value, and then says nothing
}

// parseINI returns the sections of a file. Options before the first header
// belong to the section "", which tuned allows only where it adds a header of
// its own.
func parseINI(f file, headless bool) ([]*section, error) {
	p := parser{file: f, bare: headless}
	if headless {
		p.begin("")
	}
	text := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(f.data))
	for i, line := range strings.Split(text, "\n") {
		if err := p.feed(i+1, line); err != nil {
			return nil, fmt.Errorf("parse %s:%d: %w", f.path, i+1, err)
		}
	}
	return p.sections, nil
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
	indent := len(line) - len(strings.TrimLeft(line, " \t\v\f"))
	if p.current != nil && p.last >= 0 && indent > p.indent {
		p.current.pairs[p.last].value += "\n" + value
		return nil
	}
	p.indent = indent
	if end := strings.LastIndexByte(value, ']'); value[0] == '[' && end > 1 {
		p.begin(value[1:end])
		return nil
	}
	if p.current == nil {
		return fmt.Errorf("%q stands before the first section", value)
	}
	name, option, assigns := strings.Cut(value, "=")
	if !assigns {
		p.last = -1
		if !p.bare {
			return fmt.Errorf("%q is no assignment", value)
		}
		return nil
	}
	p.last = p.current.put(pair{
		name:  strings.TrimSpace(name),
		value: strings.TrimSpace(option),
		line:  Line{File: p.file.path, Line: number, Target: p.file.target},
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
