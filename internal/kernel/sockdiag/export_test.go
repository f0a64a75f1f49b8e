package sockdiag

import "portrange/internal/port"

// Decode reads one struct inet_diag_msg.
func Decode(proto port.Proto, b []byte) (port.Socket, error) {
	s := port.Socket{Proto: proto}
	return s, decode(&s, b)
}

// ParseDatagram reads one datagram of a dump of TCP sockets.
func ParseDatagram(b []byte, sequence uint32) (batch []port.Socket, done bool, err error) {
	d := &dump{query: tcpQuery(tcpSockets, connections, nil), sequence: sequence}
	return d.parse(b, nil)
}

// Halves are the two filters.
func Halves() [2][]byte { return halves() }

// NewSplit is NewOn with the choice whether to walk in two halves.
func NewSplit(kernel Kernel, split bool) *Reader {
	r := NewOn(kernel)
	r.split = split
	return r
}

// Parser reads datagrams of a dump one by one, as a stream does, and tells the
// number of sockets in each.
func Parser(sequence uint32) func([]byte) (int, error) {
	d := &dump{query: tcpQuery(tcpSockets, connections, nil), sequence: sequence}
	var batch []port.Socket
	return func(b []byte) (_ int, err error) {
		batch, _, err = d.parse(b, batch[:0])
		return len(batch), err
	}
}

// Running is the kernel the test runs on.
var Running Kernel = running{}
