package sockdiagtest

import (
	"encoding/binary"
	"fmt"
	"os"
	"sync"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"portrange/internal/port"
)

// tcpdiagGetsock is TCPDIAG_GETSOCK.
const tcpdiagGetsock = 18

// conn is one connection to the fake. It answers one query.
type conn struct {
	kernel  *Kernel
	buffer  int
	pending []Datagram

	once   sync.Once
	closed chan struct{}
}

func (c *conn) Close() error {
	c.once.Do(func() {
		close(c.closed)
		c.kernel.count(-1)
	})
	return nil
}

func (c *conn) Send(m netlink.Message) (netlink.Message, error) {
	m.Header.Sequence = 4711
	q, err := parseQuery(m)
	if err != nil {
		return m, err
	}
	q.Buffer = c.buffer
	c.kernel.note(&q)
	c.pending = c.kernel.answer(q, m.Header.Type)
	if c.kernel.Tamper != nil {
		c.pending = c.kernel.Tamper(q, c.pending)
	}
	return m, nil
}

// ReadDatagram hands out the answer. After its end it blocks, as a socket does.
func (c *conn) ReadDatagram(p []byte) (int, error) {
	select {
	case <-c.closed:
		return 0, os.ErrClosed
	default:
	}
	if len(c.pending) == 0 {
		<-c.closed
		return 0, os.ErrClosed
	}
	next := c.pending[0]
	c.pending = c.pending[1:]
	if len(next.Bytes) > len(p) {
		return 0, fmt.Errorf("datagram of %d bytes, room for %d", len(next.Bytes), len(p))
	}
	return copy(p, next.Bytes), next.Err
}

func parseQuery(m netlink.Message) (Query, error) {
	q := Query{Sequence: m.Header.Sequence}
	if want := netlink.Request | netlink.Dump; m.Header.Flags != want {
		return q, fmt.Errorf("request with flags %v, want %v", m.Header.Flags, want)
	}
	switch {
	case m.Header.Type == tcpdiagGetsock && len(m.Data) >= 60:
		q.Proto, q.States = port.TCP, binary.NativeEndian.Uint32(m.Data[52:])
		return q, q.parseFilter(m.Data[60:])
	case m.Header.Type == unix.SOCK_DIAG_BY_FAMILY && len(m.Data) == 56:
		q.Family, q.Proto = m.Data[0], port.Proto(m.Data[1])
		q.States = binary.NativeEndian.Uint32(m.Data[4:])
		return q, nil
	}
	return q, fmt.Errorf("request of type %d and %d bytes", m.Header.Type, len(m.Data))
}

func (q *Query) parseFilter(attributes []byte) error {
	if len(attributes) == 0 {
		return nil
	}
	decoder, err := netlink.NewAttributeDecoder(attributes)
	if err != nil {
		return err
	}
	for decoder.Next() {
		if decoder.Type() != 1 {
			return fmt.Errorf("attribute %d in a request", decoder.Type())
		}
		q.Filter = decoder.Bytes()
	}
	if err := decoder.Err(); err != nil {
		return err
	}
	return Audit(q.Filter)
}
