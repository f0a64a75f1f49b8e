package sockdiag

import (
	"encoding/binary"

	"portrange/internal/port"
)

// Codes of struct inet_diag_bc_op (include/uapi/linux/inet_diag.h).
const (
	opJump     = 1
	opLocalLE  = 3
	opRemoteLE = 5
)

const (
	opLen      = 4
	compareLen = 2 * opLen // a comparison carries its port in a second op
	testLen    = compareLen + opLen
)

// halves returns two filters. Each accepts about one half of the connections of
// a client, of a server and of a proxy alike, and together they accept every
// socket exactly once. Walking the table of connections waits for memory, one
// cache line after another; two dumps wait side by side.
//
// The port numbers are cut into stripes of a quarter of the default range. A
// socket belongs to the first half when its local and its remote port lie both
// in even stripes or both in odd ones.
func halves() [2][]byte {
	return [2][]byte{stripes(0), stripes(1)}
}

// stripeEnds are the first ports of all stripes but the lowest.
func stripeEnds() []uint16 {
	width := port.DefaultRange.Size() / 4
	var ends []uint16
	for p := int(port.DefaultRange.Low) % width; p <= int(port.DefaultRange.High)+1; p += width {
		ends = append(ends, uint16(p))
	}
	return ends
}

// stripes is the program that accepts sockets whose stripes differ in parity by
// want. It finds the local port's stripe, jumps to the one of two sections that
// belongs to the parity, and finds the remote port's stripe there.
//
// The kernel audits a program (inet_diag_bc_audit) along its "yes" branches:
// they must lead from op to op to the very end, so that all jumps go by "no".
func stripes(want int) []byte {
	ends := stripeEnds()
	section := len(ends)*testLen + opLen
	accept, reject := 3*section, 3*section+opLen
	var p program
	p.search(opLocalLE, ends, func(parity int) int { return (1 + parity) * section })
	for local := range 2 {
		p.search(opRemoteLE, ends, func(parity int) int {
			if local^parity == want {
				return accept
			}
			return reject
		})
	}
	return p
}

type program []byte

// search appends a section that jumps to the target for the parity of the port's stripe.
func (p *program) search(compare uint8, ends []uint16, target func(parity int) int) {
	for i, end := range ends {
		p.op(compare, compareLen, testLen)
		p.op(0, 0, int(end)-1)
		p.jump(target(i % 2))
	}
	p.jump(target(len(ends) % 2))
}

func (p *program) jump(target int) { p.op(opJump, opLen, target-len(*p)) }

func (p *program) op(code, yes uint8, no int) {
	*p = binary.NativeEndian.AppendUint16(append(*p, code, yes), uint16(no))
}
