package sockiter

import (
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"portrange/internal/host"
	"portrange/internal/nettest"
	"portrange/internal/port"
)

// nobody is a process of an ordinary user with just these capabilities.
func nobody(capabilities ...uintptr) *syscall.SysProcAttr {
	const uid = 65534
	return &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: uid, Gid: uid},
		AmbientCaps: capabilities,
	}
}

// holders is all that is held in the scene's namespace.
func (sc *scene) holders() []host.Holder {
	sc.t.Helper()
	var all []host.Holder
	var gaps host.Gaps
	stream := sc.p.Holders(sc.t.Context(), &gaps)
	for h := range stream.All() {
		if h.NetNS == sc.ID() {
			all = append(all, h)
		}
	}
	if missed := gaps.List(); stream.Err() != nil || len(missed) > 0 {
		sc.t.Fatal(stream.Err(), missed)
	}
	return all
}

// holdersOf are the processes that hold the socket, in order.
func (sc *scene) holdersOf(s *nettest.Socket) []int {
	sc.t.Helper()
	local, remote := sc.ends(s)
	var pids []int
	for _, h := range sc.holders() {
		if h.Socket.Local == local && h.Socket.Remote == remote {
			pids = append(pids, h.Process.PID)
		}
	}
	slices.Sort(pids)
	return pids
}

// sleeper is a child that inherits a socket at two descriptors.
func (sc *scene) sleeper(s *nettest.Socket, attr *syscall.SysProcAttr) *exec.Cmd {
	sc.t.Helper()
	cmd := exec.Command("sleep", "1000")
	cmd.SysProcAttr = attr
	cmd.ExtraFiles = []*os.File{sc.dup(s), sc.dup(s)}
	if err := cmd.Start(); err != nil {
		sc.t.Fatal(err)
	}
	sc.t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for _, file := range cmd.ExtraFiles {
		file.Close()
	}
	return cmd
}

func (sc *scene) dup(s *nettest.Socket) *os.File {
	sc.t.Helper()
	fd, err := unix.FcntlInt(uintptr(s.FD()), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		sc.t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), "socket")
}

func TestHoldersAgree(t *testing.T) {
	sc := newScene(t)
	server := sc.listen(nettest.TCP4, "10.0.0.1:80")
	all := []*nettest.Socket{
		server,
		sc.connect(nettest.TCP4, "10.0.0.1:80", nettest.KeepAlive()),
		sc.must(server.Accept()),
		sc.listen(nettest.TCP6, "[::]:81"),
		sc.connect(nettest.TCP6, "[fd00::1]:81"),
		sc.listen(nettest.UDP4, "10.0.0.1:53"),
		sc.connect(nettest.UDP6, "[fd00::1]:53"),
	}
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	held := sc.holders()
	for _, s := range all {
		want := sc.of(s)
		got := only(t, want.Local.String(), held, func(h host.Holder) bool { return h.Socket.Inode == want.Inode })
		if want.Timer.Kind == got.Socket.Timer.Kind {
			want.Timer = got.Socket.Timer
		}
		if got.Socket != want {
			t.Errorf("holder has %+v, the socket is %+v", got.Socket, want)
		}
		if got.Process.PID != os.Getpid() || got.Process.Command+"\n" != string(comm) {
			t.Errorf("held by %+v", got.Process)
		}
	}
}

func TestBoundInactive(t *testing.T) {
	sc := newScene(t)
	sc.must(sc.Socket(nettest.TCP4))
	idle := sc.must(sc.Bind(nettest.TCP4, netip.MustParseAddrPort("10.0.0.1:8000")))
	got := only(t, "socket with a port", sc.holders(), func(host.Holder) bool { return true }).Socket
	local, _ := sc.ends(idle)
	if got.Local != local || got.State != port.BoundInactive || got.Hold != port.BindHeld || got.Remote.IsValid() {
		t.Errorf("got %+v", got)
	}
}

// TestRawSockets: a raw socket has its protocol where others have the port.
func TestRawSockets(t *testing.T) {
	sc := newScene(t)
	sc.must(sc.Socket(nettest.RAW4))
	if got := sc.holders(); len(got) != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestSharedSocket(t *testing.T) {
	sc := newScene(t)
	s := sc.listen(nettest.TCP4, "10.0.0.1:80")
	duplicate := sc.dup(s)
	defer duplicate.Close()
	if got := sc.holdersOf(s); !slices.Equal(got, []int{os.Getpid()}) {
		t.Errorf("duplicated: held by %v, want %d alone", got, os.Getpid())
	}
	want := []int{os.Getpid(), sc.sleeper(s, nil).Process.Pid}
	slices.Sort(want)
	if got := sc.holdersOf(s); !slices.Equal(got, want) {
		t.Errorf("inherited: held by %v, want %v", got, want)
	}
}

// TestPIDNamespace: a process goes by its number in the namespace of the reader.
func TestPIDNamespace(t *testing.T) {
	sc := newScene(t)
	s := sc.listen(nettest.TCP4, "10.0.0.1:80")
	inside := &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID}
	want := []int{os.Getpid(), sc.sleeper(s, inside).Process.Pid}
	slices.Sort(want)
	if got := sc.holdersOf(s); !slices.Equal(got, want) {
		t.Errorf("from outside: held by %v, want %v", got, want)
	}
	own := sc.dup(s)
	defer own.Close()
	got := lookFrom(t, sc.Host, func(cmd *exec.Cmd) {
		cmd.SysProcAttr = inside
		cmd.ExtraFiles = []*os.File{own}
	})
	if len(got.Errors) > 0 {
		t.Fatal(got.Errors)
	}
	if first := only(t, "holder from inside", got.Holders, func(host.Holder) bool { return true }); first.Process.PID != 1 {
		t.Errorf("from inside: held by %+v, want process 1", first.Process)
	}
}

func TestMPTCP(t *testing.T) {
	sc := newScene(t)
	if sc.GetSysctl("net.mptcp.enabled") != "1" {
		t.Fatal("MPTCP is off in a new namespace")
	}
	server := sc.listen(nettest.MPTCP4, "10.0.0.1:80")
	client := sc.connect(nettest.MPTCP4, "10.0.0.1:80")
	accepted := sc.must(server.Accept())
	for _, s := range []*nettest.Socket{server, client, accepted} {
		seen := sc.of(s)
		if seen.Proto != port.TCP {
			t.Errorf("protocol %v", seen.Proto)
		}
		if got := sc.holdersOf(s); !slices.Equal(got, []int{os.Getpid()}) {
			t.Errorf("%v to %v held by %v, want %d", seen.Local, seen.Remote, got, os.Getpid())
		}
	}
}
