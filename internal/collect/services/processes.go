package services

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"portrange/internal/host"
)

// process is a running program that may say which ports somebody needs.
type process struct {
	procfs.Proc
	name string   // as the kernel knows it, up to 15 bytes
	args []string // nil where they may not be read
	by   string   // whose word it is, empty for root's
	err  error    // why it could not be asked
}

// running are the processes of the whole machine that are asked, by process id. Whoever
// keeps a process from its own memory, which a user can, keeps a reader of its arguments
// waiting for ever (proc_pid_cmdline_read takes mmap_lock): then those read so far count.
func running(ctx context.Context, root string, gaps *host.Gaps) []process {
	proc, err := procfs.NewFS(filepath.Join(root, "proc"))
	var all procfs.Procs
	if err == nil {
		all, err = proc.AllProcs()
	}
	gaps.Missing(host.PartProcesses, 0, err)
	slices.SortFunc(all, func(a, b procfs.Proc) int { return cmp.Compare(a.PID, b.PID) })
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	answers := make(chan process)
	go func() {
		defer close(answers)
		askAll(ctx, root, all, answers)
	}()
	var asked []process
	for waiting := true; waiting; {
		select {
		case p, more := <-answers:
			switch waiting = more; {
			case p.err != nil:
				gaps.MissingObject(host.PartProcesses, fmt.Sprintf("process %d", p.PID), 0, p.err)
			case more:
				asked = append(asked, p)
			}
		case <-ctx.Done():
			gaps.Missing(host.PartProcesses, 0, errors.New("not all of them: one does not let its arguments be read"))
			waiting = false
		}
	}
	return asked
}

// askAll sends what the processes with one of the names say, until ctx is done.
func askAll(ctx context.Context, root string, all procfs.Procs, answers chan<- process) {
	for _, one := range all {
		name, err := one.Comm() // it may have ended meanwhile
		if err != nil || name != dockerProxy && !slices.Contains(nodeAgents, name) {
			continue
		}
		p, err := ask(one, name, filepath.Join(root, "proc", strconv.Itoa(one.PID)))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue
		}
		p.err = err
		select {
		case answers <- p:
		case <-ctx.Done():
			return
		}
	}
}

// ask reads what a process says and whose word that is, both of the same process: its
// directory stays the same file only as long as it is open and the process is there.
func ask(proc procfs.Proc, name, path string) (process, error) {
	p := process{Proc: proc, name: name}
	dir, err := os.Open(path)
	if err != nil {
		return p, err
	}
	defer dir.Close()
	p.args, _ = proc.CmdLine() // without it, the defaults hold
	if p.by, err = userOf(proc, path); err != nil {
		return p, err
	}
	before, err := dir.Stat()
	if err != nil {
		return p, err
	}
	after, err := os.Stat(path)
	if err == nil && !os.SameFile(before, after) {
		err = fs.ErrNotExist
	}
	return p, err
}

// inside are the processes with a wanted name in a namespace. One that may not be
// looked at is taken to be there.
func inside(netns uint64, all []process, wanted ...string) []process {
	return slices.DeleteFunc(slices.Clone(all), func(p process) bool {
		if !slices.Contains(wanted, p.name) {
			return true
		}
		namespaces, err := p.Namespaces()
		if errors.Is(err, fs.ErrPermission) {
			return false
		}
		return err != nil || uint64(namespaces["net"].Inode) != netns
	})
}

// option is the value of an option on the command line, be it one word or two.
func (p process) option(name string) (value string, found bool) {
	for i, arg := range p.args {
		word, value, joined := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		switch {
		case word != name || !strings.HasPrefix(arg, "-"):
		case joined:
			return value, true
		case i+1 < len(p.args):
			return p.args[i+1], true
		}
	}
	return "", false
}
