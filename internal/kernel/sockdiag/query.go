package sockdiag

import (
	"encoding/binary"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"portrange/internal/port"
)

// tcpdiagGetsock is TCPDIAG_GETSOCK (include/uapi/linux/inet_diag.h), the older
// form of the question. It has no field to choose an address family, so that
// one walk over the kernel's tables serves both.
const tcpdiagGetsock = 18

// Sizes of struct inet_diag_req and inet_diag_req_v2.
const (
	requestLen   = 60
	requestV2Len = 56
)

// reqBytecode is the attribute INET_DIAG_REQ_BYTECODE.
const reqBytecode = 1

// States to ask for, as bits. Older kernels do not know BoundInactive and list
// nothing for it.
const (
	listening   = 1 << port.Listen
	idle        = 1 << port.BoundInactive
	shutDown    = 1<<port.FinWait1 | 1<<port.FinWait2 | 1<<port.LastAck | 1<<port.Closing
	connections = 1<<port.States - 1 - 1 - 1<<port.Close - listening - idle
)

// query is one dump to ask the kernel for.
type query struct {
	what    string // names it in a gap
	proto   port.Proto
	request netlink.Message
}

func newQuery(what string, proto port.Proto, kind netlink.HeaderType, body []byte) *query {
	return &query{what: what, proto: proto, request: netlink.Message{
		Header: netlink.Header{Type: kind, Flags: netlink.Request | netlink.Dump},
		Data:   body,
	}}
}

// tcpQuery asks for the TCP sockets of both families in the given states that
// the filter, if there is one, accepts.
func tcpQuery(what string, states uint32, filter []byte) *query {
	body := make([]byte, requestLen, requestLen+4+len(filter))
	binary.NativeEndian.PutUint32(body[52:], states)
	if filter != nil {
		body = binary.NativeEndian.AppendUint16(body, uint16(4+len(filter)))
		body = binary.NativeEndian.AppendUint16(body, reqBytecode)
		body = append(body, filter...)
	}
	return newQuery(what, port.TCP, tcpdiagGetsock, body)
}

// udpQuery asks for all UDP sockets of one address family.
func udpQuery(what string, family uint8) *query {
	body := make([]byte, requestV2Len)
	body[0], body[1] = family, unix.IPPROTO_UDP
	binary.NativeEndian.PutUint32(body[4:], ^uint32(0))
	return newQuery(what, port.UDP, unix.SOCK_DIAG_BY_FAMILY, body)
}
