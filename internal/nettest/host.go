package nettest

import (
	"net/netip"
	"os"
	"os/exec"
	"testing"
)

// Host is a [Namespace] that belongs to a test: it closes when the test ends,
// and what goes wrong while it is set up fails the test.
type Host struct {
	*Namespace
	t testing.TB
}

// New makes a host with nothing but lo. Without root the test is skipped, as
// root it must work.
func New(t testing.TB) *Host {
	t.Helper()
	return adopt(t, Create)
}

// NewNamed is [New] for a host that ip-netns(8) knows by name.
func NewNamed(t testing.TB, name string) *Host {
	t.Helper()
	return adopt(t, func() (*Namespace, error) { return CreateNamed(name) })
}

func adopt(t testing.TB, create func() (*Namespace, error)) *Host {
	t.Helper()
	NeedRoot(t)
	n, err := create()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Errorf("close network namespace: %v", err)
		}
	})
	return &Host{Namespace: n, t: t}
}

// NeedRoot skips a live test that is not run as root.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
}

func (h *Host) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// Do runs fn on the calling goroutine with its thread inside the namespace.
// Goroutines that fn starts are elsewhere.
func (h *Host) Do(fn func()) {
	h.t.Helper()
	h.must(h.Try(func() error { fn(); return nil }))
}

// Try is [Host.Do] for a function that can fail.
func (h *Host) Try(fn func() error) error { return h.Namespace.Do(fn) }

// ID is the inode number of the namespace.
func (h *Host) ID() uint64 {
	h.t.Helper()
	id, err := h.Namespace.ID()
	h.must(err)
	return id
}

// Sysctl changes a setting of the host, named with dots.
func (h *Host) Sysctl(key, value string) {
	h.t.Helper()
	h.must(h.WriteSysctl(key, value))
}

// GetSysctl reads a setting of the host as the kernel prints it.
func (h *Host) GetSysctl(key string) string {
	h.t.Helper()
	value, err := h.ReadSysctl(key)
	h.must(err)
	return value
}

// Range sets net.ipv4.ip_local_port_range.
func (h *Host) Range(low, high uint16) {
	h.t.Helper()
	h.must(h.SetRange(low, high))
}

// Addr gives addresses to lo: "10.0.0.1", "10.1.0.0/16", "fd00::1".
func (h *Host) Addr(addrs ...string) {
	h.t.Helper()
	h.must(h.AddAddrs(loopback, addrs...))
}

// AddrOn gives addresses to another device.
func (h *Host) AddrOn(device string, addrs ...string) {
	h.t.Helper()
	h.must(h.AddAddrs(device, addrs...))
}

// Sink makes a device with addresses that swallows what is sent through it.
func (h *Host) Sink(name string, addrs ...string) {
	h.t.Helper()
	h.must(h.AddSink(name))
	h.must(h.AddAddrs(name, addrs...))
}

// Route sends dst ("192.0.2.0/24") through a device; source may be empty.
func (h *Host) Route(dst, device, source string) {
	h.t.Helper()
	var preferred netip.Addr
	if source != "" {
		preferred = netip.MustParseAddr(source)
	}
	h.must(h.AddRoute(netip.MustParsePrefix(dst), device, preferred))
}

// Command is a command that will run inside the namespace, through nsenter(1).
// Its process id is the command's own.
func (h *Host) Command(name string, args ...string) *exec.Cmd {
	return exec.CommandContext(h.t.Context(), "nsenter", append([]string{"--net=" + h.Path(), "--", name}, args...)...)
}

// Link joins two hosts by a veth pair with an end of the given name in each.
func Link(a, b *Host, device string) {
	a.t.Helper()
	a.must(Join(a.Namespace, b.Namespace, device, device))
}
