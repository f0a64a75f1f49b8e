package owner

import (
	"iter"
	"math"
	"slices"

	"portrange/internal/host"
)

// Index finds the holders of a socket by its inode number. The zero value is
// empty and ready to use. It is not for concurrent use.
type Index struct {
	// pairs are inode numbers, each above a place in processes. A socket has an
	// inode number of 32 bits (get_next_ino in fs/inode.c).
	pairs     []uint64
	sorted    bool
	processes []host.Process
	places    map[host.Process]uint32
}

// Add notes that p holds the socket. To note it again changes nothing. Inode 0,
// which stands for a socket that no process can hold, is left out, as are
// numbers that no socket has.
func (ix *Index) Add(inode uint64, p host.Process) {
	if inode == 0 || inode > math.MaxUint32 {
		return
	}
	ix.pairs = append(ix.pairs, inode<<32|uint64(ix.place(p)))
	ix.sorted = false
}

// Holders yields the processes that hold the socket, each once.
func (ix *Index) Holders(inode uint64) iter.Seq[host.Process] {
	return func(yield func(host.Process) bool) {
		if !ix.sorted {
			slices.Sort(ix.pairs)
			ix.pairs = slices.Compact(ix.pairs)
			ix.sorted = true
		}
		at, _ := slices.BinarySearch(ix.pairs, inode<<32)
		for ; at < len(ix.pairs) && ix.pairs[at]>>32 == inode; at++ {
			if !yield(ix.processes[uint32(ix.pairs[at])]) {
				return
			}
		}
	}
}

// place is where the process stands in processes. Sources go through the files
// of one process after another.
func (ix *Index) place(p host.Process) uint32 {
	if n := len(ix.processes); n > 0 && ix.processes[n-1] == p {
		return uint32(n - 1)
	}
	place, known := ix.places[p]
	if known {
		return place
	}
	if ix.places == nil {
		ix.places = map[host.Process]uint32{}
	}
	place = uint32(len(ix.processes))
	ix.processes = append(ix.processes, p)
	ix.places[p] = place
	return place
}
