package act

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"portrange/internal/port"
)

// Wish is what a user asks for. A nil field asks for nothing.
type Wish struct {
	Range  *port.Range // the range to have
	Add    *port.Set   // ports to reserve
	Remove *port.Set   // ports not to reserve any longer
	// ReserveFound reserves what the plan finds in the way of the range.
	ReserveFound bool
	// Persist also writes it for the next boot.
	Persist bool
	// FixConflicts comments out lines of other files that would override it.
	FixConflicts bool

	Origin
}

// Origin is who wants a change, by which command and when, for the header of
// the drop-in and for the journal.
type Origin struct {
	Command string
	User    string
	At      time.Time
}

const (
	minPort = 1 // ip_local_port_range_min, net/ipv4/sysctl_net_ipv4.c
	maxPort = 65535
	// usualStart is ip_unprivileged_port_start unless it was changed.
	usualStart = 1024
)

// ParseRange reads a range as people write it: two words, or one with a
// hyphen, a colon or a space. Errors explain the kernel's rule and offer the
// nearest valid range; whether the low end is high enough for the host is for
// [NewPlan] to see.
func ParseRange(words []string) (port.Range, error) {
	fields := strings.FieldsFunc(strings.Join(words, " "), func(r rune) bool { return strings.ContainsRune(" \t-:", r) })
	numbers := make([]int, len(fields))
	for i, field := range fields {
		n, err := strconv.Atoi(field)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return port.Range{}, fmt.Errorf("port range %q: %q is not a number; give the lowest and the highest port, such as 15000 64001",
				strings.Join(words, " "), field)
		}
		numbers[i] = n // a number out of int's range comes out as its end
	}
	if len(numbers) != 2 {
		return port.Range{}, wrongCount(words, numbers)
	}
	low, high := numbers[0], numbers[1]
	switch {
	case low > maxPort || high > maxPort:
		return port.Range{}, fmt.Errorf("port range %s-%s: ports end at 65535; the nearest valid range is %s",
			fields[0], fields[1], nearest(low, high, usualStart))
	case high < low:
		return port.Range{}, fmt.Errorf("port range %s-%s: the kernel refuses a high end below the low end; the nearest valid range is %s",
			fields[0], fields[1], nearest(high, low, usualStart))
	}
	return port.Range{Low: uint16(low), High: uint16(high)}, nil
}

func wrongCount(words []string, numbers []int) error {
	const rule = "the kernel takes two numbers, the lowest and the highest port"
	text := strings.Join(words, " ")
	switch {
	case len(numbers) == 0:
		return fmt.Errorf("port range %q: %s, such as 15000 64001", text, rule)
	case len(numbers) == 1:
		near := nearest(numbers[0], max(numbers[0], int(port.DefaultRange.High)), usualStart)
		return fmt.Errorf("port range %q: %s; the nearest valid range is %s", text, rule, near)
	}
	near := nearest(numbers[0], numbers[1], usualStart)
	return fmt.Errorf("port range of %d numbers: %s; the nearest valid range is %s", len(numbers), rule, near)
}

// nearest is the valid range closest to low and high: their common part with
// what is allowed, or else as many ports next to it.
func nearest(low, high, start int) port.Range {
	start = max(start, minPort)
	if high < low {
		low, high = high, low
	}
	switch size := high - low; {
	case high < start:
		low, high = start, min(start+size, maxPort)
	case low > maxPort:
		low, high = max(start, maxPort-size), maxPort
	}
	return port.Range{Low: uint16(max(low, start)), High: uint16(min(high, maxPort))}
}

// ParsePorts reads ports as people write them: ports and ranges, with commas or
// spaces between them, or both.
func ParsePorts(words []string) (*port.Set, error) {
	items := strings.FieldsFunc(strings.Join(words, ","), func(r rune) bool { return strings.ContainsRune(" \t,", r) })
	set, err := port.ParseSet(strings.Join(items, ","))
	if err != nil {
		return nil, fmt.Errorf("%w; write ports and ranges such as 8080,9148-9150", err)
	}
	if set.Len() == 0 {
		return nil, errors.New("no port given; write ports and ranges such as 8080,9148-9150")
	}
	if set.Contains(0) {
		return nil, errors.New("port 0 is not a port: bind() takes it for \"any\"")
	}
	return set, nil
}
