// Package sockdiagtest is a fake kernel for tests of what reads sock_diag. It
// answers as the kernel does, message by message, and lets a test spoil the
// answers. It knows the wire format and nothing of who reads it.
package sockdiagtest

import (
	"encoding/binary"
	"io"
	"io/fs"
	"strings"
	"sync"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"portrange/internal/kernel/sockdiag"
	"portrange/internal/port"
)

// perDatagram is how many sockets the kernel sends at once, about.
const perDatagram = 256

// Kernel is a fake [sockdiag.Kernel]. The zero value has no sockets and does
// not know idle bound ones. Its fields must not change while it is in use.
type Kernel struct {
	// Sockets are those that exist.
	Sockets []port.Socket
	// KnowsIdle is set for a kernel that lists sockets in BoundInactive.
	KnowsIdle bool
	// BTF is the kernel's type information. Empty stands for a kernel without.
	BTF string
	// Chains is how many chains the table of connections has, 0 for one of which the
	// kernel does not tell.
	Chains int
	// DialErr makes Dial fail.
	DialErr error
	// Tamper changes an answer on its way, where it is not nil.
	Tamper func(Query, []Datagram) []Datagram

	mu    sync.Mutex
	asked []Query
	open  int
}

// Query is what a dump asks for.
type Query struct {
	Proto    port.Proto
	Family   uint8 // AF_INET, AF_INET6, or 0 for both
	States   uint32
	Filter   []byte // bytecode, nil for none
	Sequence uint32
	Buffer   int // size of the receive buffer
	// Attempt counts how often the same was asked before.
	Attempt int
}

// Datagram is what one read gets: bytes, or an error.
type Datagram struct {
	Bytes []byte
	Err   error
}

// Asked are the dumps asked for so far, in order.
func (k *Kernel) Asked() []Query {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]Query(nil), k.asked...)
}

// Types opens the BTF.
func (k *Kernel) Types() (io.ReadCloser, error) {
	if k.BTF == "" {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(strings.NewReader(k.BTF)), nil
}

// TableSize is Chains.
func (k *Kernel) TableSize() (chains int, known bool) { return k.Chains, k.Chains > 0 }

// Dial opens a connection.
func (k *Kernel) Dial(buffer int) (sockdiag.Conn, error) {
	if k.DialErr != nil {
		return nil, k.DialErr
	}
	k.count(1)
	return &conn{kernel: k, buffer: buffer, closed: make(chan struct{})}, nil
}

// Open is the number of connections that are open.
func (k *Kernel) Open() int { return k.count(0) }

func (k *Kernel) count(more int) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.open += more
	return k.open
}

// note remembers the query and counts its attempts.
func (k *Kernel) note(q *Query) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, earlier := range k.asked {
		if earlier.sameDump(q) {
			q.Attempt++
		}
	}
	k.asked = append(k.asked, *q)
}

func (q Query) sameDump(other *Query) bool {
	return q.Proto == other.Proto && q.Family == other.Family && q.States == other.States &&
		string(q.Filter) == string(other.Filter)
}

// answer lists the sockets that the query selects, and the end of the dump.
func (k *Kernel) answer(q Query, kind netlink.HeaderType) []Datagram {
	var datagrams []Datagram
	var full []byte
	for i, n := 0, 0; i < len(k.Sockets); i++ {
		if q.selects(&k.Sockets[i], k.KnowsIdle) {
			full = append(full, Message(kind, q.Sequence, netlink.Multi, Encode(&k.Sockets[i]))...)
			n++
		}
		if n == perDatagram || i == len(k.Sockets)-1 && n > 0 {
			datagrams = append(datagrams, Datagram{Bytes: full})
			full, n = nil, 0
		}
	}
	return append(datagrams, Datagram{Bytes: q.Done(0)})
}

func (q Query) selects(s *port.Socket, knowsIdle bool) bool {
	if s.Proto != q.Proto || q.States&(1<<s.State) == 0 || s.State == port.BoundInactive && !knowsIdle {
		return false
	}
	if q.Family == unix.AF_INET && s.Family6 || q.Family == unix.AF_INET6 && !s.Family6 {
		return false
	}
	return Accepts(q.Filter, s.Local.Port(), s.Remote.Port())
}

// Done is the message at the end of the dump, with an error number or 0.
func (q Query) Done(errno unix.Errno) []byte {
	return Message(netlink.Done, q.Sequence, netlink.Multi, errnoBytes(errno))
}

// Refusal is an error message.
func (q Query) Refusal(errno unix.Errno) []byte {
	echo := make([]byte, unix.SizeofNlMsghdr)
	return Message(netlink.Error, q.Sequence, 0, append(errnoBytes(errno), echo...))
}

func errnoBytes(errno unix.Errno) []byte {
	return binary.NativeEndian.AppendUint32(nil, uint32(-int32(errno)))
}

// Message frames data as one netlink message.
func Message(kind netlink.HeaderType, sequence uint32, flags netlink.HeaderFlags, data []byte) []byte {
	length := unix.SizeofNlMsghdr + len(data)
	b := binary.NativeEndian.AppendUint32(nil, uint32(length))
	b = binary.NativeEndian.AppendUint16(b, uint16(kind))
	b = binary.NativeEndian.AppendUint16(b, uint16(flags))
	b = binary.NativeEndian.AppendUint32(b, sequence)
	b = binary.NativeEndian.AppendUint32(b, 0)
	return append(append(b, data...), make([]byte, -length&(unix.NLMSG_ALIGNTO-1))...)
}
