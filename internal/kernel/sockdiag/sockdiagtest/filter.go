package sockdiagtest

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// instruction is struct inet_diag_bc_op, with the port of a comparison.
type instruction struct {
	code    uint8
	yes, no int
	port    uint16
	size    int
}

// at decodes what begins at an offset; ok is false where nothing valid does.
func at(filter []byte, offset int) (_ instruction, ok bool) {
	if offset < 0 || offset+4 > len(filter) {
		return instruction{}, false
	}
	b := filter[offset:]
	op := instruction{code: b[0], yes: int(b[1]), no: int(binary.NativeEndian.Uint16(b[2:])), size: 4}
	if op.code >= 2 && op.code <= 5 {
		if len(b) < 8 {
			return op, false
		}
		op.port, op.size = binary.NativeEndian.Uint16(b[6:]), 8
	}
	return op, op.code <= 5
}

// Audit refuses what the kernel refuses (inet_diag_bc_audit): branches shorter
// than the op or past one op behind the end, and targets that the chain of
// "yes" branches does not visit.
func Audit(filter []byte) error {
	starts := map[int]bool{len(filter): true, len(filter) + 4: true}
	for offset := 0; offset < len(filter); {
		op, ok := at(filter, offset)
		if !ok || op.yes < op.size {
			return unix.EINVAL
		}
		starts[offset] = true
		offset += op.yes
		if offset > len(filter) {
			return unix.EINVAL
		}
	}
	for offset := 0; offset < len(filter); {
		op, _ := at(filter, offset)
		if op.no < op.size || !starts[offset+op.no] {
			return unix.EINVAL
		}
		offset += op.yes
	}
	return nil
}

// Accepts runs an audited filter on the ports of a socket (inet_diag_bc_run).
func Accepts(filter []byte, local, remote uint16) bool {
	offset := 0
	for offset < len(filter) {
		op, ok := at(filter, offset)
		if !ok {
			return false
		}
		if op.holds(local, remote) {
			offset += op.yes
		} else {
			offset += op.no
		}
	}
	return offset == len(filter)
}

func (op instruction) holds(local, remote uint16) bool {
	switch op.code {
	case 1:
		return false
	case 2:
		return local >= op.port
	case 3:
		return local <= op.port
	case 4:
		return remote >= op.port
	case 5:
		return remote <= op.port
	}
	return true
}
