package sockiter

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"portrange/internal/host"
	"portrange/internal/port"
)

// Holders yields each TCP and UDP socket that has a local port once for each
// process that has it open, over all network namespaces and all processes that
// the caller's PID namespace can see. Needs no more capabilities than [Open].
//
// TCP sockets that are bound but neither connected nor listening are
// [port.BoundInactive] here. An MPTCP socket yields the TCP sockets it is made
// of, eight at most (since Linux 6.2; a gap before). A socket in flight between
// two processes, among io_uring's fixed files, or held by the kernel alone, belongs
// to no process. UID is the
// number of the initial user namespace.
//
// A program that the kernel refused is a gap, not an error.
func (p *Programs) Holders(ctx context.Context, gaps *host.Gaps) *host.Stream[host.Holder] {
	return host.NewStream(func(yield func(host.Holder) bool) error {
		if p.taskFile == nil {
			gaps.Missing(host.PartOwners, 0, p.refused)
			return nil
		}
		p.walks.Add(1)
		defer p.walks.Done()
		files := files{tick: p.tick, gaps: gaps}
		err := walk(ctx, p.taskFile, func(r *bpfHeldRecord) error {
			holder, err := files.holder(r)
			switch {
			case err == errNoHolder:
				return nil
			case err == nil && !yield(holder):
				return errStop
			}
			return err
		})
		if err != nil && err != errStop {
			return fmt.Errorf("read socket owners through BPF: %w", err)
		}
		return nil
	})
}

var (
	// errNoHolder: the record says nothing new.
	errNoHolder   = errors.New("no holder")
	errNoSubflows = errors.New("the kernel shows them to BPF only since Linux 6.2")
)

// files decodes the records of one walk. The kernel visits the descriptors of
// one process after those of another, so that what must be remembered is only
// about one process.
type files struct {
	tick    time.Duration
	process host.Process
	shared  map[uint64]uint32 // first descriptor of a file that may have more, by inode
	gaps    *host.Gaps
}

func (f *files) holder(r *bpfHeldRecord) (host.Holder, error) {
	if r.Socket.Proto == 0 {
		f.gaps.MissingObject(host.PartOwners, "owners of MPTCP sockets", 0, errNoSubflows)
		return host.Holder{}, errNoHolder
	}
	f.enter(r)
	if r.Socket.Flags&flagShared != 0 && f.seen(r.Socket.Inode, r.Fd) {
		return host.Holder{}, errNoHolder
	}
	socket, err := r.Socket.socket(f.tick)
	if err != nil {
		return host.Holder{}, err
	}
	if socket.Proto == port.TCP && socket.State == port.Close {
		if socket.Hold == port.NotHeld {
			return host.Holder{}, errNoHolder
		}
		socket.State = port.BoundInactive
	}
	return host.Holder{Socket: socket, Process: f.process, NetNS: uint64(r.Netns)}, nil
}

// enter takes note of the process that the record is about.
func (f *files) enter(r *bpfHeldRecord) {
	if f.process.PID == int(r.Pid) {
		return
	}
	f.process = host.Process{PID: int(r.Pid), Command: r.command()}
	clear(f.shared)
}

// seen reports whether the process was found to have the file open at another
// descriptor. One file can yield several records: the subflows of MPTCP.
func (f *files) seen(inode uint64, fd uint32) bool {
	first, known := f.shared[inode]
	if known {
		return first != fd
	}
	if f.shared == nil {
		f.shared = map[uint64]uint32{}
	}
	f.shared[inode] = fd
	return false
}

func (r *bpfHeldRecord) command() string {
	return unix.ByteSliceToString(unsafe.Slice((*byte)(unsafe.Pointer(&r.Command[0])), len(r.Command)))
}
