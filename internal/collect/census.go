package collect

import (
	"cmp"
	"slices"

	"portrange/internal/host"
	"portrange/internal/port"
)

// census keeps of many sockets which ports they are on, and who has them.
type census struct{ holds map[holdKey]*host.Hold }

type holdKey struct {
	port  uint16
	proto port.Proto
}

func newCensus() *census { return &census{holds: map[holdKey]*host.Hold{}} }

// maxProcesses is how many processes of one port are worth remembering.
const maxProcesses = 16

func (c *census) add(s *port.Socket, processes ...host.Process) {
	c.credit(holdKey{s.Local.Port(), s.Proto}, s.State, processes)
}

// credit lets a listener speak for the port: what it accepted has the same one.
func (c *census) credit(key holdKey, state port.State, processes []host.Process) {
	hold, known := c.holds[key]
	switch {
	case !known:
		hold = &host.Hold{Port: key.port, Proto: key.proto, State: state}
		c.holds[key] = hold
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
// socket is what is left of one; of UDP every socket excludes others. An idle
// socket was bound even where its bucket is connect-held: a connection had the
// port before it. Package rules passes over such a port.
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
func (c *census) list() []host.Hold {
	list := make([]host.Hold, 0, len(c.holds))
	for _, hold := range c.holds {
		list = append(list, *hold)
	}
	slices.SortFunc(list, func(a, b host.Hold) int {
		return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.Proto, b.Proto))
	})
	return list
}
