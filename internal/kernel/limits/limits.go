package limits

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
)

// Unlimited is a limit that is none.
const Unlimited = math.MaxUint64

// proc is where the files are. Tests have a directory of their own.
type proc struct{ root string }

// live is the running kernel's directory.
func live() proc { return proc{root: "/proc"} }

// Process is how many files one process may have open, and has.
type Process struct {
	PID  int
	Open uint64
	// Soft is the limit that holds (RLIMIT_NOFILE); [Unlimited] for none.
	Soft uint64
}

// ReadProcess reads the file limit of a process. Another user's takes
// CAP_SYS_PTRACE. A process that ended is fs.ErrNotExist.
func ReadProcess(pid int) (Process, error) { return live().process(pid) }

func (p proc) process(pid int) (Process, error) {
	dir, err := procfs.NewFS(p.root)
	if err != nil {
		return Process{}, fmt.Errorf("read file limit of process %d: %w", pid, err)
	}
	task, err := dir.Proc(pid)
	if err != nil {
		return Process{}, fmt.Errorf("read file limit of process %d: %w", pid, bare(err))
	}
	limits, err := task.Limits()
	if err != nil {
		return Process{}, fmt.Errorf("read file limit of process %d: %w", pid, bare(err))
	}
	open, err := task.FileDescriptorsLen()
	if err != nil {
		return Process{}, fmt.Errorf("count open files of process %d: %w", pid, bare(err))
	}
	return Process{PID: pid, Open: uint64(open), Soft: limits.OpenFiles}, nil
}

// Files is how many open files the machine may have, and has.
type Files struct {
	Allocated uint64 // first number of fs.file-nr
	Max       uint64 // fs.file-max
	// PerProcess is fs.nr_open, above which no RLIMIT_NOFILE can be set.
	PerProcess uint64
}

// ReadFiles reads the machine's limits of open files.
func ReadFiles() (Files, error) { return live().files() }

func (p proc) files() (Files, error) {
	used, err := p.numbers("sys/fs/file-nr", 3)
	if err != nil {
		return Files{}, err
	}
	perProcess, err := p.number("sys/fs/nr_open")
	return Files{Allocated: used[0], Max: used[2], PerProcess: perProcess}, err
}

// Conntrack is how many connections netfilter tracks in one namespace.
type Conntrack struct {
	Count uint64 // of the namespace
	Max   uint64 // of each namespace; only the host's can set it
	// Dropped counts packets dropped because the table was full, InsertFailed
	// entries that clashed with another: both since the namespace began
	// (struct ip_conntrack_stat).
	Dropped      uint64
	InsertFailed uint64
}

// ReadConntrack reads the calling thread's namespace. Where the kernel tracks
// no connections the error is fs.ErrNotExist.
func ReadConntrack() (Conntrack, error) { return live().conntrack() }

func (p proc) conntrack() (Conntrack, error) {
	var c Conntrack
	var err error
	if c.Count, err = p.number("sys/net/netfilter/nf_conntrack_count"); err != nil {
		return c, err
	}
	if c.Max, err = p.number("sys/net/netfilter/nf_conntrack_max"); err != nil {
		return c, err
	}
	dir, err := procfs.NewFS(p.thread())
	if err != nil {
		return c, fmt.Errorf("read conntrack statistics: %w", err)
	}
	perCPU, err := dir.ConntrackStat()
	if errors.Is(err, fs.ErrNotExist) { // CONFIG_NF_CONNTRACK_PROCFS is off
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("read conntrack statistics: %w", bare(err))
	}
	for _, cpu := range perCPU {
		c.Dropped += cpu.Drop
		c.InsertFailed += cpu.InsertFailed
	}
	return c, nil
}

// thread is the directory whose net/ shows the calling thread's namespace.
func (p proc) thread() string { return filepath.Join(p.root, "thread-self") }

func (p proc) number(name string) (uint64, error) {
	list, err := p.numbers(name, 1)
	if err != nil {
		return 0, err
	}
	return list[0], nil
}

// numbers reads a file that holds count numbers.
func (p proc) numbers(name string, count int) ([]uint64, error) {
	data, err := os.ReadFile(filepath.Join(p.root, name))
	if err != nil {
		return nil, fmt.Errorf("read /proc/%s: %w", name, bare(err))
	}
	list, err := parseNumbers(string(data), count)
	if err != nil {
		return nil, fmt.Errorf("read /proc/%s: %w", name, err)
	}
	return list, nil
}

func parseNumbers(text string, count int) ([]uint64, error) {
	fields := strings.Fields(text)
	if len(fields) != count {
		return nil, fmt.Errorf("%q: want %d numbers", text, count)
	}
	list := make([]uint64, count)
	for i, field := range fields {
		n, err := strconv.ParseUint(field, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is not a number from 0 up", field)
		}
		list[i] = n
	}
	return list, nil
}

// bare drops the path of an error where the message names the object already.
func bare(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
