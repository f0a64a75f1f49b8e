package main

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// dumpAndDiscard has the kernel dump all TCP sockets of the process's namespace
// through sock_diag and looks at nothing but the end: what any program pays that
// reads them so.
func dumpAndDiscard() error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return fmt.Errorf("open sock_diag: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, dumpRequest(), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("ask sock_diag: %w", err)
	}
	buffer := make([]byte, 32<<10)
	for {
		n, err := unix.Read(fd, buffer)
		if err != nil {
			return fmt.Errorf("read from sock_diag: %w", err)
		}
		switch kind := binary.NativeEndian.Uint16(buffer[4:]); {
		case kind == unix.NLMSG_ERROR:
			return fmt.Errorf("sock_diag refused the dump: %x", buffer[:n])
		case kind == unix.NLMSG_DONE:
			return nil
		}
	}
}

// dumpRequest asks for TCP sockets of both families in all states, as struct
// nlmsghdr and struct inet_diag_req (sock_diag(7)).
func dumpRequest() []byte {
	const header, body, getSockets = 16, 60, 18 // TCPDIAG_GETSOCK
	request := make([]byte, header+body)
	binary.NativeEndian.PutUint32(request, header+body)
	binary.NativeEndian.PutUint16(request[4:], getSockets)
	binary.NativeEndian.PutUint16(request[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	binary.NativeEndian.PutUint32(request[header+52:], ^uint32(0))
	return request
}
