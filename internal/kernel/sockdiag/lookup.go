package sockdiag

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"portrange/internal/port"
)

// Lookup asks for single connections by their four numbers, each of which costs
// the kernel one look into its table instead of a walk through it.
type Lookup struct {
	conn   Conn
	buffer []byte
}

// Lookup opens a lookup in the calling thread's network namespace.
func (r *Reader) Lookup() (*Lookup, error) {
	conn, err := r.kernel.Dial(firstBuffer)
	if err != nil {
		return nil, fmt.Errorf("open sock_diag: %w%s", err, dialHint(err))
	}
	return &Lookup{conn: conn, buffer: make([]byte, datagramLen)}, nil
}

// Close ends the lookup.
func (l *Lookup) Close() error { return l.conn.Close() }

// Inode is the inode of the TCP connection of a tuple on local port p. It is 0
// where there is none, or one that no process can have open.
func (l *Lookup) Inode(tuple port.Tuple, p uint16) (uint64, error) {
	q := connectionQuery(tuple, p)
	sent, err := l.conn.Send(q.request)
	if err != nil {
		return 0, fmt.Errorf("look up a connection through sock_diag: %w", err)
	}
	n, err := l.conn.ReadDatagram(l.buffer)
	if err != nil {
		return 0, fmt.Errorf("look up a connection through sock_diag: %w", err)
	}
	answer, _, err := (&dump{query: q, sequence: sent.Header.Sequence}).parse(l.buffer[:n], nil)
	var refused replyError
	switch {
	case errors.As(err, &refused) && errors.Is(err, unix.ENOENT):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("look up a connection through sock_diag: %w", err)
	}
	// Where nobody has the connection, the kernel goes on to listeners (inet_lookup).
	if len(answer) != 1 || answer[0].Tuple() != tuple || answer[0].Local.Port() != p {
		return 0, nil
	}
	return answer[0].Inode, nil
}

// connectionQuery asks for one connection, whatever its cookie
// (inet_diag_find_one_icsk, net/ipv4/inet_diag.c).
func connectionQuery(tuple port.Tuple, p uint16) *query {
	body := make([]byte, requestV2Len)
	body[0], body[1] = unix.AF_INET, unix.IPPROTO_TCP
	if tuple.Local.Is6() {
		body[0] = unix.AF_INET6
	}
	binary.BigEndian.PutUint16(body[8:], p)
	binary.BigEndian.PutUint16(body[10:], tuple.Remote.Port())
	copy(body[12:28], tuple.Local.AsSlice())
	copy(body[28:44], tuple.Remote.Addr().AsSlice())
	binary.NativeEndian.PutUint32(body[44:], tuple.Device)
	binary.NativeEndian.PutUint64(body[48:], ^uint64(0)) // INET_DIAG_NOCOOKIE twice
	q := newQuery("a connection", port.TCP, unix.SOCK_DIAG_BY_FAMILY, body)
	q.request.Header.Flags = netlink.Request
	return q
}
