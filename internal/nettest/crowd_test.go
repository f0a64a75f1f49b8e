package nettest_test

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"portrange/internal/nettest"
)

func TestCrowdIsEstablishedAndConnectHeld(t *testing.T) {
	h := nettest.New(t)
	h.Range(20000, 21999)
	crowd := h.Crowd(5000, nettest.CrowdOptions{Destinations: 5})

	out, err := h.Command("ss", "-Htan").Output()
	if err != nil {
		t.Fatal(err)
	}
	byRemote := map[string]int{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if fields[0] != "ESTAB" {
			t.Fatalf("unexpected state in %q", line)
		}
		byRemote[fields[4]]++
	}
	for i := range 5 {
		remote := fmt.Sprintf("127.1.0.%d:8080", i+1)
		if byRemote[remote] != 1000 {
			t.Errorf("%s has %d sockets, want 1000", remote, byRemote[remote])
		}
	}
	for _, pid := range crowd.PIDs() {
		if _, err := os.Stat(fmt.Sprintf("/proc/%d/fd", pid)); err != nil {
			t.Errorf("helper: %v", err)
		}
	}
	// A bind-held port would be withheld from this connect().
	_, err = h.Connect(nettest.TCP4, netip.MustParseAddrPort("127.2.0.1:80"),
		nettest.LocalRange(20000, 20000), nettest.NonBlock())
	if err != nil {
		t.Errorf("connect from a port of the crowd: %v", err)
	}
}

func TestCrowdTooLargeForRange(t *testing.T) {
	h := nettest.New(t)
	h.Range(20000, 20099)
	if _, err := h.StartCrowd(101, nettest.CrowdOptions{}); err == nil || !strings.Contains(err.Error(), "cannot assign requested address") {
		t.Errorf("101 sockets to one destination from 100 ports: %v", err)
	}
}
