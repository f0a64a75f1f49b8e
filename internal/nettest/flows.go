package nettest

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// Listen opens a listener, for UDP a bound socket.
func (n *Namespace) Listen(kind Kind, at netip.AddrPort, options ...Option) (*Socket, error) {
	s, err := n.Bind(kind, at, options...)
	if err != nil || kind == UDP4 || kind == UDP6 {
		return s, err
	}
	return s.orClose(s.Listen())
}

// Bind opens a socket that is bound and idle. Port 0 lets the kernel choose.
func (n *Namespace) Bind(kind Kind, at netip.AddrPort, options ...Option) (*Socket, error) {
	s, err := n.Socket(kind, options...)
	if err != nil {
		return nil, err
	}
	return s.orClose(s.Bind(at))
}

// Connect opens a socket and connects it; connect() picks address and port.
func (n *Namespace) Connect(kind Kind, to netip.AddrPort, options ...Option) (*Socket, error) {
	s, err := n.Socket(kind, options...)
	if err != nil {
		return nil, err
	}
	return s.orClose(s.Connect(to))
}

// BindConnect opens a socket, binds it and connects it. With port 0, bind()
// picks the port, or connect() does where [BindNoPort] is among the options.
func (n *Namespace) BindConnect(kind Kind, from, to netip.AddrPort, options ...Option) (*Socket, error) {
	s, err := n.Bind(kind, from, options...)
	if err != nil {
		return nil, err
	}
	return s.orClose(s.Connect(to))
}

// SendFrom opens an unbound UDP socket and sends a byte from it.
func (n *Namespace) SendFrom(kind Kind, to netip.AddrPort, options ...Option) (*Socket, error) {
	s, err := n.Socket(kind, options...)
	if err != nil {
		return nil, err
	}
	return s.orClose(s.SendTo(to))
}

// orClose hands the socket on, or closes it because its setup failed.
func (s *Socket) orClose(err error) (*Socket, error) {
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Dial opens and connects one client of a listener.
type Dial func() (*Socket, error)

// Pair connects a client to a listener and accepts it. Both ends are
// established when it returns. Nobody else may connect to the listener meanwhile.
func Pair(listener *Socket, dial Dial) (client, server *Socket, err error) {
	client, err = dial()
	if err != nil {
		return nil, nil, err
	}
	server, err = listener.Accept()
	if err != nil {
		client.Close()
		return nil, nil, err
	}
	return client, server, nil
}

// TimeWait makes n connections to the listener and closes them, the client
// first, which leaves the client's ports in TIME_WAIT. It returns the clients'
// local ends once all of them are there.
func TimeWait(listener *Socket, n int, dial Dial) ([]netip.AddrPort, error) {
	var locals []netip.AddrPort
	for range n {
		client, server, err := Pair(listener, dial)
		if err != nil {
			return locals, err
		}
		local, err := client.Local()
		if err != nil {
			return locals, err
		}
		if err := closeInOrder(client, server); err != nil {
			return locals, err
		}
		locals = append(locals, local)
	}
	return locals, nil
}

// closeInOrder closes the first end, then the second. When the second has seen
// the last acknowledgement, the first is in TIME_WAIT.
func closeInOrder(first, second *Socket) error {
	if err := first.Close(); err != nil {
		return err
	}
	if err := second.awaitEOF(); err != nil {
		return err
	}
	if err := second.CloseWrite(); err != nil {
		return err
	}
	if err := second.AwaitState(unix.BPF_TCP_CLOSE); err != nil {
		return err
	}
	return second.Close()
}

// FinWait2 connects a client to the listener and closes its sending side; the
// server keeps its own open. The client is a full socket in FIN_WAIT_2. When it
// is closed, the kernel keeps the port in a time-wait socket of that state.
func FinWait2(listener *Socket, dial Dial) (client, server *Socket, err error) {
	client, server, err = Pair(listener, dial)
	if err != nil {
		return nil, nil, err
	}
	if err := client.CloseWrite(); err != nil {
		return nil, nil, err
	}
	return client, server, client.AwaitState(unix.BPF_TCP_FIN_WAIT2)
}

// CloseWait connects a client to the listener and closes the server's end: the
// client is in CLOSE_WAIT.
func CloseWait(listener *Socket, dial Dial) (client *Socket, err error) {
	client, server, err := Pair(listener, dial)
	if err != nil {
		return nil, err
	}
	if err := server.CloseWrite(); err != nil {
		return nil, err
	}
	// Closed before the client has acknowledged, the server would be in
	// FIN_WAIT_1 for a moment.
	if err := server.AwaitState(unix.BPF_TCP_FIN_WAIT2); err != nil {
		return nil, err
	}
	return client, errors.Join(server.Close(), client.AwaitState(unix.BPF_TCP_CLOSE_WAIT))
}

// Fill calls dial until it fails. It returns how often it worked, and the error
// that ended it.
func Fill(dial Dial) (int, error) {
	for n := 0; ; n++ {
		if _, err := dial(); err != nil {
			return n, err
		}
	}
}

func (s *Socket) awaitEOF() error {
	var buf [64]byte
	for {
		n, err := unix.Read(s.fd, buf[:])
		switch {
		case err == unix.EINTR:
		case err != nil:
			return os.NewSyscallError("read", err)
		case n == 0:
			return nil
		}
	}
}

// State is the kernel's TCP state (TCP_INFO), by the numbers of port.State.
func (s *Socket) State() (uint8, error) {
	info, err := unix.GetsockoptTCPInfo(s.fd, unix.SOL_TCP, unix.TCP_INFO)
	if err != nil {
		return 0, os.NewSyscallError("getsockopt", err)
	}
	return info.State, nil
}

// AwaitState waits until the kernel has brought a TCP socket into the state.
func (s *Socket) AwaitState(state uint8) error {
	return await(fmt.Sprintf("TCP state %d", state), func() (bool, error) {
		now, err := s.State()
		return now == state, err
	})
}
