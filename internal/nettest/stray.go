package nettest

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// registerFiles is IORING_REGISTER_FILES (include/uapi/linux/io_uring.h).
const registerFiles = 2

// ringParamsLen is the size of struct io_uring_params.
const ringParamsLen = 120

// MoveToRing makes the socket a fixed file of an io_uring and closes its
// descriptor: it stays open, and /proc/PID/fd does not show it. release ends it.
// The error wraps unix.ENOSYS or unix.EPERM where the kernel allows no io_uring.
func (s *Socket) MoveToRing() (release func() error, err error) {
	var params [ringParamsLen]byte
	ring, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&params)), 0)
	if errno != 0 {
		return nil, fmt.Errorf("set up io_uring: %w", errno)
	}
	file := int32(s.fd)
	if _, _, errno = unix.Syscall6(unix.SYS_IO_URING_REGISTER, ring, registerFiles, uintptr(unsafe.Pointer(&file)), 1, 0, 0); errno != 0 {
		return nil, errors.Join(fmt.Errorf("register a fixed file: %w", errno), unix.Close(int(ring)))
	}
	return func() error { return os.NewSyscallError("close", unix.Close(int(ring))) }, s.Close()
}

// SendAway puts the socket into a message between two sockets of AF_UNIX, where it
// stays, and closes its descriptor. release ends it.
func (s *Socket) SendAway() (release func() error, err error) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	release = func() error { return errors.Join(unix.Close(ends[0]), unix.Close(ends[1])) }
	if err := unix.Sendmsg(ends[0], []byte{0}, unix.UnixRights(s.fd), nil, 0); err != nil {
		return nil, errors.Join(fmt.Errorf("send a socket: %w", err), release())
	}
	return release, s.Close()
}
