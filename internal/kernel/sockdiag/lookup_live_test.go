package sockdiag_test

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"portrange/internal/kernel/sockdiag"
	"portrange/internal/nettest"
	"portrange/internal/port"
)

// TestLiveLookup: a connection has the inode that its process sees, and what is
// waiting for accept(), in TIME_WAIT or not there has none.
func TestLiveLookup(t *testing.T) {
	h := nettest.New(t)
	for kind, server := range map[nettest.Kind]netip.AddrPort{
		nettest.TCP4: netip.MustParseAddrPort("127.0.0.1:80"),
		nettest.TCP6: netip.MustParseAddrPort("[::1]:81"),
	} {
		listener, err := h.Listen(kind, server)
		if err != nil {
			t.Fatal(err)
		}
		dial := func() (*nettest.Socket, error) { return h.Connect(kind, server, nettest.Device("lo")) }
		gone, err := nettest.TimeWait(listener, 1, dial)
		if err != nil {
			t.Fatal(err)
		}
		client, err := dial()
		if err != nil {
			t.Fatal(err)
		}
		local, err := client.Local()
		if err != nil {
			t.Fatal(err)
		}
		var stat unix.Stat_t
		if err := unix.Fstat(client.FD(), &stat); err != nil {
			t.Fatal(err)
		}
		out := port.Tuple{Proto: port.TCP, Local: local.Addr(), Remote: server, Device: 1}
		expectInode(t, h, out, local.Port(), stat.Ino)
		expectInode(t, h, port.Tuple{Proto: port.TCP, Local: server.Addr(), Remote: local}, server.Port(), 0)
		expectInode(t, h, out, gone[0].Port(), 0)
		out.Device = 0
		expectInode(t, h, out, local.Port(), 0)
		// A listener would take this one.
		expectInode(t, h, port.Tuple{Proto: port.TCP, Local: server.Addr(), Remote: server}, server.Port(), 0)
	}
}

func expectInode(t *testing.T, h *nettest.Host, tuple port.Tuple, p uint16, want uint64) {
	t.Helper()
	h.Do(func() {
		lookup, err := sockdiag.New().Lookup()
		if err != nil {
			t.Error(err)
			return
		}
		defer lookup.Close()
		if got, err := lookup.Inode(tuple, p); err != nil || got != want {
			t.Errorf("%+v port %d: inode %d, %v, want %d", tuple, p, got, err, want)
		}
	})
}
