package host

import (
	"fmt"
	"iter"

	"portrange/internal/port"
)

// Process is one process, as the reader's PID namespace numbers it.
type Process struct {
	PID     int    `json:"pid" doc:"process id"`
	Command string `json:"command" doc:"command name"`
}

// String is the name and the id.
func (p Process) String() string { return fmt.Sprintf("%s (pid %d)", p.Command, p.PID) }

// Holder is a socket together with one process that has it open. A socket
// shared by several processes yields one Holder for each.
type Holder struct {
	Socket  port.Socket
	Process Process
	NetNS   uint64 // inode number of the socket's network namespace
}

// Holdings are the processes that hold ports, as a walk over open files finds them.
type Holdings struct {
	// Partial is set when the files of some process could not be read: a gap says
	// why. A socket that nobody was seen to hold may have a holder then.
	Partial bool
	// Owners counts the sockets of a tuple by PID.
	Owners map[port.Tuple]map[int]int
	// Held are the ports of the same sockets, those that processes share once.
	Held map[port.Tuple]*port.Ports
	// Bound are the bind-held TCP ports by PID, listening and idle ones included.
	Bound map[int]*port.Ports
	// Commands names the processes.
	Commands map[int]string

	counts *port.Set
	tuple  port.Tuple  // of the latest socket
	owners map[int]int // Owners[tuple]
	ports  *port.Ports // Held[tuple]
}

// NewHoldings returns empty holdings; only sockets on the given ports count as
// a tuple's owners.
func NewHoldings(counts *port.Set) *Holdings {
	return &Holdings{
		Owners:   map[port.Tuple]map[int]int{},
		Held:     map[port.Tuple]*port.Ports{},
		Bound:    map[int]*port.Ports{},
		Commands: map[int]string{},
		counts:   counts,
	}
}

// Add counts one socket of one process.
func (h *Holdings) Add(held *Holder) {
	s := &held.Socket
	if s.Proto != port.TCP || s.Hold != port.BindHeld && !s.Connected() {
		return
	}
	h.Commands[held.Process.PID] = held.Process.Command
	if s.Hold == port.BindHeld {
		h.addBound(held.Process.PID, s.Local.Port())
		return
	}
	if h.counts.Contains(s.Local.Port()) {
		h.addOwner(s.Tuple(), s.Local.Port(), held.Process.PID)
	}
}

func (h *Holdings) addBound(pid int, p uint16) {
	ports, known := h.Bound[pid]
	if !known {
		ports = &port.Ports{}
		h.Bound[pid] = ports
	}
	ports.Add(p)
}

func (h *Holdings) addOwner(tuple port.Tuple, p uint16, pid int) {
	if h.ports == nil || h.tuple != tuple {
		h.enter(tuple)
	}
	h.owners[pid]++
	h.ports.Add(p)
}

// enter makes the tuple the one that sockets are added to: one after another, most
// share one, and to look it up takes longer than the rest.
func (h *Holdings) enter(tuple port.Tuple) {
	if h.Owners[tuple] == nil {
		h.Owners[tuple] = make(map[int]int, 1)
		h.Held[tuple] = &port.Ports{}
	}
	h.tuple, h.owners, h.ports = tuple, h.Owners[tuple], h.Held[tuple]
}

// Unheld yields those ports of a tuple that count and that no process holds.
func (h *Holdings) Unheld(tuple port.Tuple, ports *port.Ports) iter.Seq[uint16] {
	return func(yield func(uint16) bool) {
		for p := range ports.All() {
			if h.Lacks(tuple, p) && !yield(p) {
				return
			}
		}
	}
}

// Lacks reports whether a port of a tuple counts and no process holds it.
func (h *Holdings) Lacks(tuple port.Tuple, p uint16) bool {
	held, known := h.Held[tuple]
	return h.counts.Contains(p) && !(known && held.Contains(p))
}

// Process is the process with an id, as far as it was seen.
func (h *Holdings) Process(pid int) Process { return Process{PID: pid, Command: h.Commands[pid]} }
