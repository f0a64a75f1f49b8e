package judge

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/port"
)

// The shares of a pool taken from which it is worth a word. Past one half
// connect() has used up the parity that it tries first, and walks all of it
// before it finds a port of the other; near the wall a burst is enough.
const (
	SlowRatio = 0.5
	NearRatio = 0.85
)

// Threshold is how far a pool may be used up: a share in use, or a number of
// ports left. Reaching it is too far.
type Threshold struct {
	percent float64 // in use; valid where ports is negative
	ports   int     // left
}

// TakenShare is the threshold of a share in use from 0 to 1, such as [NearRatio].
func TakenShare(share float64) Threshold { return Threshold{percent: share * 100, ports: -1} }

// ParseThreshold reads "85%", the share of a pool in use, or "2000", ports left.
func ParseThreshold(text string) (Threshold, error) {
	if number, isPercent := strings.CutSuffix(text, "%"); isPercent {
		percent, err := strconv.ParseFloat(number, 64)
		if err != nil || !(percent > 0 && percent <= 100) {
			return Threshold{}, errors.New("want a share in use from above 0% to 100%, such as 85%")
		}
		return Threshold{percent: percent, ports: -1}, nil
	}
	ports, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return Threshold{}, errors.New("want a share in use, such as 85%, or a number of ports left from 0 to 65535, such as 2000")
	}
	return Threshold{ports: int(ports)}, nil
}

// String is the form that [ParseThreshold] reads.
func (t Threshold) String() string {
	if t.ports < 0 {
		return strconv.FormatFloat(t.percent, 'f', -1, 64) + "%"
	}
	return strconv.Itoa(t.ports)
}

// Trigger is the smallest number of ports taken from a pool of size at which
// the threshold is reached. At 0 it always is.
func (t Threshold) Trigger(size int) int {
	if t.ports < 0 {
		return int(math.Ceil(t.percent * float64(size) / 100))
	}
	return max(0, size-t.ports)
}

// Thresholds are the two of a check.
type Thresholds struct{ Warning, Critical Threshold }

// Check explains why a warning would come after it is critical, as far as that
// can be told without a pool.
func (t Thresholds) Check() error {
	warning, critical := t.Warning, t.Critical
	switch {
	case (warning.ports < 0) != (critical.ports < 0):
		return nil
	case warning.ports < 0 && warning.percent > critical.percent:
		return fmt.Errorf("warning at %s would come after critical at %s", warning, critical)
	case warning.ports >= 0 && warning.ports < critical.ports:
		return fmt.Errorf("warning at %s ports left would come after critical at %s", warning, critical)
	}
	return nil
}

// Scale is the one by which pools are judged unless somebody gives another: past
// half of its ports a pool is worth a warning, near the wall it is critical.
func Scale() Thresholds {
	return Thresholds{Warning: TakenShare(SlowRatio), Critical: TakenShare(NearRatio)}
}

// Reached is the severity of a pool of size with so many ports taken: Info where
// no threshold is reached.
func (t Thresholds) Reached(taken, size int) finding.Severity {
	switch {
	case taken >= t.Critical.Trigger(size):
		return finding.Critical
	case taken >= t.Warning.Trigger(size):
		return finding.Warning
	}
	return finding.Info
}

// Strain is one pool, of whatever kind, by what connect() or bind() finds.
type Strain struct {
	NetNS uint64 `json:"netns" doc:"inode number of its network namespace"`
	Name  string `json:"name" doc:"name of that namespace"` // of the namespace
	Proto string `json:"proto" doc:"tcp or udp"`
	Local string `json:"local" doc:"local address; empty for what a new destination would find"`
	// Remote is the destination. It is empty for a pool shared by all
	// destinations and, where Local is empty too, for a new destination.
	Remote string `json:"remote,omitempty" doc:"remote address:port; absent for a pool shared by all destinations"`
	Size   int    `json:"size" doc:"ports of the pool"`
	Left   int    `json:"left" doc:"ports left in it"`
	// Severity is the threshold reached: critical, warning, or info for none.
	Severity finding.Severity `json:"severity" doc:"threshold reached: critical, warning, or info for none"`
}

// Taken is the number of ports that are not left.
func (s *Strain) Taken() int { return s.Size - s.Left }

// Share is Taken as a share of the pool; a pool without ports is full.
func (s *Strain) Share() float64 { return ratio(s.Taken(), s.Size) }

// Strains measures every pool of the namespace that can fail a program, and what
// a new destination would find, the worst first. The pools of TCP's
// bind(addr, 0) are left out where nothing has bound a port: on most hosts
// nothing ever does.
func Strains(ns *host.Namespace, thresholds Thresholds) []Strain {
	r := newRules(ns)
	v := r.verdict()
	strains := []Strain{{Proto: port.TCP.String(), Size: r.open.Len(), Left: v.Usable}}
	for i := range v.Pools {
		p := &v.Pools[i]
		strains = append(strains, Strain{Proto: p.Proto, Local: p.Source(), Remote: p.Remote, Size: p.Size, Left: p.Left})
	}
	shared := Distinct(v.LocalPools)
	for i := range shared {
		if p := &shared[i]; r.drawsOn(p) {
			strains = append(strains, Strain{Proto: p.Proto, Local: p.Source(), Size: p.Size, Left: p.Left})
		}
	}
	for i := range strains {
		s := &strains[i]
		s.NetNS, s.Name, s.Severity = v.NetNS, v.Name, thresholds.Reached(s.Taken(), s.Size)
	}
	SortStrains(strains)
	return strains
}

// SortStrains puts the worst first: by severity, then by share taken.
func SortStrains(strains []Strain) {
	slices.SortStableFunc(strains, func(a, b Strain) int {
		return cmp.Or(finding.CompareSeverity(a.Severity, b.Severity), cmp.Compare(b.Share(), a.Share()), cmp.Compare(a.Left, b.Left))
	})
}
