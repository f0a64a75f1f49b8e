package sockdiag

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"portrange/internal/port"
)

// messageLen is the size of struct inet_diag_msg.
const messageLen = 72

// Attributes of an answer (include/uapi/linux/inet_diag.h). Both come unasked.
const (
	attrShutdown = 8  // of every full socket, of no other
	attrV6Only   = 11 // INET_DIAG_SKV6ONLY, of IPv6 sockets that listen or are closed
)

// decode fills in the socket from one struct inet_diag_msg and its attributes.
func decode(s *port.Socket, b []byte) error {
	if len(b) < messageLen {
		return fmt.Errorf("truncated message: %d bytes of a socket, want %d", len(b), messageLen)
	}
	if err := decodeTuple(s, b); err != nil {
		return err
	}
	s.State = port.State(b[1])
	s.Device = binary.NativeEndian.Uint32(b[40:])
	s.UID = binary.NativeEndian.Uint32(b[64:])
	s.Inode = uint64(binary.NativeEndian.Uint32(b[68:]))
	decodeTimer(s, b)
	s.Cookie = binary.NativeEndian.Uint64(b[44:])
	s.Blind = true
	s.V6Unknown = s.Local.Addr().Is6()
	full, err := decodeAttributes(s, b[messageLen:])
	if err != nil || s.Proto != port.TCP {
		return err
	}
	judgeHold(s, full)
	return nil
}

func decodeTuple(s *port.Socket, b []byte) error {
	var local, remote netip.Addr
	switch b[0] {
	case unix.AF_INET:
		local, remote = netip.AddrFrom4([4]byte(b[8:])), netip.AddrFrom4([4]byte(b[24:]))
	case unix.AF_INET6:
		s.Family6 = true
		local, remote = netip.AddrFrom16([16]byte(b[8:])).Unmap(), netip.AddrFrom16([16]byte(b[24:])).Unmap()
	default:
		return fmt.Errorf("socket of unknown address family %d", b[0])
	}
	s.Local = netip.AddrPortFrom(local, binary.BigEndian.Uint16(b[4:]))
	// A socket keeps the address of a failed connect(), but not the port.
	if p := binary.BigEndian.Uint16(b[6:]); p != 0 {
		s.Remote = netip.AddrPortFrom(remote, p)
	}
	return nil
}

// decodeTimer reads the timer, and for a timewait socket derives from it when
// the last packet came: packets restart its 60 seconds. One in FIN_WAIT_2 waits
// for another time, which does not show.
func decodeTimer(s *port.Socket, b []byte) {
	s.Timer = port.Timer{Kind: port.TimerKind(b[2]), Retries: b[3]}
	// A timer that is overdue comes as a negative number on older kernels.
	if left := int32(binary.NativeEndian.Uint32(b[52:])); left > 0 && s.Timer.Kind != port.TimerOff {
		s.Timer.Expires = time.Duration(left) * time.Millisecond
	}
	s.Mini = s.Timer.Kind == port.TimerTimeWait
	if s.Mini && s.State == port.TimeWait {
		s.Quiet = max(0, port.TimeWaitLength-s.Timer.Expires)
	}
}

// decodeAttributes takes from the attributes what matters here and skips the
// others. full tells a full socket from a timewait or request socket.
func decodeAttributes(s *port.Socket, b []byte) (full bool, err error) {
	for len(b) > 0 {
		if len(b) < unix.SizeofNlAttr {
			return full, fmt.Errorf("truncated attribute: %d bytes left", len(b))
		}
		length, kind := int(binary.NativeEndian.Uint16(b)), binary.NativeEndian.Uint16(b[2:])
		if length < unix.SizeofNlAttr || length > len(b) {
			return full, fmt.Errorf("truncated attribute %d: %d bytes, %d left", kind, length, len(b))
		}
		switch kind {
		case attrShutdown:
			full = true
		case attrV6Only:
			s.V6Only = length > unix.SizeofNlAttr && b[unix.SizeofNlAttr] != 0
			s.V6Unknown = false
		}
		b = b[min(len(b), (length+unix.NLA_ALIGNTO-1)&^(unix.NLA_ALIGNTO-1)):]
	}
	return full, nil
}

// judgeHold says how the socket holds its port where it alone tells, and
// gives sockets bound but idle their state: the kernel lists them as closed
// (tcp_diag_dump in net/ipv4/tcp_diag.c), which a socket in no table is not.
func judgeHold(s *port.Socket, full bool) {
	switch {
	case s.State == port.Close:
		s.State, s.Hold = port.BoundInactive, port.BindHeld
	case s.State == port.Listen:
		s.Hold = port.BindHeld
	case s.State == port.SynRecv && !full:
		s.Hold = port.NotHeld
	}
}
