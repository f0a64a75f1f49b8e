package port

import (
	"fmt"
	"iter"
	"math/bits"
	"strconv"
	"strings"
)

const wordBits = 64

// Set is a set of port numbers: one bit for each of the 65,536. The zero value
// is empty and ready to use.
type Set struct {
	words [65536 / wordBits]uint64
}

// ParseSet reads the kernel's list form (lib/bitmap.c, proc_do_large_bitmap):
// ports and ranges joined by commas, such as "8080,9148-9150". An empty text is
// an empty set.
func ParseSet(text string) (*Set, error) {
	set := &Set{}
	text = strings.TrimSpace(text)
	if text == "" {
		return set, nil
	}
	for item := range strings.SplitSeq(text, ",") {
		if err := set.parseItem(strings.TrimSpace(item)); err != nil {
			return nil, fmt.Errorf("parse port list: %w", err)
		}
	}
	return set, nil
}

func (s *Set) parseItem(item string) error {
	first, last, isRange := strings.Cut(item, "-")
	low, err := parsePort(first)
	if err != nil {
		return err
	}
	high := low
	if isRange {
		if high, err = parsePort(last); err != nil {
			return err
		}
	}
	if high < low {
		return fmt.Errorf("%q ends before it starts", item)
	}
	s.AddRange(low, high)
	return nil
}

// Add puts p into the set and reports whether it was not in it before.
func (s *Set) Add(p uint16) bool {
	word, bit := &s.words[p/wordBits], uint64(1)<<(p%wordBits)
	fresh := *word&bit == 0
	*word |= bit
	return fresh
}

// AddRange puts all ports from low to high, both included, into the set.
func (s *Set) AddRange(low, high uint16) {
	for word := low / wordBits; word <= high/wordBits && low <= high; word++ {
		bits := ^uint64(0)
		if word == low/wordBits {
			bits <<= low % wordBits
		}
		if word == high/wordBits {
			bits &= ^uint64(0) >> (wordBits - 1 - high%wordBits)
		}
		s.words[word] |= bits
	}
}

// Remove takes p out of the set.
func (s *Set) Remove(p uint16) { s.words[p/wordBits] &^= 1 << (p % wordBits) }

// Contains reports whether p is in the set.
func (s *Set) Contains(p uint16) bool { return s.words[p/wordBits]>>(p%wordBits)&1 == 1 }

// Len is the number of ports in the set.
func (s *Set) Len() int {
	n := 0
	for _, word := range s.words {
		n += bits.OnesCount64(word)
	}
	return n
}

// Union adds all ports of other.
func (s *Set) Union(other *Set) {
	for i, word := range other.words {
		s.words[i] |= word
	}
}

// Subtract removes all ports of other.
func (s *Set) Subtract(other *Set) {
	for i, word := range other.words {
		s.words[i] &^= word
	}
}

// Intersect removes all ports that are not in other.
func (s *Set) Intersect(other *Set) {
	for i, word := range other.words {
		s.words[i] &= word
	}
}

// CountIn is the number of ports that are also in other.
func (s *Set) CountIn(other *Set) int {
	n := 0
	for i, word := range other.words {
		n += bits.OnesCount64(s.words[i] & word)
	}
	return n
}

// Clone is an independent copy.
func (s *Set) Clone() *Set {
	clone := *s
	return &clone
}

// All yields the ports in ascending order.
func (s *Set) All() iter.Seq[uint16] {
	return func(yield func(uint16) bool) {
		for i, word := range s.words {
			for ; word != 0; word &= word - 1 {
				if !yield(uint16(i*wordBits + bits.TrailingZeros64(word))) {
					return
				}
			}
		}
	}
}

// Spans yields the runs of consecutive ports in ascending order.
func (s *Set) Spans() iter.Seq[Range] {
	return func(yield func(Range) bool) {
		var span Range
		open := false
		for p := range s.All() {
			if open && p == span.High+1 {
				span.High = p
				continue
			}
			if open && !yield(span) {
				return
			}
			span, open = Range{Low: p, High: p}, true
		}
		if open {
			yield(span)
		}
	}
}

// String is the kernel's list form, as ip_local_reserved_ports prints it.
func (s *Set) String() string {
	var b strings.Builder
	for span := range s.Spans() {
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(int(span.Low)))
		if span.High > span.Low {
			b.WriteString("-" + strconv.Itoa(int(span.High)))
		}
	}
	return b.String()
}
