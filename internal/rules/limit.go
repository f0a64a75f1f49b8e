package rules

import (
	"fmt"
	"math"

	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/words"
)

// The shares of a limit from which it is near, and from which it is as good as
// reached.
const (
	nearLimit = 0.8
	atLimit   = 0.95
)

// strain is the severity of a limit that is used so far; worth is false below nearLimit.
func strain(used, limit uint64) (severity finding.Severity, worth bool) {
	if limit == 0 || limit == host.Unlimited {
		return finding.Info, false
	}
	switch share := float64(used) / float64(limit); {
	case share >= atLimit:
		return finding.Critical, true
	case share >= nearLimit:
		return finding.Warning, true
	}
	return finding.Info, false
}

// limitValues are the numbers of a limit.
func limitValues(used, limit uint64) finding.Values {
	return finding.Values{{Name: "used", V: used}, {Name: "limit", V: limit}}
}

// limitText words what [limitValues] holds: "960 of 1,000 files open (96.0%)".
func limitText(f *finding.Finding, what string) string {
	used, limit := f.Values.Int("used"), f.Values.Int("limit")
	return fmt.Sprintf("%s of %s %s (%s)", words.Thousands(used), words.Thousands(limit), what, words.Percent(float64(used)/float64(limit)))
}

// doubled is a limit worth setting.
func doubled(limit uint64) uint64 { return 2 * min(limit, math.MaxInt64/2) }
