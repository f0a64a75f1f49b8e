package finding

import "cmp"

// Severity is how bad a finding is.
type Severity string

// The severities, least first.
const (
	Info     Severity = "info"
	Warning  Severity = "warning"
	Critical Severity = "critical"
)

// rank is higher the more severe; an unknown severity is below all.
func (s Severity) rank() int {
	switch s {
	case Critical:
		return 3
	case Warning:
		return 2
	case Info:
		return 1
	}
	return 0
}

// CompareSeverity orders the worst first, as [cmp.Compare] does numbers.
func CompareSeverity(a, b Severity) int { return cmp.Compare(b.rank(), a.rank()) }

// Reaches reports whether s is at least as severe as floor.
func (s Severity) Reaches(floor Severity) bool { return s.rank() >= floor.rank() }
