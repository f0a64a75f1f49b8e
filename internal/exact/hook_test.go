package exact

import (
	"encoding/binary"
	"errors"
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
	"portrange/internal/nettest"
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

// hooked are the calls that programs of a control group have a say in.
var hooked = []ebpf.AttachType{
	ebpf.AttachCGroupInet4Connect, ebpf.AttachCGroupInet6Connect, ebpf.AttachCGroupInet4Bind, ebpf.AttachCGroupInet6Bind,
	ebpf.AttachCGroupUDP4Sendmsg, ebpf.AttachCGroupUDP6Sendmsg,
}

// balancer sends what goes to one port to another one, as a service's to its
// backend. It lets all else pass, and everything where both ports are the same.
func balancer(kind ebpf.AttachType, service, backend uint16) (*ebpf.Program, error) {
	const userPort = 24 // of struct bpf_sock_addr
	wire := func(p uint16) int32 {
		return int32(binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, p)))
	}
	return ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.CGroupSockAddr, AttachType: kind, License: "GPL",
		Instructions: asm.Instructions{
			asm.LoadMem(asm.R2, asm.R1, userPort, asm.Word),
			asm.JNE.Imm(asm.R2, wire(service), "allow"),
			asm.Mov.Imm(asm.R2, wire(backend)),
			asm.StoreMem(asm.R1, userPort, asm.R2, asm.Word),
			asm.Mov.Imm(asm.R0, 1).WithSymbol("allow"),
			asm.Return(),
		},
	})
}

// attach has a program of a kind at work in the group until it is closed.
func attach(group string, kind ebpf.AttachType, service, backend uint16) (link.Link, error) {
	program, err := balancer(kind, service, backend)
	if err != nil {
		return nil, err
	}
	defer program.Close()
	return link.AttachCgroup(link.CgroupOptions{Path: group, Attach: kind, Program: program})
}

// hook attaches some programs: to connect() ones that change the port, to bind()
// and to messages ones that look on.
func (sc *scenario) hook(group string) error {
	for _, kind := range hooked {
		if !sc.chance(0.4) {
			continue
		}
		backend := uint16(80)
		if (kind == ebpf.AttachCGroupInet4Connect || kind == ebpf.AttachCGroupInet6Connect) && sc.chance(0.7) {
			backend = 81
		}
		attached, err := attach(group, kind, 80, backend)
		if err != nil {
			return fmt.Errorf("attach %s: %w", kind, err)
		}
		sc.note("%s: 80 to %d", kind, backend)
		sc.hooks = append(sc.hooks, attached)
	}
	return nil
}

// close takes the programs away with the namespace.
func (sc *scenario) close() error {
	var errs []error
	for _, attached := range sc.hooks {
		errs = append(errs, attached.Close())
	}
	return errors.Join(append(errs, sc.Close())...)
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
	ask := func(p uint16) answer {
		seen, err := look(t.Context(), collector, h.Namespace)
		if err != nil {
			t.Fatal(err)
		}
		said, err := left(t.Context(), seen, []string{fmt.Sprintf("192.0.2.77:%d", p)})
		if err != nil {
			t.Fatal(err)
		}
		return said
	}
	for range 30 {
		if _, err := dial(80)(); err != nil {
			t.Fatal(err)
		}
	}
	if got := ask(81); !got.exact || got.left != 100 {
		t.Errorf("without a program: %+v, want 100 left", got)
	}
	attached, err := attach(group, ebpf.AttachCGroupInet4Connect, 9999, 80)
	if err != nil {
		t.Fatal(err)
	}
	defer attached.Close()
	got := ask(9999)
	granted, err := nettest.Fill(dial(9999))
	if err == nil || granted != 70 {
		t.Fatalf("granted %d, %v; the program was to lead to where 70 are left", granted, err)
	}
	if got.exact || got.left == granted || got.left-got.bound > granted {
		t.Errorf("%+v claims to be exact, the kernel granted %d", got, granted)
	}
}
