package clock

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"
)

// Where systemd answers: on the system's bus (the address that the D-Bus specification
// fixes) and, to root, at a socket of its own. The environment has no say: whoever runs
// portrange as root may have been handed a DBUS_SYSTEM_BUS_ADDRESS by anybody.
const (
	systemBus     = "/run/dbus/system_bus_socket"
	systemdSocket = "/run/systemd/private"
)

// mostBytes is what systemd may say on one connection. Its answers take less than a
// hundredth of it; but every user may send signals to whoever is on the bus, and the
// library keeps them in memory until they are looked at.
const mostBytes = 1 << 20

var errTalks = errors.New("more than 1 MiB came over the connection")

// Connect connects to systemd, through the system's bus or, where there is
// none, directly.
func Connect(ctx context.Context) (Manager, func(), error) {
	conn, err := connect(ctx, systemBus, (*godbus.Conn).Hello)
	if err != nil && os.Geteuid() == 0 {
		// Nobody is to be greeted where there is no bus.
		conn, err = connect(ctx, systemdSocket, func(*godbus.Conn) error { return nil })
	}
	if err != nil {
		return nil, nil, fmt.Errorf("connect to systemd: %w", err)
	}
	return conn, conn.Close, nil
}

func connect(ctx context.Context, path string, greet func(*godbus.Conn) error) (*dbus.Conn, error) {
	return dbus.NewConnection(func() (*godbus.Conn, error) { // twice: one connection is for signals
		socket, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
		if err != nil {
			return nil, err
		}
		if deadline, limited := ctx.Deadline(); limited {
			if err := socket.SetDeadline(deadline); err != nil {
				return nil, errors.Join(err, socket.Close())
			}
		}
		conn, err := godbus.NewConn(&bounded{Conn: socket, left: mostBytes}, godbus.WithContext(ctx))
		if err != nil {
			return nil, errors.Join(err, socket.Close())
		}
		err = conn.Auth([]godbus.Auth{godbus.AuthExternal(strconv.Itoa(os.Getuid()))})
		if err == nil {
			err = greet(conn)
		}
		if err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		return conn, nil
	})
}

// bounded is a connection over which only so many bytes come.
type bounded struct {
	net.Conn
	left int
}

// Read reads until the bound, and is an error from there on.
func (b *bounded) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, errTalks
	}
	n, err := b.Conn.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
