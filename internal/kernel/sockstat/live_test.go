package sockstat_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"portrange/internal/host"
	"portrange/internal/kernel/sockstat"
	"portrange/internal/nettest"
)

var (
	at4 = netip.MustParseAddrPort("127.0.0.1:80")
	at6 = netip.MustParseAddrPort("[::1]:80")
)

// busyHost has a bit of everything: 3 idle, 2 listening, 8 connected, 4 in
// TIME_WAIT, 1 closed FIN_WAIT_2, UDP and raw sockets.
func busyHost(t *testing.T) *nettest.Host {
	t.Helper()
	h := nettest.New(t)
	listener := must(t)(h.Listen(nettest.TCP4, at4))
	must(t)(h.Listen(nettest.TCP6, at6, nettest.V6Only(true)))
	dial4 := func() (*nettest.Socket, error) { return h.Connect(nettest.TCP4, at4) }
	if _, err := nettest.TimeWait(listener, 4, dial4); err != nil {
		t.Fatal(err)
	}
	client, _, err := nettest.FinWait2(listener, dial4)
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, _, err := nettest.Pair(listener, dial4); err != nil {
			t.Fatal(err)
		}
		must(t)(h.Bind(nettest.TCP4, netip.MustParseAddrPort("127.0.0.1:0")))
	}
	must(t)(h.Connect(nettest.UDP4, at4))
	must(t)(h.Connect(nettest.UDP6, at6))
	must(t)(h.Socket(nettest.RAW4))
	return h
}

func must(t *testing.T) func(*nettest.Socket, error) *nettest.Socket {
	return func(s *nettest.Socket, err error) *nettest.Socket {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

func read(t *testing.T, h *nettest.Host) sockstat.Stats {
	t.Helper()
	var stats sockstat.Stats
	err := h.Try(func() (err error) {
		stats, err = sockstat.Read()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return stats
}

func TestLiveCountsAreTheThreadsNamespace(t *testing.T) {
	busy, idle := read(t, busyHost(t)), read(t, nettest.New(t))
	if busy.TimeWait != 5 || busy.UDP != (sockstat.Families{IPv4: 1, IPv6: 1}) || busy.Raw != (sockstat.Families{IPv4: 1}) {
		t.Errorf("busy: %+v", busy)
	}
	if idle.TimeWait != 0 || idle.Established != 0 || idle.TCP != (sockstat.Families{}) || idle.UDP != (sockstat.Families{}) {
		t.Errorf("idle: %+v", idle)
	}
}

// TestLiveAgreesWithSS compares what belongs to the namespace; other tests of
// the machine change the rest from one moment to the next.
func TestLiveAgreesWithSS(t *testing.T) {
	h := busyHost(t)
	out, err := h.Command("ss", "-s").Output()
	if err != nil {
		t.Fatal(err)
	}
	got := read(t, h).Totals()
	lines := strings.Split(string(out), "\n")

	var total, established, timeWait, ignored int
	_, err = fmt.Sscanf(lines[1], "TCP: %d (estab %d, closed %d, orphaned %d, timewait %d)",
		&ignored, &established, &ignored, &ignored, &timeWait)
	if err != nil {
		t.Fatalf("%v: %q", err, lines[1])
	}
	if got.TCP.Established != established || got.TCP.TimeWait != timeWait {
		t.Errorf("TCP %+v, ss says %s", got.TCP, lines[1])
	}
	for i, want := range got.Transports {
		var line host.Transport
		if _, err := fmt.Sscan(lines[4+i], &line.Name, &line.Total, &line.IPv4, &line.IPv6); err != nil {
			t.Fatalf("%v: %q", err, lines[4+i])
		}
		line.Name = strings.ToLower(line.Name)
		if line != want {
			t.Errorf("%+v, ss says %s", want, lines[4+i])
		}
	}
	if _, err := fmt.Sscanf(lines[0], "Total: %d", &total); err != nil || total != got.Sockets {
		t.Errorf("%d sockets, ss says %s (%v)", got.Sockets, lines[0], err)
	}
}
