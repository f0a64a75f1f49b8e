package sockiter

import (
	"errors"
	"testing"
	"unsafe"

	"portrange/internal/host"
	"portrange/internal/port"
)

// FuzzHolder: a record yields a socket within bounds, of its process and namespace, or
// says why not; and two records in a row yield the shared file of one process once.
func FuzzHolder(f *testing.F) {
	const size = int(unsafe.Sizeof(bpfHeldRecord{}))
	seed := func(r bpfHeldRecord) []byte {
		return append([]byte{}, unsafe.Slice((*byte)(unsafe.Pointer(&r)), size)...)
	}
	closed, mptcp := heldRecord(812, 3, 77, 0), heldRecord(812, 4, 78, 0)
	closed.Socket.State, mptcp.Socket.Proto = uint8(port.Close), 0
	f.Add(seed(heldRecord(812, 3, 77, flagShared)), uint32(4))
	f.Add(seed(heldRecord(812, 3, 77, flagFamily6)), uint32(3))
	f.Add(seed(closed), uint32(3))
	f.Add(seed(mptcp), uint32(3))
	f.Fuzz(func(t *testing.T, data []byte, otherFD uint32) {
		var r bpfHeldRecord
		copy(unsafe.Slice((*byte)(unsafe.Pointer(&r)), size), data)
		var gaps host.Gaps
		walk := &files{tick: testTick, gaps: &gaps}
		held, err := walk.holder(&r)
		s := &held.Socket
		if err != nil {
			if r.Socket.Proto == 0 && len(gaps.List()) != 1 {
				t.Errorf("gaps %v, want one about MPTCP", gaps.List())
			}
			return
		}
		if s.Proto != port.TCP && s.Proto != port.UDP || s.State == 0 || int(s.State) >= port.States ||
			s.Hold > port.NotHeld || s.Timer.Kind > port.TimerProbe || s.Timer.Expires < 0 || s.Quiet < 0 {
			t.Errorf("socket out of bounds: %+v", s)
		}
		if !s.Local.IsValid() || s.Local.Port() != r.Socket.LocalPort || s.Remote.IsValid() != (r.Socket.RemotePort != 0) {
			t.Errorf("ends %s and %s of ports %d and %d", s.Local, s.Remote, r.Socket.LocalPort, r.Socket.RemotePort)
		}
		if held.Process.PID != int(r.Pid) || held.NetNS != uint64(r.Netns) || len(held.Process.Command) > len(r.Command) {
			t.Errorf("holder %+v of pid %d in %d", held.Process, r.Pid, r.Netns)
		}
		first := r.Fd
		r.Fd = otherFD
		_, err = walk.holder(&r)
		counts := r.Socket.Flags&flagShared == 0 || otherFD == first
		if counts && err != nil || !counts && !errors.Is(err, errNoHolder) {
			t.Errorf("descriptors %d and %d with flags %#x: %v", first, otherFD, r.Socket.Flags, err)
		}
	})
}
