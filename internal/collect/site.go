package collect

import (
	"errors"
	"io/fs"

	"portrange/internal/host"
	"portrange/internal/kernel/limits"
	"portrange/internal/kernel/netns"
	"portrange/internal/port"
)

// site is one namespace in the making.
type site struct {
	target netns.Namespace
	ns     host.Namespace
	failed error // why there is nothing to show of it
	// masters are the VRFs that devices belong to.
	masters map[uint32]uint32
	// contested are the ports of the range that claims name, nil for none.
	contested *port.Set

	// What the walk over sockets leaves, besides the usage.
	census   *census // nil where it is not wanted
	bound    *port.Set
	unlisted *host.Gap // the kernel did not list idle bound sockets
	// What the pass over open files leaves, which runs beside that walk.
	held, takers *census
	idle         []port.Socket
}

// local reports whether the files of the system apply to the namespace: it is
// the host's, or the caller's own, as within a container.
func (s *site) local() bool { return s.target.Name == port.Host || s.ns.Ref == "" }

// begin makes room for what is wanted.
func (s *site) begin(want host.Want) {
	if want.Any(needSockets) {
		s.ns.Usage = s.newUsage()
	}
	if want.Any(needFiles) {
		settings := &s.ns.Settings // only on an open port may a connection use one of a pool's
		s.ns.Holdings = host.NewHoldings(settings.Range.Without(settings.Reserved))
	}
	if want.Has(host.WantHolds) {
		s.census, s.held, s.takers = newCensus(), newCensus(), newCensus()
	}
	if want.Has(host.WantTotals) {
		s.bound = &port.Set{}
	}
}

// newUsage is where a walk puts what it sees.
func (s *site) newUsage() *host.Usage {
	usage := host.NewUsage(s.ns.Settings)
	usage.Masters = s.masters
	return usage
}

// see takes in one socket of the walk.
func (s *site) see(socket *port.Socket) {
	s.ns.Usage.Add(socket)
	if s.census != nil && isHold(socket) {
		s.census.add(socket)
	}
	if s.bound != nil && socket.Proto == port.TCP && socket.Hold != port.NotHeld {
		s.bound.Add(socket.Local.Port())
	}
}

// credit takes in one socket with one process that holds it.
func (s *site) credit(held *host.Holder) {
	socket := &held.Socket
	s.ns.Holdings.Add(held)
	if s.held == nil {
		return
	}
	if isHold(socket) {
		s.held.add(socket, held.Process)
	}
	if s.contested != nil && socket.Proto == port.TCP && socket.Connected() && s.contested.Contains(socket.Local.Port()) {
		s.takers.add(socket, held.Process)
	}
}

// busiest finds the process with most ports of the range, and reads its files
// where that is wanted and it has not ended.
func (p *pass) busiest(s *site) {
	most := mostPorts(&s.ns)
	if most.Ports == 0 {
		return
	}
	s.ns.Busiest = &most
	if !p.want.Has(host.WantLimits) {
		return
	}
	files, err := limits.ReadProcess(most.PID)
	if err != nil {
		s.ns.Busiest = nil
		if !errors.Is(err, fs.ErrNotExist) {
			p.gaps.Missing(host.PartProcess, s.ns.ID, err)
		}
		return
	}
	most.Open, most.Soft = files.Open, files.Soft
}

// mostPorts is the process with most ports of the range; none without owners.
func mostPorts(ns *host.Namespace) host.ProcessFiles {
	var most host.ProcessFiles
	if ns.Holdings == nil {
		return most
	}
	counts, all := map[int]int{}, ns.Settings.Range.Set()
	for _, owners := range ns.Holdings.Owners {
		for pid, n := range owners {
			counts[pid] += n
		}
	}
	for pid, ports := range ns.Holdings.Bound {
		counts[pid] += ports.CountIn(all)
	}
	for pid, n := range counts {
		if n > most.Ports || n == most.Ports && pid < most.PID {
			most = host.ProcessFiles{Process: ns.Holdings.Process(pid), Ports: n}
		}
	}
	return most
}
