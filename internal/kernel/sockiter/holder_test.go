package sockiter

import (
	"errors"
	"testing"

	"portrange/internal/host"
	"portrange/internal/port"
)

// heldRecord is a record of a connected TCP socket.
func heldRecord(pid, fd uint32, inode uint64, flags uint8) bpfHeldRecord {
	r := bpfHeldRecord{Pid: pid, Fd: fd, Netns: 4026531840}
	r.Socket = bpfRecord{Proto: 6, State: 1, LocalPort: 40000, RemotePort: 443, Hold: 1, Inode: inode, Flags: flags}
	for i, c := range []byte("nginx") {
		r.Command[i] = int8(c)
	}
	return r
}

func TestHolder(t *testing.T) {
	r := heldRecord(812, 3, 77, 0)
	got, err := (&files{tick: testTick}).holder(&r)
	if err != nil {
		t.Fatal(err)
	}
	if got.Process != (host.Process{PID: 812, Command: "nginx"}) || got.NetNS != 4026531840 || got.Socket.Inode != 77 {
		t.Errorf("got %+v", got)
	}
}

func TestCommandOfFullLength(t *testing.T) {
	var r bpfHeldRecord
	for i := range r.Command {
		r.Command[i] = 'x'
	}
	if got := r.command(); got != "xxxxxxxxxxxxxxxx" {
		t.Errorf("command %q", got)
	}
}

// TestSharedFiles: what a process has open twice counts once, what several
// processes have open counts once for each.
func TestSharedFiles(t *testing.T) {
	type step struct {
		pid, fd uint32
		inode   uint64
		flags   uint8
		counts  bool
	}
	tests := map[string][]step{
		"two sockets":           {{1, 3, 70, 0, true}, {1, 4, 71, 0, true}},
		"duplicate":             {{1, 3, 70, flagShared, true}, {1, 4, 70, flagShared, false}},
		"duplicate, apart":      {{1, 3, 70, flagShared, true}, {1, 4, 71, 0, true}, {1, 5, 70, flagShared, false}},
		"inherited":             {{1, 3, 70, flagShared, true}, {2, 3, 70, flagShared, true}},
		"inherited, duplicated": {{1, 3, 70, flagShared, true}, {2, 3, 70, flagShared, true}, {2, 4, 70, flagShared, false}},
		"subflows of one file":  {{1, 3, 70, flagShared, true}, {1, 3, 70, flagShared, true}, {1, 4, 70, flagShared, false}},
	}
	for name, steps := range tests {
		t.Run(name, func(t *testing.T) {
			f := &files{tick: testTick}
			for i, step := range steps {
				r := heldRecord(step.pid, step.fd, step.inode, step.flags)
				_, err := f.holder(&r)
				if step.counts && err != nil || !step.counts && !errors.Is(err, errNoHolder) {
					t.Errorf("step %d: %+v: %v", i, step, err)
				}
			}
		})
	}
}

// TestClosedHolder: a closed socket holds its port for as long as it has a bucket.
func TestClosedHolder(t *testing.T) {
	bound := heldRecord(1, 3, 70, 0)
	bound.Socket.State, bound.Socket.Hold, bound.Socket.RemotePort = uint8(port.Close), uint8(port.BindHeld), 0
	got, err := (&files{}).holder(&bound)
	if err != nil || got.Socket.State != port.BoundInactive {
		t.Errorf("bound: %v, %v", got.Socket.State, err)
	}
	gone := bound
	gone.Socket.Hold = uint8(port.NotHeld)
	if got, err := (&files{}).holder(&gone); !errors.Is(err, errNoHolder) {
		t.Errorf("unbound: %+v, %v", got, err)
	}
	udp := bound
	udp.Socket.Proto = uint8(port.UDP)
	if got, err := (&files{}).holder(&udp); err != nil || got.Socket.State != port.Close {
		t.Errorf("unconnected UDP: %v, %v", got.Socket.State, err)
	}
}

// TestUnresolvedMPTCP: an MPTCP socket that the kernel cannot take apart is a
// gap, told once.
func TestUnresolvedMPTCP(t *testing.T) {
	var gaps host.Gaps
	f := &files{gaps: &gaps}
	for range 2 {
		if _, err := f.holder(&bpfHeldRecord{}); !errors.Is(err, errNoHolder) {
			t.Errorf("a record without a socket: %v", err)
		}
	}
	if missed := gaps.List(); len(missed) != 1 || missed[0].What() != "owners of MPTCP sockets" {
		t.Errorf("gaps %v, want one", missed)
	}
}

// TestHoldersNotLoaded: where the program is missing a gap says why.
func TestHoldersNotLoaded(t *testing.T) {
	p := &Programs{refused: errNotAskedFor}
	var gaps host.Gaps
	stream := p.Holders(t.Context(), &gaps)
	for held := range stream.All() {
		t.Errorf("found %+v", held)
	}
	if missed := gaps.List(); stream.Err() != nil || len(missed) != 1 || missed[0].Why != errNotAskedFor.Error() {
		t.Errorf("error %v, gaps %v, want a gap", stream.Err(), missed)
	}
}
