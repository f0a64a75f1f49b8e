// Package cgrouphook tells whether BPF programs have a say in where the sockets of
// a process go.
//
// A control group (cgroups(7), version 2) may have programs that run within
// socket(), bind() and connect(), before a port is chosen, and change the
// destination, the source address or the device: load balancing of services does
// so (Cilium, portrange spread). The sockets then carry what the program made of
// the call, not what the caller asked for. One that runs at the end of bind()
// (BPF_CGROUP_INET4_POST_BIND) may refuse the port that was chosen. Programs that look at UDP messages
// (BPF_CGROUP_UDP4_SENDMSG) come after the choice of a port and do not matter.
//
// The package knows that there are programs, of the group itself and of those
// above it. It refuses to know what they do.
package cgrouphook

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"portrange/internal/host"
)

// ErrNoGroup says that a process is in no control group of version 2 that could be
// seen from here.
var ErrNoGroup = errors.New("its control group is not to be seen")

// Hooks are the calls that programs may change.
type Hooks struct {
	Socket   host.Answer // socket(): may bind to a device
	Bind4    host.Answer // at its beginning, or its end
	Bind6    host.Answer
	Connect4 host.Answer
	Connect6 host.Answer
}

// Connect reports whether a program may change the connect() of a new socket, of
// AF_INET6 or AF_INET.
func (h *Hooks) Connect(family6 bool) host.Answer {
	if family6 {
		return either(h.Socket, h.Connect6)
	}
	return either(h.Socket, h.Connect4)
}

// Bind is [Hooks.Connect] for bind().
func (h *Hooks) Bind(family6 bool) host.Answer {
	if family6 {
		return either(h.Socket, h.Bind6)
	}
	return either(h.Socket, h.Bind4)
}

// BindAndConnect is [Hooks.Connect] for a socket that is bound first.
func (h *Hooks) BindAndConnect(family6 bool) host.Answer {
	return either(h.Bind(family6), h.Connect(family6))
}

// either is yes where one of the two is, and no where both are.
func either(a, b host.Answer) host.Answer {
	switch {
	case a == host.Yes || b == host.Yes:
		return host.Yes
	case a == host.Unknown || b == host.Unknown:
		return host.Unknown
	}
	return host.No
}

// Of looks at the control group of a process; 0 stands for the caller. Sockets that
// it opens belong to that group. The error says why an answer is unknown.
func Of(pid int) (Hooks, error) {
	f, err := procfs.NewFS(procfs.DefaultMountPoint)
	if err != nil {
		return Hooks{}, fmt.Errorf("look for BPF programs of a control group: %w", err)
	}
	if pid == 0 {
		pid = os.Getpid()
	}
	dir, err := openGroup(f, pid)
	if errors.Is(err, errNone) {
		return Hooks{Socket: host.No, Bind4: host.No, Bind6: host.No, Connect4: host.No, Connect6: host.No}, nil
	}
	if err != nil {
		return Hooks{}, fmt.Errorf("look for BPF programs on connect() of process %d: %w", pid, err)
	}
	defer dir.Close()
	return query(dir)
}

// query asks for the programs in effect, those of groups above included.
func query(dir *os.File) (Hooks, error) {
	var hooks Hooks
	for _, call := range []struct {
		to    *host.Answer
		kinds []ebpf.AttachType
	}{
		{&hooks.Socket, []ebpf.AttachType{ebpf.AttachCGroupInetSockCreate}},
		{&hooks.Bind4, []ebpf.AttachType{ebpf.AttachCGroupInet4Bind, ebpf.AttachCGroupInet4PostBind}},
		{&hooks.Bind6, []ebpf.AttachType{ebpf.AttachCGroupInet6Bind, ebpf.AttachCGroupInet6PostBind}},
		{&hooks.Connect4, []ebpf.AttachType{ebpf.AttachCGroupInet4Connect}},
		{&hooks.Connect6, []ebpf.AttachType{ebpf.AttachCGroupInet6Connect}},
	} {
		*call.to = host.No
		for _, kind := range call.kinds {
			found, err := attached(dir, kind)
			if *call.to = either(*call.to, found); err != nil {
				return hooks, fmt.Errorf("ask for BPF programs of control group %s: %w%s", dir.Name(), err, hint(err))
			}
		}
	}
	return hooks, nil
}

// attached is no on a kernel that cannot attach programs there.
func attached(dir *os.File, kind ebpf.AttachType) (host.Answer, error) {
	n, err := count(dir, kind)
	switch {
	case errors.Is(err, unix.EINVAL):
		return host.No, nil
	case err != nil:
		return host.Unknown, err
	case n > 0:
		return host.Yes, nil
	}
	return host.No, nil
}

// count is BPF_PROG_QUERY with BPF_F_QUERY_EFFECTIVE. (link.QueryPrograms takes a
// lack of permission for a lack of support.)
func count(dir *os.File, kind ebpf.AttachType) (uint32, error) {
	attr := struct { // the query part of union bpf_attr
		target, kind, queryFlags, attachFlags uint32
		programs                              uint64
		count, _                              uint32
	}{target: uint32(dir.Fd()), kind: uint32(kind), queryFlags: unix.BPF_F_QUERY_EFFECTIVE}
	_, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_QUERY, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	if errno != 0 {
		return 0, errno
	}
	return attr.count, nil
}

func hint(err error) string {
	if errors.Is(err, fs.ErrPermission) {
		return "; run as root or with CAP_NET_ADMIN"
	}
	return ""
}
