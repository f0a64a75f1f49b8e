package exact

import (
	"net/netip"
	"os"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"

	"portrange/internal/nettest"
)

// steer gives all new connections of the namespace to one listener, whatever port
// they go to (Documentation/bpf/prog_sk_lookup.rst).
func steer(t *testing.T, h *nettest.Host, listener *nettest.Socket) {
	t.Helper()
	sockets, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.SockMap, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer sockets.Close()
	if err := sockets.Put(uint32(0), uint64(listener.FD())); err != nil {
		t.Fatal(err)
	}
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.SkLookup, AttachType: ebpf.AttachSkLookup, License: "GPL",
		Instructions: asm.Instructions{
			asm.Mov.Reg(asm.R6, asm.R1),
			asm.StoreImm(asm.RFP, -4, 0, asm.Word),
			asm.LoadMapPtr(asm.R1, sockets.FD()),
			asm.Mov.Reg(asm.R2, asm.RFP),
			asm.Add.Imm(asm.R2, -4),
			asm.FnMapLookupElem.Call(),
			asm.JEq.Imm(asm.R0, 0, "pass"),
			asm.Mov.Reg(asm.R7, asm.R0),
			asm.Mov.Reg(asm.R1, asm.R6),
			asm.Mov.Reg(asm.R2, asm.R7),
			asm.Mov.Imm(asm.R3, 0),
			asm.FnSkAssign.Call(),
			asm.Mov.Reg(asm.R1, asm.R7),
			asm.FnSkRelease.Call(),
			asm.Mov.Imm(asm.R0, 1).WithSymbol("pass"),
			asm.Return(),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	netns, err := os.Open(h.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer netns.Close()
	attached, err := link.AttachNetNs(int(netns.Fd()), program)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { attached.Close() })
}

// TestSteeredConnections: a program that steers connections to a listener on another
// port sees the one who connects in nobody's way: the ports are those of the
// destination it asked for. The accepted end has the port that was asked for, and takes
// it as bind() does where no socket had it yet (__inet_inherit_port,
// net/ipv4/inet_hashtables.c).
func TestSteeredConnections(t *testing.T) {
	nettest.NeedRoot(t)
	for name, tt := range map[string]struct {
		to   string
		left int
	}{
		"to a port beside the range": {"127.0.0.1:9999", 90},
		"to a port of the range":     {"127.0.0.1:40051", 89},
	} {
		t.Run(name, func(t *testing.T) {
			h := nettest.New(t)
			listener, err := h.Listen(nettest.TCP4, netip.MustParseAddrPort("127.0.0.1:1100"))
			if err != nil {
				t.Fatal(err)
			}
			steer(t, h, listener)
			to := netip.MustParseAddrPort(tt.to)
			h.Range(41000, 41000) // the first one leaves the port of the range alone
			dial := func() (*nettest.Socket, error) { return h.Connect(nettest.TCP4, to) }
			if _, _, err := nettest.Pair(listener, dial); err != nil {
				t.Fatal(err)
			}
			h.Range(fixedRange.Low, fixedRange.High)
			for range 10 {
				if _, _, err := nettest.Pair(listener, dial); err != nil {
					t.Fatal(err)
				}
			}
			expectGrants(t, h, to.Addr(), to, tt.left, tt.left, dial)
		})
	}
}
