package sockdiag

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"syscall"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"portrange/internal/kernel/sysctl"
)

// Kernel is what a Reader needs of the kernel. The package's own is the running
// one; sockdiagtest has a fake.
type Kernel interface {
	// Dial opens sock_diag in the calling thread's network namespace. buffer is
	// the size of the receive buffer in bytes.
	Dial(buffer int) (Conn, error)
	// Types opens the kernel's type information in BTF. The error is
	// fs.ErrNotExist where it has none.
	Types() (io.ReadCloser, error)
	// TableSize is the number of chains in the table of connections of the calling
	// thread's network namespace, where the kernel tells (Linux 6.1), 0 where it could
	// not be read. A kernel that does not tell has the machine's table for all.
	TableSize() (chains int, known bool)
}

// Conn is one connection to sock_diag.
type Conn interface {
	Send(netlink.Message) (netlink.Message, error)
	// ReadDatagram waits for the next datagram and reads it into p. A datagram
	// larger than p is an error.
	ReadDatagram(p []byte) (int, error)
	// Close may be called at any time and ends a call under way.
	Close() error
}

// running is the kernel the program runs on.
type running struct{}

func (running) Types() (io.ReadCloser, error) { return os.Open("/sys/kernel/btf/vmlinux") }

// TableSize reads tcp_ehash_entries, which is negative for the machine's table
// (proc_tcp_ehash_entries, net/ipv4/sysctl_net_ipv4.c).
func (running) TableSize() (chains int, known bool) {
	text, err := sysctl.Get("net.ipv4.tcp_ehash_entries")
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false
	}
	n, _ := strconv.Atoi(text) // 0 where it could not be read
	return max(n, -n), true
}

func (running) Dial(buffer int) (Conn, error) {
	c, err := netlink.Dial(unix.NETLINK_SOCK_DIAG, nil)
	if err != nil {
		return nil, err
	}
	raw, err := c.SyscallConn()
	if err == nil {
		err = c.SetReadBuffer(buffer)
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return &conn{Conn: c, raw: raw}, nil
}

// conn fetches datagrams itself, into one buffer. netlink.Conn.ReceiveIter
// takes two system calls and an allocation for each, or with MessageBufferSize
// a copy, and hides the end of a dump with what it says: half a million sockets
// took 3.5 s, or 1.0 s with the buffer, against 0.7 s this way.
type conn struct {
	*netlink.Conn
	raw syscall.RawConn
}

func (c *conn) ReadDatagram(p []byte) (n int, err error) {
	waitErr := c.raw.Read(func(fd uintptr) bool {
		for {
			if n, _, err = unix.Recvfrom(int(fd), p, unix.MSG_TRUNC); err != unix.EINTR {
				return err != unix.EAGAIN
			}
		}
	})
	switch {
	case waitErr != nil:
		return 0, waitErr
	case err != nil:
		return 0, os.NewSyscallError("recvfrom", err)
	case n > len(p):
		return 0, fmt.Errorf("truncated datagram: %d bytes, read %d", n, len(p))
	}
	return n, nil
}
