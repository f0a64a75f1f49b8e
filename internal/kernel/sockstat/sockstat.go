// Package sockstat reads the counters of sockets that `ss -s` prints: how many
// there are by protocol and address family, without a look at any of them.
//
// The kernel keeps them in /proc/net/sockstat, sockstat6 and snmp for the
// network namespace of the reading thread, with two exceptions that the same
// files give in the same lines: the numbers of allocated and of orphaned TCP
// sockets are those of the whole machine (sockstat_seq_show, net/ipv4/proc.c).
//
// The package knows the files and the arithmetic of ss. It refuses to know
// ports: the kernel does not count those.
package sockstat

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"portrange/internal/host"
)

// Stats are the kernel's counters.
type Stats struct {
	// Sockets counts those of every address family, AF_UNIX included.
	Sockets int
	// Established counts TCP sockets in ESTABLISHED and CLOSE_WAIT.
	Established int
	// Opened counts the TCP connections opened from here since the namespace
	// exists, at whose connect() a port was found.
	Opened int
	// TimeWait counts TCP sockets in TIME_WAIT, and in FIN_WAIT_2 once closed.
	TimeWait int
	// Allocated and Orphaned count the TCP sockets of the whole machine.
	Allocated int
	Orphaned  int

	Raw, UDP, TCP, Frag Families
}

// Families counts sockets by address family: those of TCP that have a port,
// TIME_WAIT aside, and the queues of IP fragments.
type Families struct {
	IPv4 int
	IPv6 int
}

// taskDir holds a directory for each thread of the program.
const taskDir = "/proc/self/task"

// Read returns the counters of the calling thread's network namespace.
func Read() (Stats, error) { return read(taskDir, unix.Gettid()) }

func read(tasks string, tid int) (Stats, error) {
	var s Stats
	if err := s.readSockstat(filepath.Join(tasks, strconv.Itoa(tid))); err != nil {
		return Stats{}, fmt.Errorf("read socket counters: %w", err)
	}
	if err := s.readSNMP(tasks, tid); err != nil {
		return Stats{}, fmt.Errorf("read TCP counters: %w", err)
	}
	return s, nil
}

func (s *Stats) readSockstat(thread string) error {
	files, err := procfs.NewFS(thread)
	if err != nil {
		return err
	}
	v4, err := files.NetSockstat()
	if err != nil {
		return err
	}
	lines := byProtocol(v4)
	tcp := lines["TCP"]
	if v4.Used == nil || tcp.Orphan == nil || tcp.TW == nil || tcp.Alloc == nil {
		return errors.New("sockstat: counters of TCP are missing")
	}
	s.Sockets, s.Orphaned, s.TimeWait, s.Allocated = *v4.Used, *tcp.Orphan, *tcp.TW, *tcp.Alloc
	if err := inUse(lines, map[string]*int{
		"RAW": &s.Raw.IPv4, "UDP": &s.UDP.IPv4, "TCP": &s.TCP.IPv4, "FRAG": &s.Frag.IPv4,
	}); err != nil {
		return fmt.Errorf("sockstat: %w", err)
	}
	v6, err := files.NetSockstat6()
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a kernel without IPv6 has no such sockets
	}
	if err != nil {
		return err
	}
	if err := inUse(byProtocol(v6), map[string]*int{
		"RAW6": &s.Raw.IPv6, "UDP6": &s.UDP.IPv6, "TCP6": &s.TCP.IPv6, "FRAG6": &s.Frag.IPv6,
	}); err != nil {
		return fmt.Errorf("sockstat6: %w", err)
	}
	return nil
}

func byProtocol(stat *procfs.NetSockstat) map[string]procfs.NetSockstatProtocol {
	lines := make(map[string]procfs.NetSockstatProtocol, len(stat.Protocols))
	for _, line := range stat.Protocols {
		lines[line.Protocol] = line
	}
	return lines
}

// inUse insists on every line, as a missing one would read as zero.
func inUse(lines map[string]procfs.NetSockstatProtocol, into map[string]*int) error {
	for protocol, count := range into {
		line, found := lines[protocol]
		if !found {
			return fmt.Errorf("counters of %s are missing", protocol)
		}
		*count = line.InUse
	}
	return nil
}

func (s *Stats) readSNMP(tasks string, tid int) error {
	files, err := procfs.NewFS(tasks)
	if err != nil {
		return err
	}
	thread, err := files.Proc(tid)
	if err != nil {
		return err
	}
	snmp, err := thread.Snmp()
	if err != nil {
		return err
	}
	if snmp.CurrEstab == nil {
		return errors.New("snmp: CurrEstab is missing")
	}
	if snmp.ActiveOpens == nil {
		return errors.New("snmp: ActiveOpens is missing")
	}
	s.Established, s.Opened = int(*snmp.CurrEstab), int(*snmp.ActiveOpens)
	return nil
}

// Totals are the figures as ss computes them from the counters (print_summary,
// misc/ss.c of iproute2). In a namespace other than the only one, TCP.Total and
// TCP.Closed contain other namespaces' sockets, there as here.
func (s Stats) Totals() host.Totals {
	inet := Families{
		IPv4: s.Raw.IPv4 + s.UDP.IPv4 + s.TCP.IPv4,
		IPv6: s.Raw.IPv6 + s.UDP.IPv6 + s.TCP.IPv6,
	}
	return host.Totals{
		Sockets: s.Sockets,
		TCP: host.TCPTotals{
			Total:       s.Allocated + s.TimeWait,
			Established: s.Established,
			Closed:      s.Allocated - s.TCP.sum() + s.TimeWait,
			Orphaned:    s.Orphaned,
			TimeWait:    s.TimeWait,
		},
		Transports: []host.Transport{
			s.Raw.transport("raw"), s.UDP.transport("udp"), s.TCP.transport("tcp"),
			inet.transport("inet"), s.Frag.transport("frag"),
		},
	}
}

func (f Families) sum() int { return f.IPv4 + f.IPv6 }

func (f Families) transport(name string) host.Transport {
	return host.Transport{Name: name, Total: f.sum(), IPv4: f.IPv4, IPv6: f.IPv6}
}
