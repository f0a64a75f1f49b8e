package doctor

import (
	"fmt"
	"slices"
	"strings"

	"portrange/internal/boot"
	"portrange/internal/judge"
	"portrange/internal/port"
)

// BootKeys are the settings that [Patient.Boot] should tell of: those that
// decide about ports, and a cure that is none.
func BootKeys() []string { return append(boot.Keys(), port.KeyTWRecycle) }

// boot compares what holds with what will after a reboot.
func (c *chart) boot() {
	if c.Boot == nil {
		return
	}
	for i := range c.Boot.Settings {
		s := &c.Boot.Settings[i]
		if !s.Drift {
			continue
		}
		if decision := s.Decision(); decision != nil {
			c.add(BootDrift, judge.Warning, s.Key,
				fmt.Sprintf("it is %q, and %q after a reboot: %s says so", *s.Running, *s.Boot, decision.Line),
				"decide which one is meant: `portrange boot` shows all files that have a say, `portrange set … --persist` writes one that wins")
			continue
		}
		c.add(NotPersisted, judge.Warning, s.Key,
			fmt.Sprintf("it is %q, but no file says so: after a reboot the kernel's default holds, %q", *s.Running, *s.Boot),
			persistAdvice(s))
	}
}

func persistAdvice(s *boot.Setting) string {
	if s.Key == port.KeyRange {
		return fmt.Sprintf("`portrange set %s --persist`", *s.Running)
	}
	return fmt.Sprintf("add `%s = %s` to a file in /etc/sysctl.d", s.Key, *s.Running)
}

// configured lists the lines of files that set a key, with or without effect.
func (c *chart) configured(key string) string {
	if c.Boot == nil {
		return ""
	}
	var lines []string
	for i := range c.Boot.Settings {
		if s := &c.Boot.Settings[i]; s.Key == key {
			lines = append(lines, linesOf(s)...)
		}
	}
	return strings.Join(lines, ", ")
}

// linesOf are the lines that set a key, each once: first those that decide.
func linesOf(s *boot.Setting) []string {
	var lines []string
	add := func(line boot.Line) {
		if text := line.String(); !slices.Contains(lines, text) {
			lines = append(lines, text)
		}
	}
	for _, decision := range []*boot.Decision{s.Tuned, s.Systemd, s.Procps} {
		if decision != nil {
			add(decision.Line)
		}
	}
	for _, loser := range s.Loses {
		add(loser.Line)
	}
	return lines
}
