package cli

import (
	"bufio"
	"cmp"
	"fmt"
	"iter"
	"math"
	"net/netip"
	"slices"

	"portrange/internal/collect"
	"portrange/internal/host"
	"portrange/internal/kernel/netns"
	"portrange/internal/port"
	"portrange/internal/report"
)

// rowPrinter prints sockets as they come. Close is told what could not be read, and
// whether --limit left sockets out.
type rowPrinter interface {
	Write(*report.Socket) error
	Close(gaps []host.Gap, more bool) error
}

// lister prints sockets as they come, at most limit of them, 0 for all.
type lister struct {
	printer rowPrinter
	names   map[uint32]string // of users
	limit   int
	taken   int
	more    bool
}

func (l *lister) take(row *collect.Row) (bool, error) {
	if l.limit > 0 && l.taken == l.limit {
		l.more = true
		return false, nil
	}
	l.taken++
	return true, l.printer.Write(socketDocument(row, l.names))
}

func (l *lister) end(gaps []host.Gap) error { return l.printer.Close(gaps, l.more) }

// sorter keeps the sockets until it has seen the last one; with a limit, the first ones
// by its order.
type sorter struct {
	*lister
	compare func(a, b *collect.Row) int
	kept    []collect.Row
}

// fewest is how many sockets a sorter keeps whatever its limit: to sort them more often
// than they double takes longer than to keep them.
const fewest = 1024

func (s *sorter) take(row *collect.Row) (bool, error) {
	s.kept = append(s.kept, *row)
	if s.limit > 0 && len(s.kept) >= max(2*s.limit, fewest) {
		s.sort()
		s.more = s.more || len(s.kept) > s.limit
		clear(s.kept[s.limit:])
		s.kept = s.kept[:s.limit]
	}
	return true, nil
}

func (s *sorter) sort() {
	slices.SortStableFunc(s.kept, func(a, b collect.Row) int { return cmp.Or(s.compare(&a, &b), compareEnds(&a, &b)) })
}

func (s *sorter) end(gaps []host.Gap) error {
	s.sort()
	for i := range s.kept {
		more, err := s.lister.take(&s.kept[i])
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}
	return s.lister.end(gaps)
}

// orders are those of --sort. What a socket does not have comes last.
var orders = map[string]func(a, b *collect.Row) int{
	byLocal:  func(a, b *collect.Row) int { return a.Socket.Local.Compare(b.Socket.Local) },
	byRemote: func(a, b *collect.Row) int { return compareRemote(a.Socket.Remote, b.Socket.Remote) },
	byState:  func(a, b *collect.Row) int { return cmp.Compare(a.Socket.State, b.Socket.State) },
	byUser:   func(a, b *collect.Row) int { return cmp.Compare(userOrder(&a.Socket), userOrder(&b.Socket)) },
	byTimer: func(a, b *collect.Row) int {
		return cmp.Or(
			lastIf(a.Socket.Timer.Kind == port.TimerOff, b.Socket.Timer.Kind == port.TimerOff),
			cmp.Compare(a.Socket.Timer.Expires, b.Socket.Timer.Expires))
	},
	byProcess: func(a, b *collect.Row) int {
		if len(a.Processes) == 0 || len(b.Processes) == 0 {
			return lastIf(len(a.Processes) == 0, len(b.Processes) == 0)
		}
		p, q := a.Processes[0], b.Processes[0]
		return cmp.Or(cmp.Compare(p.Command, q.Command), cmp.Compare(p.PID, q.PID))
	},
}

func compareEnds(a, b *collect.Row) int {
	return cmp.Or(cmp.Compare(a.Socket.Proto, b.Socket.Proto), a.Socket.Local.Compare(b.Socket.Local),
		compareRemote(a.Socket.Remote, b.Socket.Remote))
}

func compareRemote(a, b netip.AddrPort) int {
	return cmp.Or(lastIf(!a.IsValid(), !b.IsValid()), a.Compare(b))
}

