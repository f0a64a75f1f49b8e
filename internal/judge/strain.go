package judge

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"portrange/internal/port"
)

// Threshold is how far a pool may be used up: a share in use, or a number of
// ports left. Reaching it is too far.
type Threshold struct {
	percent float64 // in use; valid where ports is negative
	ports   int     // left
}

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
		return int(math.Ceil(t.percent / 100 * float64(size)))
	}
	return max(0, size-t.ports)
}

// Agrees reports whether warning is reached before critical is, as far as that
// can be told without a pool.
func Agrees(warning, critical Threshold) error {
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

// Strain is one pool, of whatever kind, by what connect() or bind() finds.
type Strain struct {
	NetNS uint64 `json:"netns"`
	Name  string `json:"name"` // of the namespace
	Proto string `json:"proto"`
	Local string `json:"local"`
	// Remote is the destination. It is empty for a pool shared by all
	// destinations and, where Local is empty too, for a new destination.
	Remote string `json:"remote,omitempty"`
	Size   int    `json:"size"`
	Left   int    `json:"left"`
	// Severity is the threshold reached: critical, warning, or info for none.
	Severity Severity `json:"severity"`
}

// Taken is the number of ports that are not left.
func (s *Strain) Taken() int { return s.Size - s.Left }

// Share is Taken as a share of the pool; a pool without ports is full.
func (s *Strain) Share() float64 { return ratio(s.Taken(), s.Size) }

// NewStrain measures a pool against the thresholds.
func (v *Verdict) NewStrain(proto, local, remote string, size, left int, warning, critical Threshold) Strain {
	s := Strain{NetNS: v.NetNS, Name: v.Name, Proto: proto, Local: local, Remote: remote, Size: size, Left: left, Severity: Info}
	switch taken := s.Taken(); {
	case taken >= critical.Trigger(size):
		s.Severity = Critical
	case taken >= warning.Trigger(size):
		s.Severity = Warning
	}
	return s
}

// Strains measures every pool of the namespace that can fail a program, and what
// a new destination would find, the worst first. The pools of TCP's
// bind(addr, 0) are left out where nothing has bound a port: on most hosts
// nothing ever does.
func Strains(ns *port.Namespace, warning, critical Threshold) []Strain {
	r, v := newRules(ns), Namespace(ns)
	strains := []Strain{v.NewStrain(port.TCP.String(), "", "", r.open.Len(), v.Usable, warning, critical)}
	for i := range v.Pools {
		p := &v.Pools[i]
		strains = append(strains, v.NewStrain(p.Proto, p.source(), p.Remote, p.Size, p.Left, warning, critical))
	}
	for i := range v.LocalPools {
		if p := &v.LocalPools[i]; r.localSeverity(p) == Critical {
			strains = append(strains, v.NewStrain(p.Proto, p.Local, "", p.Size, p.Left, warning, critical))
		}
	}
	SortStrains(strains)
	return strains
}

// SortStrains puts the worst first: by severity, then by share taken.
func SortStrains(strains []Strain) {
	slices.SortStableFunc(strains, func(a, b Strain) int {
		return cmp.Or(CompareSeverity(a.Severity, b.Severity), cmp.Compare(b.Share(), a.Share()), cmp.Compare(a.Left, b.Left))
	})
}
