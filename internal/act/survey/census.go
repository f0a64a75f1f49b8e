package survey

import (
	"cmp"
	"slices"

	"portrange/internal/act"
	"portrange/internal/host"
	"portrange/internal/port"
	"portrange/internal/sample"
)

// census keeps of many sockets who took which port through bind(), and who has
// the most connections.
type census struct {
	holds       map[holdKey]*act.Hold
	connections map[host.Process]int
}

type holdKey struct {
	port  uint16
	proto port.Proto
}

func newCensus() census {
	return census{holds: map[holdKey]*act.Hold{}, connections: map[host.Process]int{}}
}

// maxProcesses is how many processes of one port are worth remembering.
const maxProcesses = 16

func (c *census) add(row *sample.Row) {
	s := &row.Socket
	if s.Connected() {
		for _, process := range row.Processes {
			c.connections[process]++
		}
	}
	if !isHold(s) {
		return
	}
	key := holdKey{s.Local.Port(), s.Proto}
	hold, known := c.holds[key]
	if !known {
		hold = &act.Hold{Port: key.port, Proto: key.proto, State: s.State}
		c.holds[key] = hold
	}
	c.credit(hold, s.State, row.Processes)
}

// credit lets a listener speak for the port: what it accepted has the same one.
func (c *census) credit(hold *act.Hold, state port.State, processes []host.Process) {
	switch {
	case hold.State == port.Listen && state != port.Listen:
		return
	case state == port.Listen && hold.State != port.Listen:
		hold.State, hold.Processes = port.Listen, nil
	}
	for _, process := range processes {
		if len(hold.Processes) < maxProcesses && !slices.Contains(hold.Processes, process) {
			hold.Processes = append(hold.Processes, process)
		}
	}
}

// isHold reports whether a socket took its port through bind(). A timewait
// socket is what is left of one; of UDP every socket excludes others.
func isHold(s *port.Socket) bool {
	switch {
	case s.Mini:
		return false
	case s.Proto == port.UDP, s.State == port.Listen, s.State == port.BoundInactive:
		return true
	}
	return s.Hold == port.BindHeld
}

// list is everything, by port.
func (c *census) list() []act.Hold {
	list := make([]act.Hold, 0, len(c.holds))
	for _, hold := range c.holds {
		list = append(list, *hold)
	}
	slices.SortFunc(list, func(a, b act.Hold) int {
		return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.Proto, b.Proto))
	})
	return list
}

// busiest is the process with the most connections; PID 0 where there is none.
func (c *census) busiest() host.Process {
	var most host.Process
	for process, n := range c.connections {
		if n > c.connections[most] || n == c.connections[most] && process.PID < most.PID {
			most = process
		}
	}
	return most
}
