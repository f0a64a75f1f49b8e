package limits

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"

	"portrange/internal/host"
)

// ReadMachine reads TCP's share of the machine. The limits are visible from the
// host's network namespace alone; elsewhere the error is fs.ErrNotExist.
func ReadMachine() (host.TCP, error) { return live().machine() }

func (p proc) machine() (host.TCP, error) {
	var m host.TCP
	mem, err := p.numbers("sys/net/ipv4/tcp_mem", 3)
	if err != nil {
		return m, err
	}
	m.PressurePages, m.MaxPages = mem[1], mem[2]
	if m.MaxOrphans, err = p.number("sys/net/ipv4/tcp_max_orphans"); err != nil {
		return m, err
	}
	tcp, err := p.sockstat()
	if err != nil {
		return m, err
	}
	m.Orphans, m.Pages = count(tcp.Orphan), count(tcp.Mem)
	return m, nil
}

// ReadTimeWait reads the calling thread's namespace.
func ReadTimeWait() (host.TimeWait, error) { return live().timeWait() }

func (p proc) timeWait() (host.TimeWait, error) {
	tcp, err := p.sockstat()
	if err != nil {
		return host.TimeWait{}, err
	}
	// The file itself: procfs knows it only by process id, and a process's directory
	// shows the namespace of its first thread.
	data, err := os.ReadFile(filepath.Join(p.thread(), "net/netstat"))
	if err != nil {
		return host.TimeWait{}, fmt.Errorf("read netstat: %w", bare(err))
	}
	overflows, err := parseCounter(string(data), "TcpExt", "TCPTimeWaitOverflow")
	if err != nil {
		return host.TimeWait{}, fmt.Errorf("read netstat: %w", err)
	}
	return host.TimeWait{Sockets: count(tcp.TW), Overflows: overflows}, nil
}

func (p proc) sockstat() (procfs.NetSockstatProtocol, error) {
	var none procfs.NetSockstatProtocol
	dir, err := procfs.NewFS(p.thread())
	if err != nil {
		return none, fmt.Errorf("read sockstat: %w", err)
	}
	stat, err := dir.NetSockstat()
	if err != nil {
		return none, fmt.Errorf("read sockstat: %w", bare(err))
	}
	for _, protocol := range stat.Protocols {
		if protocol.Protocol == "TCP" {
			return protocol, nil
		}
	}
	return none, errors.New("read sockstat: it has no line for TCP")
}

func count(n *int) uint64 {
	if n == nil || *n < 0 { // the kernel sums per-CPU counters without a lock
		return 0
	}
	return uint64(*n)
}

// parseCounter finds one counter in the form of /proc/net/netstat: a line of
// names and one of values for each group. One that is missing is fs.ErrNotExist.
func parseCounter(text, group, name string) (uint64, error) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i := 0; i+1 < len(lines); i += 2 {
		names, values := strings.Fields(lines[i]), strings.Fields(lines[i+1])
		if len(names) != len(values) || len(names) == 0 || names[0] != values[0] {
			return 0, fmt.Errorf("line %d does not match the one after it", i+1)
		}
		if names[0] != group+":" {
			continue
		}
		for j, found := range names[1:] {
			if found == name {
				return strconv.ParseUint(values[j+1], 10, 64)
			}
		}
	}
	return 0, fmt.Errorf("%s %s: %w", group, name, fs.ErrNotExist)
}
