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

// proc is where the files are. Tests have a directory of their own.
type proc struct{ root string }

// live is the running kernel's directory.
func live() proc { return proc{root: "/proc"} }

// ReadProcess reads the file limit of a process. Another user's takes
// CAP_SYS_PTRACE. A process that ended is fs.ErrNotExist.
func ReadProcess(pid int) (host.ProcessFiles, error) { return live().process(pid) }

func (p proc) process(pid int) (host.ProcessFiles, error) {
	dir, err := procfs.NewFS(p.root)
	if err != nil {
		return host.ProcessFiles{}, fmt.Errorf("read file limit of process %d: %w", pid, err)
	}
	task, err := dir.Proc(pid)
	if err != nil {
		return host.ProcessFiles{}, fmt.Errorf("read file limit of process %d: %w", pid, bare(err))
	}
	limits, err := task.Limits()
	if err != nil {
		return host.ProcessFiles{}, fmt.Errorf("read file limit of process %d: %w", pid, bare(err))
	}
	open, err := task.FileDescriptorsLen()
	if err != nil {
		return host.ProcessFiles{}, fmt.Errorf("count open files of process %d: %w", pid, bare(err))
	}
	return host.ProcessFiles{Process: host.Process{PID: pid}, Open: uint64(open), Soft: limits.OpenFiles}, nil
}

// ReadFiles reads the machine's limits of open files.
func ReadFiles() (host.Files, error) { return live().files() }

func (p proc) files() (host.Files, error) {
	used, err := p.numbers("sys/fs/file-nr", 3)
	if err != nil {
		return host.Files{}, err
	}
	perProcess, err := p.number("sys/fs/nr_open")
	return host.Files{Allocated: used[0], Max: used[2], PerProcess: perProcess}, err
}

// ReadConntrack reads the calling thread's namespace. Where the kernel tracks
// no connections the error is fs.ErrNotExist.
func ReadConntrack() (host.Conntrack, error) { return live().conntrack() }

func (p proc) conntrack() (host.Conntrack, error) {
	var c host.Conntrack
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
	fields := strings.Fields(string(data))
	if len(fields) != count {
		return nil, fmt.Errorf("read /proc/%s: %q: want %d numbers", name, data, count)
	}
	list := make([]uint64, count)
	for i, field := range fields {
		if list[i], err = strconv.ParseUint(field, 10, 64); err != nil {
			return nil, fmt.Errorf("read /proc/%s: %q is not a number from 0 up", name, field)
		}
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
