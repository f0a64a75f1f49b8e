package rules

import (
	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/port"
	"portrange/internal/words"
)

// portValues are ports as values of a finding: their number, and the list in the
// kernel's form.
func portValues(ports *port.Set) finding.Values {
	return finding.Values{{Name: "count", V: ports.Len()}, {Name: "ports", V: ports.String()}}
}

// portsText words what [portValues] holds.
func portsText(f *finding.Finding) string {
	return words.Ports(f.Values.Int("count"), f.Values.Text("ports"))
}

// reserve is the action that keeps ports from being picked. A list that is too
// long to type makes no command.
func reserve(ns *host.Namespace, ports *port.Set, why string) finding.Action {
	if words.IsLong(ports.String()) {
		return finding.Action{Step: finding.Today, Text: why + "; move the range or reserve the ports, whose list is too long to type"}
	}
	return finding.Action{Step: finding.Now, Command: lasting(ns, "reserve", "add", ports.String()), Text: why}
}

// unreserve is the action that takes ports off the list of reserved ones.
func unreserve(ns *host.Namespace, ports *port.Set, when string) finding.Action {
	if words.IsLong(ports.String()) {
		return finding.Action{
			Step: finding.Today, Command: finding.Portrange(ns.Ref, "reserve", "list"),
			Text: when + "; this lists all that are reserved, for reserve remove",
		}
	}
	return finding.Action{Step: finding.Today, Command: lasting(ns, "reserve", "remove", ports.String()), Text: when}
}

// holdersOf are the processes that were seen on a port, none where they could not be.
func holdersOf(ns *host.Namespace, proto port.Proto, p uint16) []host.Process {
	for _, holds := range [][]host.Hold{ns.Holds, ns.Takers} {
		for i := range holds {
			if hold := &holds[i]; hold.Proto == proto && hold.Port == p {
				return hold.Processes
			}
		}
	}
	return nil
}

// connections counts the tuples with a connection on a local port.
func connections(ns *host.Namespace, p uint16) int {
	n := 0
	for _, usage := range ns.Usage.Tuples {
		if usage.Contains(p) {
			n++
		}
	}
	return n
}

// holding is the ports of one process.
type holding struct {
	process   *host.Process // the first of processes, nil where none could be seen
	processes []host.Process
	proto     port.Proto
	ports     *port.Set
}

// group adds a port to what its first process has, as one process may have hundreds.
func group(all []holding, proto port.Proto, p uint16, processes []host.Process) []holding {
	var first *host.Process
	if len(processes) > 0 {
		first = &processes[0]
	}
	for i := range all {
		h := &all[i]
		same := h.process == first || h.process != nil && first != nil && *h.process == *first
		if same && h.proto == proto {
			h.ports.Add(p)
			return all
		}
	}
	ports := port.Range{Low: p, High: p}.Set()
	return append(all, holding{process: first, processes: processes, proto: proto, ports: ports})
}

func (h *holding) subject() finding.Subject {
	return finding.Subject{Proto: h.proto.String(), Process: h.process}
}

func (h *holding) values() finding.Values {
	values := portValues(h.ports)
	if len(h.processes) > 1 {
		values = append(values, finding.Value{Name: "processes", V: h.processes})
	}
	return values
}

// somebody stands in front of what an unknown process does, and behind a known
// one for the others that share its sockets.
func somebody(f *finding.Finding) string {
	if f.Subject.Process == nil {
		return "a process that could not be seen "
	}
	if processes, shared := f.Values.Get("processes").([]host.Process); shared {
		if len(processes) == 2 {
			return "together with another process "
		}
		return "together with " + words.Thousands(len(processes)-1) + " more processes "
	}
	return ""
}
