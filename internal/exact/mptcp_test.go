package exact

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"portrange/internal/collect"
	"portrange/internal/host"
	"portrange/internal/nettest"
)

// TestSubflows: an MPTCP connection with several subflows takes a port for each. The
// kernel binds those after the first to an address before it connects them
// (__mptcp_subflow_connect, net/mptcp/subflow.c), so that no connect() gets their
// ports. Two of them on different addresses may share one.
func TestSubflows(t *testing.T) {
	nettest.NeedRoot(t)
	h := nettest.New(t)
	h.Range(fixedRange.Low, fixedRange.High)
	h.Addr("10.1.0.1", "10.1.0.2", "10.1.0.3")
	for _, command := range []string{
		"mptcp limits set subflow 2",
		"mptcp endpoint add 10.1.0.2 dev lo subflow",
		"mptcp endpoint add 10.1.0.3 dev lo subflow",
	} {
		if out, err := h.Command("ip", strings.Fields(command)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", command, err, out)
		}
	}
	server := netip.MustParseAddrPort("10.1.0.1:1100")
	listener, err := h.Listen(nettest.MPTCP4, server)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		dial := func() (*nettest.Socket, error) { return h.Connect(nettest.MPTCP4, server) }
		client, _, err := nettest.Pair(listener, dial)
		if err != nil {
			t.Fatal(err)
		}
		if err := client.Send(); err != nil { // without an answer there are no more subflows
			t.Fatal(err)
		}
	}
	awaitSubflows(t, h, 10)
	expectGrants(t, h, server.Addr(), server, 85, 94, func() (*nettest.Socket, error) {
		return h.Connect(nettest.TCP4, server, nettest.NonBlock())
	})
}

// awaitSubflows waits for the kernel's work queue to open subflows from other addresses.
func awaitSubflows(t *testing.T, h *nettest.Host, want int) {
	t.Helper()
	collector, err := collect.Open(t.Context(), collect.Options{Source: collect.BPF}, host.WantSockets)
	if err != nil {
		t.Fatal(err)
	}
	defer collector.Close()
	found := 0
	for end := time.Now().Add(10 * time.Second); found < want && time.Now().Before(end); time.Sleep(time.Millisecond) {
		seen, err := look(t.Context(), collector, h.Namespace)
		if err != nil {
			t.Fatal(err)
		}
		found = 0
		for local, ports := range seen.State.Namespaces[0].Usage.Locals {
			if local.Addr != netip.MustParseAddr("10.1.0.1") {
				found += ports.CountIn(fixedRange.Set())
			}
		}
	}
	if found != want {
		t.Fatalf("%d subflows, want %d", found, want)
	}
}
