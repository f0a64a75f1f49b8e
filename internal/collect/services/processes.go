package services

import (
	"cmp"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/prometheus/procfs"

	"portrange/internal/host"
)

// process is a running program that may say which ports somebody needs.
type process struct {
	procfs.Proc
	name string // as the kernel knows it, up to 15 bytes
}

// running are the processes of the whole machine that are asked, by process id.
func running(root string, gaps *host.Gaps) []process {
	proc, err := procfs.NewFS(filepath.Join(root, "proc"))
	var all procfs.Procs
	if err == nil {
		all, err = proc.AllProcs()
	}
	gaps.Missing(host.PartProcesses, 0, err)
	var asked []process
	for _, one := range all {
		name, err := one.Comm() // it may have ended meanwhile
		if err == nil && (name == dockerProxy || slices.Contains(nodeAgents, name)) {
			asked = append(asked, process{one, name})
		}
	}
	slices.SortFunc(asked, func(a, b process) int { return cmp.Compare(a.PID, b.PID) })
	return asked
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
	args, err := p.CmdLine()
	if err != nil {
		return "", false
	}
	for i, arg := range args {
		word, value, joined := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		switch {
		case word != name || !strings.HasPrefix(arg, "-"):
		case joined:
			return value, true
		case i+1 < len(args):
			return args[i+1], true
		}
	}
	return "", false
}
