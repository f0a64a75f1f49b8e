package simulate

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// patience bounds every wait for the other end, which is microseconds away.
const patience = 5 * time.Second

// end is an end of a connection, or a listener.
type end int

func newSocket() (end, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		hint := ""
		if errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) {
			hint = "; raise the limit of open files (ulimit -n)"
		}
		return -1, fmt.Errorf("open a socket: %w%s", err, hint)
	}
	// Bounds connect(), accept() and recv() alike.
	limit := unix.NsecToTimeval(patience.Nanoseconds())
	err = errors.Join(
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit),
	)
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("set a timeout on a socket: %w", err)
	}
	return end(fd), nil
}

// listen opens a listener.
func listen(at *unix.SockaddrInet4) (end, error) {
	s, err := newSocket()
	if err != nil {
		return -1, err
	}
	if err := errors.Join(unix.Bind(int(s), at), unix.Listen(int(s), backlog)); err != nil {
		s.close()
		return -1, fmt.Errorf("listen on port %d in a private network namespace: %w", at.Port, err)
	}
	return s, nil
}

// anyAddress leaves the choice of the source address to connect().
var anyAddress = &unix.SockaddrInet4{}

// dial connects from a local address, with the port for connect() to choose, and
// tells how long connect() took. The error is the kernel's own.
func dial(from, to *unix.SockaddrInet4) (end, time.Duration, error) {
	s, err := newSocket()
	if err != nil {
		return -1, 0, err
	}
	err = unix.SetsockoptInt(int(s), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	if err == nil {
		err = unix.Bind(int(s), from)
	}
	if err != nil {
		s.close()
		return -1, 0, fmt.Errorf("bind to a source address: %w", err)
	}
	begin := time.Now()
	err = retryInterrupted(func() error { return unix.Connect(int(s), to) })
	took := time.Since(begin)
	if err != nil {
		s.close()
		return -1, took, err
	}
	return s, took, nil
}

// accept takes the connection that a [dial] has just made.
func (s end) accept() (end, error) {
	var fd int
	err := retryInterrupted(func() (err error) {
		fd, _, err = unix.Accept4(int(s), unix.SOCK_CLOEXEC)
		return err
	})
	if err != nil {
		return -1, fmt.Errorf("accept a connection: %w", err)
	}
	return end(fd), nil
}

// awaitEnd waits until the other end has closed.
func (s end) awaitEnd() error {
	var buffer [1]byte
	return retryInterrupted(func() error {
		_, err := unix.Read(int(s), buffer[:])
		return err
	})
}

func (s end) close() { unix.Close(int(s)) }

func retryInterrupted(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

// connection is both ends of one.
type connection struct{ client, server end }

// open dials and accepts.
func open(listener end, from, to *unix.SockaddrInet4) (connection, time.Duration, error) {
	client, took, err := dial(from, to)
	if err != nil {
		return connection{}, took, err
	}
	server, err := listener.accept()
	if err != nil {
		client.close()
		return connection{}, took, err
	}
	return connection{client, server}, took, nil
}

// closeBy closes first the one end, then the other. The first is in TIME_WAIT
// thereafter.
func closeBy(first, second end) error {
	if err := unix.Shutdown(int(first), unix.SHUT_WR); err != nil {
		return fmt.Errorf("close a connection: %w", err)
	}
	err := second.awaitEnd()
	second.close()
	if err == nil {
		err = first.awaitEnd()
	}
	first.close()
	if err != nil {
		return fmt.Errorf("await the end of a connection: %w", err)
	}
	return nil
}

// drop ends both ends at once, without a farewell: none is left in TIME_WAIT.
func (c connection) drop() error {
	err := unix.SetsockoptLinger(int(c.client), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	c.client.close()
	c.server.close()
	if err != nil {
		return fmt.Errorf("reset a connection: %w", err)
	}
	return nil
}
