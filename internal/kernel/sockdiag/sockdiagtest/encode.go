package sockdiagtest

import (
	"encoding/binary"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"portrange/internal/port"
)

// Encode is the socket as a struct inet_diag_msg with the attributes that the
// kernel adds unasked.
func Encode(s *port.Socket) []byte {
	b := make([]byte, 72)
	b[0], b[1], b[2], b[3] = unix.AF_INET, uint8(s.State), uint8(s.Timer.Kind), s.Timer.Retries
	if s.Family6 {
		b[0] = unix.AF_INET6
	}
	if s.State == port.BoundInactive {
		b[1] = uint8(port.Close)
	}
	putAddrPort(b[8:24], b[4:6], s.Local, s.Family6)
	putAddrPort(b[24:40], b[6:8], s.Remote, s.Family6)
	binary.NativeEndian.PutUint32(b[40:], s.Device)
	binary.NativeEndian.PutUint64(b[44:], s.Cookie)
	binary.NativeEndian.PutUint32(b[52:], uint32(s.Timer.Expires/time.Millisecond))
	binary.NativeEndian.PutUint32(b[64:], s.UID)
	binary.NativeEndian.PutUint32(b[68:], uint32(s.Inode))
	return append(b, attributes(s)...)
}

func putAddrPort(addr, number []byte, from netip.AddrPort, family6 bool) {
	binary.BigEndian.PutUint16(number, from.Port())
	switch {
	case !from.IsValid():
	case family6:
		bytes := from.Addr().As16()
		copy(addr, bytes[:])
	default:
		copy(addr, from.Addr().AsSlice())
	}
}

// attributes are, by the number of each: 8 shutdown and 22 options of full
// sockets, 11 IPV6_V6ONLY, 15 mark, 21 cgroup.
func attributes(s *port.Socket) []byte {
	mark := Attribute(15, 0, 0, 0, 0)
	if s.Mini || s.Hold == port.NotHeld {
		return mark
	}
	b := Attribute(8, 0)
	if s.Family6 && (s.State == port.Listen || s.State == port.Close || s.State == port.BoundInactive) {
		v6only := byte(0)
		if s.V6Only {
			v6only = 1
		}
		b = append(b, Attribute(11, v6only)...)
	}
	b = append(b, mark...)
	b = append(b, Attribute(21, 1, 0, 0, 0, 0, 0, 0, 0)...)
	return append(b, Attribute(22, 0x52, 0)...)
}

// Attribute frames one netlink attribute.
func Attribute(kind uint16, value ...byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(unix.SizeofNlAttr+len(value)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, value...)
	return append(b, make([]byte, -len(value)&(unix.NLA_ALIGNTO-1))...)
}
