package checkup

import (
	"context"
	"errors"
	"io/fs"
	"slices"

	"portrange/internal/act"
	"portrange/internal/act/survey"
	"portrange/internal/doctor"
	"portrange/internal/host"
	"portrange/internal/kernel/limits"
	"portrange/internal/kernel/netns"
	"portrange/internal/port"
)

// services asks who holds which port and who else needs one.
func (r *run) services(ctx context.Context) error {
	own, err := netns.Current()
	if err != nil {
		r.gap("services", 0, err)
		return nil
	}
	system, err := act.NewSystem(r.targets...)
	if err != nil {
		r.gap("services", 0, err)
		return nil
	}
	s := survey.Survey{Root: r.options.Root, Identify: system.Identify, Sockets: r.sampler.Sockets}
	facts, err := s.Facts(ctx, r.targets, own.ID)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r.gaps = append(r.gaps, facts.Gaps...)
	if err != nil {
		r.gap("services", 0, err)
		return nil
	}
	r.booted = map[uint64]bool{}
	for i := range facts.Namespaces {
		r.take(&facts.Namespaces[i])
	}
	return r.takers(ctx)
}

// take brings what a survey found into the facts.
func (r *run) take(found *act.Namespace) {
	at := slices.IndexFunc(r.facts.Namespaces, func(ns doctor.Namespace) bool { return ns.Now.ID == found.Place.ID })
	if at < 0 {
		return
	}
	ns := &r.facts.Namespaces[at]
	// A survey takes files to apply to the caller's namespace too, as somebody
	// who writes one there must mean it. What is written applies to the host's.
	r.booted[ns.Now.ID] = found.Place.Host || ns.Now.ID == r.options.booted
	for _, hold := range found.Holds {
		if hold.Proto == port.TCP && hold.State == port.Listen && ns.Now.Settings.Range.Contains(hold.Port) {
			ns.Holds = append(ns.Holds, doctor.Hold{Proto: hold.Proto, Port: hold.Port, Listening: true, Processes: hold.Processes})
		}
	}
	for _, claim := range found.Claims {
		ns.Claims = append(ns.Claims, doctor.Claim{Code: claim.Code, Who: claim.Who, Ports: claim.Ports, Evidence: claim.Evidence, Proto: claim.Proto})
	}
}

// takers finds the processes whose connections or UDP sockets use ports that
// somebody else claims. There are few such ports, mostly none.
func (r *run) takers(ctx context.Context) error {
	wanted := map[uint64]*port.Set{}
	for i := range r.facts.Namespaces {
		if ports := contested(&r.facts.Namespaces[i]); ports.Len() > 0 {
			wanted[r.facts.Namespaces[i].Now.ID] = ports
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	for row, err := range r.sampler.Sockets(ctx, r.targets) {
		var gap *host.Gap
		switch ports, asked := wanted[row.Namespace.ID]; {
		case errors.As(err, &gap):
			r.gaps = append(r.gaps, *gap)
		case err != nil:
			r.gap("who holds the ports of services", 0, err)
			return ctx.Err()
		case asked && (row.Socket.Proto == port.UDP || row.Socket.Connected()) && ports.Contains(row.Socket.Local.Port()):
			r.hold(row.Namespace.ID, &row.Socket, row.Processes)
		}
	}
	return ctx.Err()
}

// contested are the claimed ports of the range on which a connection or a UDP
// socket is.
func contested(ns *doctor.Namespace) *port.Set {
	claimed := &port.Set{}
	for _, claim := range ns.Claims {
		claimed.Union(claim.Ports)
	}
	claimed.Intersect(ns.Now.Settings.Range.Set())
	used := &port.Set{}
	for _, uses := range ns.Now.Usage.Tuples {
		uses.AddTo(used)
	}
	for local, ports := range ns.Now.Usage.Locals {
		if local.Proto == port.UDP {
			ports.AddTo(used)
		}
	}
	claimed.Intersect(used)
	return claimed
}

func (r *run) hold(id uint64, s *port.Socket, processes []host.Process) {
	for i := range r.facts.Namespaces {
		if ns := &r.facts.Namespaces[i]; ns.Now.ID == id && len(processes) > 0 {
			ns.Holds = append(ns.Holds, doctor.Hold{Proto: s.Proto, Port: s.Local.Port(), Processes: processes})
		}
	}
}

// processes reads the file limit of the process with most ports of each
// namespace.
func (r *run) processes() {
	for i := range r.facts.Namespaces {
		ns := &r.facts.Namespaces[i]
		process := busiest(&ns.Now)
		if process.Ports == 0 {
			continue
		}
		files, err := limits.ReadProcess(process.PID)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it ended
		}
		if err != nil {
			r.gap("file limit", ns.Now.ID, err)
			continue
		}
		process.Files = files
		ns.Process = &process
	}
}

// busiest is the process with most ports of the range.
func busiest(ns *host.Namespace) doctor.Process {
	counts, holdings := map[int]int{}, ns.Holdings
	if holdings == nil {
		return doctor.Process{}
	}
	all := ns.Settings.Range.Set()
	for _, owners := range holdings.Owners {
		for pid, n := range owners {
			counts[pid] += n
		}
	}
	for pid, ports := range holdings.Bound {
		counts[pid] += ports.CountIn(all)
	}
	var most doctor.Process
	for pid, n := range counts {
		if n > most.Ports || n == most.Ports && pid < most.PID {
			most = doctor.Process{Process: host.Process{PID: pid, Command: holdings.Commands[pid]}, Ports: n}
		}
	}
	return most
}
