//go:build amd64 || arm64

package faults

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// about says what a system call's path is found by.
type about int

const (
	nothing    about = iota
	pathname         // a path in the first argument
	pathAt           // a path in the second argument
	newPathAt        // two of them, of which the new one in the fourth argument
	descriptor       // a file descriptor in the first argument
)

// caught are the system calls that can be made to fail. sendmsg(2) cannot:
// [Launch] needs it after the filter is in force. Go's runtime ends the program
// where mmap(2), clone(2) or futex(2) fail, which is a kill.
var caught = map[int32]struct {
	name  string
	about about
}{
	unix.SYS_OPENAT:        {"openat", pathAt},
	unix.SYS_OPENAT2:       {"openat2", pathAt},
	unix.SYS_NEWFSTATAT:    {"newfstatat", pathAt},
	unix.SYS_STATX:         {"statx", pathAt},
	unix.SYS_FSTAT:         {"fstat", descriptor},
	unix.SYS_READLINKAT:    {"readlinkat", pathAt},
	unix.SYS_READ:          {"read", descriptor},
	unix.SYS_PREAD64:       {"pread64", descriptor},
	unix.SYS_GETDENTS64:    {"getdents64", descriptor},
	unix.SYS_WRITE:         {"write", descriptor},
	unix.SYS_PWRITE64:      {"pwrite64", descriptor},
	unix.SYS_FSYNC:         {"fsync", descriptor},
	unix.SYS_FTRUNCATE:     {"ftruncate", descriptor},
	unix.SYS_FLOCK:         {"flock", descriptor},
	unix.SYS_CLOSE:         {"close", descriptor},
	unix.SYS_FCHMOD:        {"fchmod", descriptor},
	unix.SYS_FCHOWN:        {"fchown", descriptor},
	unix.SYS_MKDIRAT:       {"mkdirat", pathAt},
	unix.SYS_RENAMEAT:      {"renameat", newPathAt},
	unix.SYS_RENAMEAT2:     {"renameat2", newPathAt},
	unix.SYS_UNLINKAT:      {"unlinkat", pathAt},
	unix.SYS_FSETXATTR:     {"fsetxattr", descriptor},
	unix.SYS_FGETXATTR:     {"fgetxattr", descriptor},
	unix.SYS_FLISTXATTR:    {"flistxattr", descriptor},
	unix.SYS_LLISTXATTR:    {"llistxattr", pathname},
	unix.SYS_SETNS:         {"setns", descriptor},
	unix.SYS_SOCKET:        {"socket", nothing},
	unix.SYS_GETSOCKOPT:    {"getsockopt", nothing},
	unix.SYS_RECVFROM:      {"recvfrom", nothing},
	unix.SYS_RECVMSG:       {"recvmsg", nothing},
	unix.SYS_BIND:          {"bind", nothing},
	unix.SYS_PIPE2:         {"pipe2", nothing},
	unix.SYS_EXECVE:        {"execve", pathname},
	unix.SYS_EPOLL_CREATE1: {"epoll_create1", nothing},
	unix.SYS_STATFS:        {"statfs", pathname},
	unix.SYS_UNAME:         {"uname", nothing},
	unix.SYS_BPF:           {"bpf", nothing},
	unix.SYS_CONNECT:       {"connect", nothing},
	unix.SYS_SETSOCKOPT:    {"setsockopt", nothing},
	unix.SYS_SENDTO:        {"sendto", nothing},
}

// Call is a system call about to be made.
type Call struct {
	PID  int    // the process that makes it, not the thread
	Left bool   // it is one that the command started, and may have left behind
	Name string // openat
	// Path is the file it is about, empty for none. Numbers of processes, of
	// descriptors and of namespaces in it are replaced by N, so that it is the same
	// in each run.
	Path string
}

// Key is what a call is counted by.
func (c Call) Key() string { return strings.TrimSpace(c.Name + " " + c.Path) }

// callOf describes what the kernel reports.
func callOf(n *notification) Call {
	kind := caught[n.Number]
	c := Call{PID: processOf(int(n.Thread)), Name: kind.name}
	switch kind.about {
	case pathname:
		c.Path = peek(n.Thread, n.Arguments[0])
	case pathAt:
		c.Path = peek(n.Thread, n.Arguments[1])
	case newPathAt:
		c.Path = peek(n.Thread, n.Arguments[3])
	case descriptor:
		c.Path, _ = os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", n.Thread, int32(n.Arguments[0])))
	}
	c.Path = nameless(c.Path)
	return c
}

// processOf is the process of a thread: kill(2) takes either, people the former.
func processOf(thread int) int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", thread))
	if err != nil {
		return thread
	}
	_, rest, _ := strings.Cut(string(status), "\nTgid:")
	process := thread
	_, _ = fmt.Sscan(rest, &process)
	return process
}

// nameless replaces numbers of more than one digit, and any in /proc, but for
// those in the names of journal entries.
func nameless(path string) string {
	if !strings.HasPrefix(path, "/proc/") && !strings.Contains(path, ":[") {
		return path
	}
	var b strings.Builder
	digits := false
	for _, r := range path {
		is := r >= '0' && r <= '9'
		switch {
		case !is:
			b.WriteRune(r)
		case !digits:
			b.WriteByte('N')
		}
		digits = is
	}
	return strings.Replace(b.String(), "ipvN", "ipv4", 1)
}

// peek reads a path from the memory of a thread.
func peek(thread uint32, address uint64) string {
	const longest = 512
	buf := make([]byte, longest)
	local := []unix.Iovec{{Base: &buf[0], Len: longest}}
	// A page's end may be the end of what is mapped: only so much is read then.
	pageEnd := int(4096 - address%4096)
	remote := []unix.RemoteIovec{{Base: uintptr(address), Len: min(longest, pageEnd)}}
	if pageEnd < longest {
		remote = append(remote, unix.RemoteIovec{Base: uintptr(address) + uintptr(pageEnd), Len: longest - pageEnd})
	}
	n, err := unix.ProcessVMReadv(int(thread), local, remote, 0)
	if err != nil {
		return ""
	}
	text, _, _ := strings.Cut(string(buf[:n]), "\x00")
	return text
}
