package sockdiag

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"portrange/internal/port"
)

// datagramLen is the largest datagram the kernel fills in a dump. It learns
// from the size of the reads that it may (netlink_recvmsg in
// net/netlink/af_netlink.c) and goes up to 32 KiB, overhead included. Smaller
// reads cost more system calls, larger ones gain nothing.
const datagramLen = 32 << 10

// attempts is how often a dump is tried that is interrupted or overruns the
// receive buffer, which doubles each time.
const (
	attempts    = 3
	firstBuffer = 256 << 10
)

var (
	errStopped     = errors.New("stopped by the consumer")
	errInterrupted = errors.New("dump interrupted: sockets changed too fast to list them all")
	errOverrun     = fmt.Errorf("netlink buffer full: %w", unix.ENOBUFS)
)

// replyError is an error number that the kernel answered with, unlike one that
// a system call failed with.
type replyError unix.Errno

func (e replyError) Error() string { return unix.Errno(e).Error() }
func (e replyError) Unwrap() error { return unix.Errno(e) }

// worthRepeating reports whether the same dump may succeed at the next attempt.
func worthRepeating(err error) bool {
	return errors.Is(err, errInterrupted) || errors.Is(err, unix.ENOBUFS)
}

// sink takes the sockets of one datagram and returns a slice to fill next,
// which may be the same. false ends the dump.
type sink func(batch []port.Socket) (next []port.Socket, more bool)

// dump is the answer to one query while it comes in.
type dump struct {
	*query
	sequence    uint32 // of the request; the answer carries it too
	interrupted bool
}

// converse asks the query over conn, which it closes, and hands the answer to
// deliver until the dump is over.
func (q *query) converse(ctx context.Context, conn Conn, deliver sink) error {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	sent, err := conn.Send(q.request)
	if err == nil {
		d := &dump{query: q, sequence: sent.Header.Sequence}
		err = d.receive(conn, deliver)
	}
	if ctx.Err() != nil && !errors.Is(err, errStopped) {
		return ctx.Err()
	}
	return err
}

func (d *dump) receive(conn Conn, deliver sink) error {
	buffer := make([]byte, datagramLen)
	var batch []port.Socket
	for done := false; !done; {
		n, err := conn.ReadDatagram(buffer)
		if errors.Is(err, unix.ENOBUFS) {
			return errOverrun
		}
		if err != nil {
			return err
		}
		batch, done, err = d.parse(buffer[:n], batch[:0])
		if len(batch) > 0 {
			var more bool
			if batch, more = deliver(batch); !more {
				return errStopped
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// parse appends the sockets of one datagram to batch, those before a fault
// included. done tells that the dump is over.
func (d *dump) parse(datagram []byte, batch []port.Socket) (_ []port.Socket, done bool, err error) {
	if len(datagram) == 0 {
		return batch, false, errors.New("truncated datagram: no message in it")
	}
	for len(datagram) > 0 && !done {
		var m netlink.Message
		if m, datagram, err = nextMessage(datagram); err != nil {
			return batch, false, err
		}
		if batch, done, err = d.message(m, batch); err != nil {
			return batch, done, err
		}
	}
	return batch, done, nil
}

func (d *dump) message(m netlink.Message, batch []port.Socket) (_ []port.Socket, done bool, err error) {
	if m.Header.Sequence != d.sequence {
		return batch, false, fmt.Errorf("answer %d to another request than %d", m.Header.Sequence, d.sequence)
	}
	d.interrupted = d.interrupted || m.Header.Flags&netlink.DumpInterrupted != 0
	switch m.Header.Type {
	case netlink.Noop:
		return batch, false, nil
	case netlink.Done:
		return batch, true, d.verdict(m.Data)
	case netlink.Error:
		return batch, true, refusal(m.Data)
	case netlink.Overrun:
		return batch, true, errOverrun
	case d.request.Header.Type:
		batch = append(batch, port.Socket{Proto: d.proto})
		if err := decode(&batch[len(batch)-1], m.Data); err != nil {
			return batch[:len(batch)-1], false, err
		}
		return batch, false, nil
	}
	return batch, false, fmt.Errorf("message of unexpected type %d", m.Header.Type)
}

// verdict is what the message at the end of a dump says, nil where all went
// well. The kernel puts an error of the dump itself there.
func (d *dump) verdict(data []byte) error {
	if len(data) >= 4 {
		if errno := int32(binary.NativeEndian.Uint32(data)); errno < 0 {
			return replyError(-errno)
		}
	}
	if d.interrupted {
		return errInterrupted
	}
	return nil
}

// refusal is what an error message says.
func refusal(data []byte) error {
	if len(data) < 4 {
		return fmt.Errorf("truncated message: %d bytes of an error", len(data))
	}
	errno := int32(binary.NativeEndian.Uint32(data))
	if errno >= 0 {
		return fmt.Errorf("error message without an error: %d", errno)
	}
	return replyError(-errno)
}

// nextMessage takes the first message off a datagram.
func nextMessage(datagram []byte) (m netlink.Message, rest []byte, err error) {
	if len(datagram) < unix.SizeofNlMsghdr {
		return m, nil, fmt.Errorf("truncated message: %d bytes left of a header", len(datagram))
	}
	length := uint64(binary.NativeEndian.Uint32(datagram))
	aligned := (length + unix.NLMSG_ALIGNTO - 1) &^ (unix.NLMSG_ALIGNTO - 1)
	if length < unix.SizeofNlMsghdr || aligned > uint64(len(datagram)) {
		return m, nil, fmt.Errorf("truncated message: %d bytes, %d left", length, len(datagram))
	}
	err = m.UnmarshalBinary(datagram[:aligned])
	return m, datagram[aligned:], err
}
