package owner

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"portrange/internal/host"
)

// Proc is where the proc file system is mounted.
const Proc = "/proc"

// namesAtOnce bounds the memory that the listing of one process takes.
const namesAtOnce = 1024

// Scan indexes the sockets that all processes have open, as root, a mounted
// proc file system, shows them. A process that ends meanwhile is left out, and so
// is a file that is closed meanwhile; processes of which anything else could not be
// read are a gap.
//
// It reads directories and links itself: prometheus/procfs resolves each link
// from the root of the file system and keeps all targets as strings, which took
// a third more time and four times the allocations. The most part is the
// kernel's, which makes an inode for every entry of /proc/PID/fd, about 10 µs
// each. So processes are read side by side.
func Scan(ctx context.Context, root string) (*Index, []host.Gap, error) {
	pids, err := processIDs(root)
	if err != nil {
		return nil, nil, err
	}
	s := &scan{root: root, index: &Index{}}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, pid := range pids {
		group.Go(func() error { return s.process(ctx, pid) })
	}
	if err := group.Wait(); err != nil {
		return nil, nil, err
	}
	return s.index, s.gaps(pids), nil
}

// remedy says what would show the files of all processes. To list /proc/PID/fd
// of another user takes CAP_DAC_READ_SEARCH (proc_fd_permission in fs/proc/fd.c),
// to read the links in it CAP_SYS_PTRACE (proc_pid_readlink in fs/proc/base.c).
// One without the other shows nothing.
func remedy() string {
	const needed = 1<<unix.CAP_DAC_READ_SEARCH | 1<<unix.CAP_SYS_PTRACE
	var data [2]unix.CapUserData
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	if err := unix.Capget(&header, &data[0]); err == nil && data[0].Effective&needed == needed {
		return "they are protected from root too, by a security module or another user namespace"
	}
	return "run as root or with CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH"
}

// processIDs are the processes in ascending order.
func processIDs(root string) ([]int, error) {
	dir, err := os.Open(root)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var pids []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	if len(pids) == 0 {
		return nil, fmt.Errorf("list processes: none in %s; mount the proc file system there", root)
	}
	slices.Sort(pids)
	return pids, nil
}

type scan struct {
	root string

	mu     sync.Mutex
	index  *Index
	read   int   // processes with open files
	denied int   // processes whose files may not be read
	failed int   // processes of which something could not be read
	why    error // of one of them
}

func (s *scan) path(pid int, name string) string {
	return filepath.Join(s.root, strconv.Itoa(pid), name)
}

// process indexes the sockets of one process, as many as could be read, and counts it
// as denied or failed where something could not. The error is that of ctx.
func (s *scan) process(ctx context.Context, pid int) error {
	inodes, files, command, err := s.look(ctx, pid)
	for range looks - 1 {
		if !gone(err) && !errors.Is(err, unix.EINTR) {
			break // what a process that lives does not make last
		}
		inodes, files, command, err = s.look(ctx, pid)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil && !s.hasFiles(pid) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case errors.Is(err, fs.ErrPermission):
		s.denied++
	case err != nil:
		s.failed++
		s.why = cmp.Or(s.why, err)
	case files > 0:
		s.read++
	}
	p := host.Process{PID: pid, Command: command}
	for _, inode := range inodes {
		s.index.Add(inode, p)
	}
	return nil
}

// looks is how often is looked at what is there and not to be found, before that is
// taken for more than somebody who opens and closes meanwhile.
const looks = 3

// look is what can be read of a process, its command only if it has sockets.
func (s *scan) look(ctx context.Context, pid int) (inodes []uint64, files int, command string, err error) {
	inodes, files, err = s.sockets(ctx, pid)
	if len(inodes) == 0 {
		return nil, files, "", err
	}
	text, errCommand := os.ReadFile(s.path(pid, "comm"))
	return inodes, files, string(bytes.TrimSuffix(text, []byte("\n"))), cmp.Or(err, errCommand)
}