// lastIf orders one that lacks something behind one that has it.
func lastIf(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

func userOrder(s *port.Socket) uint64 {
	if !hasUser(s) {
		return math.MaxUint64
	}
	return uint64(s.UID)
}

// counter counts the sockets.
type counter struct {
	command *socketsCommand
	out     *bufio.Writer
	n       int
}

func (c *counter) take(*collect.Row) (bool, error) {
	c.n++
	return true, nil
}

func (c *counter) end(gaps []host.Gap) error {
	document := &report.SocketCount{SchemaVersion: report.SchemaVersion, Count: c.n, Gaps: gaps}
	if c.command.json {
		return report.WriteJSON(c.out, document)
	}
	_, err := fmt.Fprintln(c.out, c.n)
	return err
}

// grouper counts the sockets by what they have in common.
type grouper struct {
	command *socketsCommand
	out     *bufio.Writer
	total   int
	groups  map[report.GroupKey]*group
	units   map[host.Process]report.GroupKey
}

// group is one of them on its way.
type group struct {
	sockets   int
	states    [port.States]int
	processes map[int]bool
}

func newGrouper(command *socketsCommand, out *bufio.Writer) *grouper {
	return &grouper{command: command, out: out,
		groups: map[report.GroupKey]*group{}, units: map[host.Process]report.GroupKey{}}
}

func (g *grouper) take(row *collect.Row) (bool, error) {
	g.total++
	s := &row.Socket
	var counted []report.GroupKey // where the socket counts already
	for key, process := range g.keys(row) {
		of := g.groups[key]
		if of == nil {
			of = &group{processes: map[int]bool{}}
			g.groups[key] = of
		}
		if process != 0 {
			of.processes[process] = true
		}
		if !slices.Contains(counted, key) {
			counted = append(counted, key)
			of.sockets++
			of.states[s.State]++
		}
	}
	return true, nil
}

// keys yields the groups that a socket belongs to, with the process by which it does, 0
// for none.
func (g *grouper) keys(row *collect.Row) iter.Seq2[report.GroupKey, int] {
	s := &row.Socket
	return func(yield func(report.GroupKey, int) bool) {
		switch by := g.command.groupBy; {
		case by == byState:
			yield(report.GroupKey{Name: s.State.String()}, 0)
		case by == byRemote && s.Connected():
			yield(report.GroupKey{Name: s.Remote.String()}, 0)
		case by == byRemote:
			yield(report.GroupKey{Without: report.WithoutPeer}, 0)
		case len(row.Processes) == 0:
			yield(report.GroupKey{Without: unheld(s)}, 0)
		default:
			for _, process := range row.Processes {
				key := report.GroupKey{Name: process.Command}
				if by == byUnit {
					key = g.unit(process)
				}
				if !yield(key, process.PID) {
					return
				}
			}
		}
	}
}

// unheld says why no process is known to have a socket open.
func unheld(s *port.Socket) report.Without {
	switch {
	case s.Mini:
		return report.WithoutTimeWait
	case s.State == port.NewSynRecv:
		return report.WithoutAccept
	case s.Inode == 0:
		return report.WithoutFile
	}
	return report.WithoutReading
}

// unit is the unit or container of a process, looked up once.
func (g *grouper) unit(process host.Process) report.GroupKey {
	key, known := g.units[process]
	if known {
		return key
	}
	name, err := netns.Unit(process.PID)
	switch {
	case err != nil:
		key.Without = report.WithoutReading
	case name == "":
		key.Without = report.WithoutUnit
	default:
		key.Name = name
	}
	g.units[process] = key
	return key
}

// document is what was counted.
func (g *grouper) document(gaps []host.Gap) *report.SocketGroups {
	document := &report.SocketGroups{
		SchemaVersion: report.SchemaVersion, By: g.command.groupBy, Sockets: g.total,
		Groups: make([]report.SocketGroup, 0, len(g.groups)), Gaps: gaps,
	}
	for key, of := range g.groups {
		shown := report.SocketGroup{
			GroupKey: key, Sockets: of.sockets, Processes: len(of.processes), States: map[string]int{},
		}
		for state, n := range of.states {
			if n > 0 {
				shown.States[port.State(state).String()] = n
			}
		}
		document.Groups = append(document.Groups, shown)
	}
	document.Sort(int(g.command.limit))
	return document
}

func (g *grouper) end(gaps []host.Gap) error {
	document := g.document(gaps)
	if g.command.json {
		return report.WriteJSON(g.out, document)
	}
	return report.WriteSocketGroups(g.out, document, g.command.style())
}
