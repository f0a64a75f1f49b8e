package exact

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"

	"portrange/internal/collect"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/kernel/cgrouphook"
	"portrange/internal/nettest"
	"portrange/internal/port"
)

// ownGroup moves the test into a control group of its own until it ends. A test of
// this package must not run beside it.
func ownGroup(t *testing.T) string {
	t.Helper()
	mount := ""
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, " - cgroup2 ") {
			mount = strings.Fields(line)[4]
		}
	}
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	_, home, found := strings.Cut(string(groups), "0::")
	if mount == "" || !found {
		t.Skip("no control groups of version 2")
	}
	home = filepath.Join(mount, strings.TrimSpace(home))
	dir := filepath.Join(home, fmt.Sprintf("portrange-exact-%d", os.Getpid()))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Skipf("no control group of its own: %v", err)
	}
	move := func(to string) error { return os.WriteFile(filepath.Join(to, "cgroup.procs"), []byte("0"), 0) }
	if err := move(dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := move(home); err != nil {
			t.Error(err)
		}
		if err := os.Remove(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// balance sends connections to one port to another one, as a service's to its backend.
func balance(t *testing.T, group string, service, backend uint16) {
	t.Helper()
	const userPort = 24 // of struct bpf_sock_addr
	wire := func(p uint16) int32 {
		return int32(binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, p)))
	}
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.CGroupSockAddr, AttachType: ebpf.AttachCGroupInet4Connect, License: "GPL",
		Instructions: asm.Instructions{
			asm.LoadMem(asm.R2, asm.R1, userPort, asm.Word),
			asm.JNE.Imm(asm.R2, wire(service), "allow"),
			asm.Mov.Imm(asm.R2, wire(backend)),
			asm.StoreMem(asm.R1, userPort, asm.R2, asm.Word),
			asm.Mov.Imm(asm.R0, 1).WithSymbol("allow"),
			asm.Return(),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	attached, err := link.AttachCgroup(link.CgroupOptions{Path: group, Attach: ebpf.AttachCGroupInet4Connect, Program: program})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { attached.Close() })
}

// TestConnectHookIsSaid: where a program of the control group sends connections
// elsewhere, the number is another one, and the answer does not claim to be exact.
func TestConnectHookIsSaid(t *testing.T) {
	nettest.NeedRoot(t)
	group := ownGroup(t)
	h := nettest.New(t)
	h.Sink(void0, "192.0.2.1/24")
	h.Range(40000, 40099)
	collector, err := collect.Open(t.Context(), collect.Options{Source: collect.BPF}, host.WantSockets)
	if err != nil {
		t.Fatal(err)
	}
	defer collector.Close()
	dial := func(p uint16) nettest.Dial {
		to := netip.AddrPortFrom(netip.MustParseAddr("192.0.2.77"), p)
		return func() (*nettest.Socket, error) { return h.Connect(nettest.TCP4, to, nettest.NonBlock()) }
	}
	for range 30 {
		if _, err := dial(80)(); err != nil {
			t.Fatal(err)
		}
	}
	if got := askHooked(t, collector, h, 81); !got.Exact || got.Left != 100 {
		t.Errorf("without a program: %+v, want 100 left", got)
	}
	balance(t, group, 9999, 80)
	got := askHooked(t, collector, h, 9999)
	granted, err := nettest.Fill(dial(9999))
	if err == nil || granted != 70 {
		t.Fatalf("granted %d, %v; the program was to lead to where 70 are left", granted, err)
	}
	if got.Exact || got.Left == granted {
		t.Errorf("%+v claims to be exact, the kernel granted %d", got, granted)
	}
}

// askHooked asks as one does who knows the asker: with what programs it has.
func askHooked(t *testing.T, collector *collect.Collector, h *nettest.Host, p uint16) judge.Pool {
	t.Helper()
	ns, err := look(t.Context(), collector, h.Namespace)
	if err != nil {
		t.Fatal(err)
	}
	asker := judge.NewAsker(ns, port.TCP, netip.MustParseAddr("192.0.2.1"))
	pool := judge.Left(ns, &asker, netip.AddrPortFrom(netip.MustParseAddr("192.0.2.77"), p))
	hooks, err := cgrouphook.Of(0)
	if err != nil {
		t.Fatal(err)
	}
	if hooks.Connect(false) != host.No {
		pool.Add(judge.DoubtConnectHooks)
	}
	return pool
}
