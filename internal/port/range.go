package port

import (
	"fmt"
	"strconv"
	"strings"
)

// DefaultRange is the range the kernel gives to a new network namespace
// (net/ipv4/af_inet.c, inet_init_net).
var DefaultRange = Range{Low: 32768, High: 60999}

// Range is net.ipv4.ip_local_port_range: both ends belong to it.
type Range struct {
	Low  uint16
	High uint16
}

// ParseRange reads the kernel's form, two port numbers separated by white space.
func ParseRange(text string) (Range, error) {
	fields := strings.Fields(text)
	if len(fields) != 2 {
		return Range{}, fmt.Errorf("parse port range %q: want two numbers, low and high", text)
	}
	low, err := parsePort(fields[0])
	if err != nil {
		return Range{}, fmt.Errorf("parse port range %q: %w", text, err)
	}
	high, err := parsePort(fields[1])
	if err != nil {
		return Range{}, fmt.Errorf("parse port range %q: %w", text, err)
	}
	if high < low {
		return Range{}, fmt.Errorf("parse port range %q: high end below low end", text)
	}
	return Range{Low: low, High: high}, nil
}

// Size is the number of ports in the range, both ends included.
func (r Range) Size() int { return int(r.High) - int(r.Low) + 1 }

// Contains reports whether p lies in the range.
func (r Range) Contains(p uint16) bool { return r.Low <= p && p <= r.High }

// SameParity reports whether both ends are odd or both even. The kernel scans
// the range in two passes, one per parity, and rounds its length down to an
// even number: with an odd length one port at an end can be passed over.
func (r Range) SameParity() bool { return r.Low%2 == r.High%2 && r.Low != r.High }

// Set is the range as a set of ports.
func (r Range) Set() *Set {
	set := &Set{}
	set.AddRange(r.Low, r.High)
	return set
}

// Without is the range without some ports, such as those that are reserved.
func (r Range) Without(ports *Set) *Set {
	set := r.Set()
	set.Subtract(ports)
	return set
}

// String is the kernel's form with one space.
func (r Range) String() string {
	return strconv.Itoa(int(r.Low)) + " " + strconv.Itoa(int(r.High))
}

func parsePort(text string) (uint16, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("%q is not a port number from 0 to 65535", text)
	}
	return uint16(n), nil
}
