package port

import (
	"iter"
	"slices"
)

// sparseMax is the number of ports up to which a sorted list takes less memory
// than a [Set] without making an insertion slow.
const sparseMax = 1024

// Ports is a set of ports that starts small: two bytes a port, then the 8 KiB
// of a [Set]. The zero value is empty and ready to use.
type Ports struct {
	sparse []uint16 // ascending
	dense  *Set
}

// Add puts p into the set and reports whether it was not in it before.
func (ps *Ports) Add(p uint16) bool {
	if ps.dense != nil {
		return ps.dense.Add(p)
	}
	at, found := slices.BinarySearch(ps.sparse, p)
	if found {
		return false
	}
	if len(ps.sparse) == sparseMax {
		ps.dense, ps.sparse = ps.Set(), nil
		return ps.dense.Add(p)
	}
	ps.sparse = slices.Insert(ps.sparse, at, p)
	return true
}

// Contains reports whether p is in the set.
func (ps *Ports) Contains(p uint16) bool {
	if ps.dense != nil {
		return ps.dense.Contains(p)
	}
	_, found := slices.BinarySearch(ps.sparse, p)
	return found
}

// All yields the ports in ascending order.
func (ps *Ports) All() iter.Seq[uint16] {
	if ps.dense != nil {
		return ps.dense.All()
	}
	return slices.Values(ps.sparse)
}

// Len is the number of ports in the set.
func (ps *Ports) Len() int {
	if ps.dense != nil {
		return ps.dense.Len()
	}
	return len(ps.sparse)
}

// CountIn is the number of ports that are also in the other set.
func (ps *Ports) CountIn(other *Set) int {
	if ps.dense != nil {
		return ps.dense.CountIn(other)
	}
	n := 0
	for _, p := range ps.sparse {
		if other.Contains(p) {
			n++
		}
	}
	return n
}

// Set is a copy as a plain set.
func (ps *Ports) Set() *Set {
	set := &Set{}
	ps.AddTo(set)
	return set
}

// AddTo puts all ports into set.
func (ps *Ports) AddTo(set *Set) {
	if ps.dense != nil {
		set.Union(ps.dense)
		return
	}
	for _, p := range ps.sparse {
		set.Add(p)
	}
}
