package report

import (
	"fmt"
	"io"
	"strings"

	"portrange/internal/escape"
	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/words"
)

// The states of a monitoring plugin, by exit code
// (https://www.monitoring-plugins.org/doc/guidelines.html).
const (
	PluginOK = iota
	PluginWarning
	PluginCritical
	PluginUnknown
)

// pluginState is the name of a plugin's exit code.
func pluginState(code int) string { return [...]string{"OK", "WARNING", "CRITICAL", "UNKNOWN"}[code] }

// Check is the document of `portrange check`.
type Check struct {
	SchemaVersion int    `json:"schema_version" doc:"1; grows when a field changes its meaning or goes away"`
	State         string `json:"state" doc:"OK, WARNING, CRITICAL or UNKNOWN"`
	ExitCode      int    `json:"exit_code" doc:"0, 1, 2 or 3, as the program exits"`
	Message       string `json:"message" doc:"the text of the plugin's line"`
	// Worst is nil where nothing could be read.
	Worst *judge.Strain `json:"worst" doc:"the worst pool; null where nothing could be read"`
	// Pools counts the pools looked at, Critical and Warning those that reached
	// a threshold.
	Pools    int        `json:"pools" doc:"number of pools looked at"`
	Critical int        `json:"critical" doc:"number of pools that reached the critical threshold"`
	Warning  int        `json:"warning" doc:"number of pools that reached the warning threshold alone"`
	Exact    bool       `json:"exact" doc:"whether the numbers are the kernel's own"`
	Gaps     []host.Gap `json:"gaps" doc:"what could not be read; numbers beside a gap can be too small"`

	// Thresholds are those of the performance data.
	Thresholds judge.Thresholds `json:"-"`
}

// NewCheck sums up the pools. partial says that a part of the sockets could not
// be read: then no news is not good news. own is what there is to say of changes of
// portrange's own; one that is severe is a warning at least.
func NewCheck(strains []judge.Strain, exact, partial bool, own []finding.Finding, gaps []host.Gap) *Check {
	c := &Check{SchemaVersion: SchemaVersion, Pools: len(strains), Exact: exact && !partial, Gaps: gaps}
	judge.SortStrains(strains)
	for i := range strains {
		switch strains[i].Severity {
		case finding.Critical:
			c.Critical++
		case finding.Warning:
			c.Warning++
		}
	}
	if len(strains) > 0 {
		c.Worst = &strains[0]
	}
	switch {
	case c.Critical > 0:
		c.ExitCode = PluginCritical
	case c.Warning > 0:
		c.ExitCode = PluginWarning
	case partial || c.Worst == nil:
		c.ExitCode = PluginUnknown
	}
	c.Message = c.message()
	for i := range own {
		if f := &own[i]; f.Severity.Reaches(finding.Warning) {
			c.Message += "; " + f.Subject.Object + ", " + f.Evidence()
			if c.ExitCode != PluginCritical {
				c.ExitCode = PluginWarning
			}
		}
	}
	c.State = pluginState(c.ExitCode)
	return c
}

// Cut notes that time ran out after so many of the network namespaces.
func (c *Check) Cut(read, found int) {
	c.Message += fmt.Sprintf("; partial: %s of %s were read in time", words.Thousands(read), words.Count(found, "network namespace"))
}

// UnknownCheck is the document for a check that failed.
func UnknownCheck(err error) *Check {
	return &Check{
		SchemaVersion: SchemaVersion, State: pluginState(PluginUnknown), ExitCode: PluginUnknown,
		Message: err.Error(), Gaps: []host.Gap{},
	}
}

func (c *Check) message() string {
	if c.Worst == nil {
		return "no pool could be read"
	}
	text := strainText(c.Worst)
	switch reached := c.Critical + c.Warning; {
	case reached > 1:
		text += fmt.Sprintf("; worst of %s, %s critical and %s warning", words.Count(c.Pools, "pool"), words.Thousands(c.Critical), words.Thousands(c.Warning))
	case c.Pools > 1:
		text += fmt.Sprintf("; worst of %s", words.Count(c.Pools, "pool"))
	}
	if !c.Exact {
		text += "; not exact, fewer may be left"
	}
	if len(c.Gaps) > 0 {
		text += fmt.Sprintf("; could not read %s", c.Gaps[0].What())
		if more := len(c.Gaps) - 1; more > 0 {
			text += fmt.Sprintf(" and %s more", words.Thousands(more))
		}
	}
	return text
}

func strainText(s *judge.Strain) string {
	where := "to a new destination"
	switch {
	case s.Remote != "" && s.Local != "":
		where = fmt.Sprintf("from %s to %s", s.Local, s.Remote)
	case s.Remote != "":
		where = "to " + s.Remote
	case s.Local != "":
		where = fmt.Sprintf("at %s, for all destinations", s.Local)
	}
	text := fmt.Sprintf("%s left %s (%s), %s taken", words.Count(s.Left, "port"), where, s.Proto, words.Percent(s.Share()))
	if s.Name != "" {
		text += ", network namespace " + s.Name
	}
	return text
}

// WriteCheck prints the one line of a plugin: state, message and performance
// data.
func WriteCheck(w io.Writer, c *Check) error {
	// One line, and nothing of it is taken for performance data.
	line := "PORTRANGE " + c.State + ": " + strings.ReplaceAll(escape.Line(c.Message), "|", "/")
	if c.Worst != nil {
		line += " | " + c.performance()
	}
	if _, err := fmt.Fprintln(w, line); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}

// performance is label=value;warning;critical;minimum;maximum for each number.
// A threshold of the guidelines is the last value that is still fine.
func (c *Check) performance() string {
	size := c.Worst.Size
	last := func(t judge.Threshold) string {
		if trigger := t.Trigger(size); trigger > 0 {
			return fmt.Sprint(trigger - 1)
		}
		return "~:-1" // any number is too many
	}
	warning, critical := last(c.Thresholds.Warning), last(c.Thresholds.Critical)
	return strings.Join([]string{
		fmt.Sprintf("taken=%d;%s;%s;0;%d", c.Worst.Taken(), warning, critical, size),
		fmt.Sprintf("left=%d;;;0;%d", c.Worst.Left, size),
		fmt.Sprintf("share=%.1f%%;;;0;100", 100*c.Worst.Share()),
		fmt.Sprintf("pools=%d;;;0;", c.Pools),
		fmt.Sprintf("critical_pools=%d;;;0;", c.Critical),
		fmt.Sprintf("warning_pools=%d;;;0;", c.Warning),
	}, " ")
}