// sockets are the inode numbers of the sockets that the process has open, and
// the number of its open files.
func (s *scan) sockets(ctx context.Context, pid int) (inodes []uint64, files int, err error) {
	dir, err := os.Open(s.path(pid, "fd"))
	if err != nil {
		return nil, 0, err
	}
	defer dir.Close()
	for {
		if ctx.Err() != nil {
			return nil, 0, ctx.Err()
		}
		names, err := dir.Readdirnames(namesAtOnce)
		if err == io.EOF {
			return inodes, files, nil
		}
		if err != nil {
			return inodes, files, err
		}
		files += len(names)
		if inodes, err = appendSockets(inodes, int(dir.Fd()), names); err != nil {
			return inodes, files, err
		}
	}
}

func appendSockets(inodes []uint64, dir int, names []string) ([]uint64, error) {
	var target [64]byte
	for _, name := range names {
		n, err := readLink(dir, name, target[:])
		if err != nil {
			return inodes, os.NewSyscallError("readlinkat", err)
		}
		if inode, isSocket := socketInode(target[:n]); isSocket {
			inodes = append(inodes, inode)
		}
	}
	return inodes, nil
}

// socketInode reads what the link of a socket leads to, as socket:[4711].
func socketInode(target []byte) (inode uint64, isSocket bool) {
	number, begins := bytes.CutPrefix(target, []byte("socket:["))
	number, ends := bytes.CutSuffix(number, []byte("]"))
	if !begins || !ends {
		return 0, false
	}
	inode, err := strconv.ParseUint(string(number), 10, 32)
	return inode, err == nil
}

// readLink is readlinkat(2), and 0 bytes for a link that was closed meanwhile.
func readLink(dir int, name string, target []byte) (n int, err error) {
	for range looks {
		n, err = unix.Readlinkat(dir, name, target)
		if !gone(err) {
			return max(n, 0), err
		}
		var stat unix.Stat_t
		if gone(unix.Fstatat(dir, name, &stat, unix.AT_SYMLINK_NOFOLLOW)) {
			return 0, nil
		}
	}
	return 0, err
}

// gone reports whether the error says that a process or file has ended.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH)
}

// kernelThread is PF_KTHREAD (include/linux/sched.h).
const kernelThread = 0x00200000

// hasFiles is false for a process that has ended, kernel threads and zombies.
func (s *scan) hasFiles(pid int) bool {
	stat, err := os.ReadFile(s.path(pid, "stat"))
	if gone(err) {
		_, err = os.Stat(s.path(pid, ""))
		return !gone(err)
	}
	if err != nil {
		return true
	}
	return mayHaveFiles(stat)
}

// mayHaveFiles reads /proc/PID/stat; a text that is none says nothing against files.
func mayHaveFiles(stat []byte) bool {
	// After the command, which may contain anything: state, five numbers, flags.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 7 {
		return true
	}
	flags, err := strconv.ParseUint(string(fields[6]), 10, 32)
	return err != nil || flags&kernelThread == 0 && fields[0][0] != 'Z'
}

func (s *scan) gaps(pids []int) []host.Gap {
	var gaps []host.Gap
	if s.denied > 0 {
		gaps = append(gaps, host.Gap{Part: host.PartOwners, Why: fmt.Sprintf(
			"%d of %d processes: permission denied; %s", s.denied, s.failed+s.denied+s.read, remedy())})
	}
	if s.failed > 0 {
		gaps = append(gaps, host.Gap{Part: host.PartOwners, Why: fmt.Sprintf(
			"%d of %d processes: %v", s.failed, s.failed+s.denied+s.read, s.why)})
	}
	if pids[0] != 1 {
		gaps = append(gaps, host.Gap{
			Part: host.PartOwners, Why: "processes of other users are hidden (hidepid in proc(5)); " + remedy(),
		})
	}
	return gaps
}
