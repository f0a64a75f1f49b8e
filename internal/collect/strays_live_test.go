package collect_test

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"portrange/internal/collect"
	"portrange/internal/host"
	"portrange/internal/nettest"
)

// aloneEnv tells a test that no process but its own can be seen.
const aloneEnv = "COLLECT_TEST_ALONE"

// straySources are the sources that find owners without a gap: /proc may show a
// process of which even root cannot read what it has open.
func straySources() []collect.Source {
	if os.Getenv(aloneEnv) == "" {
		return []collect.Source{collect.BPF}
	}
	return []collect.Source{collect.BPF, collect.Netlink}
}

// TestLiveStraysAlone runs the other tests of this file where no other process is.
func TestLiveStraysAlone(t *testing.T) {
	nettest.NeedRoot(t)
	alone := exec.CommandContext(t.Context(), "unshare", "--pid", "--fork", "--mount-proc",
		os.Args[0], "-test.v", "-test.run=^(TestLiveStrays|TestLiveChurnLeavesNoStrays)$")
	alone.Env = append(os.Environ(), aloneEnv+"=1")
	out, err := alone.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "PASS: TestLiveStrays/in_flight") {
		t.Errorf("%v\n%s", err, out)
	}
}

// away takes sockets away from the descriptors of this process until the test ends.
func away(t *testing.T, how func(*nettest.Socket) (func() error, error), sockets ...*nettest.Socket) {
	t.Helper()
	for _, s := range sockets {
		release, err := how(s)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := release(); err != nil {
				t.Error(err)
			}
		})
	}
}

// ownerGaps are what a look says of missing owners, and what a list of sockets says.
func ownerGaps(t *testing.T, source collect.Source, h *nettest.Host) (look, list []host.Gap) {
	t.Helper()
	other := func(gap host.Gap) bool { return gap.Part != host.PartOwners }
	look = lookAt(t, source, h.Path(), host.WantSockets|host.WantOwners).Gaps
	collector, err := collect.Open(t.Context(), collect.Options{Source: source}, host.WantRows|host.WantOwners)
	if err != nil {
		t.Fatal(err)
	}
	defer collector.Close()
	targets, _, err := collect.Targets(t.Context(), h.Path())
	if err != nil {
		t.Fatal(err)
	}
	var gaps host.Gaps
	stream := collector.Rows(t.Context(), targets, &gaps)
	for range stream.All() {
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(look, other), slices.DeleteFunc(gaps.List(), other)
}

// TestLiveStrays: connections that are open and in no process's descriptors are
// told, in number, one that was shut down among them; those that closed, wait for
// accept() or linger are not.
func TestLiveStrays(t *testing.T) {
	ways := map[string]func(*nettest.Socket) (func() error, error){
		"fixed files of io_uring": (*nettest.Socket).MoveToRing,
		"in flight":               (*nettest.Socket).SendAway,
		"none":                    nil,
	}
	for name, how := range ways {
		t.Run(name, func(t *testing.T) {
			h := nettest.New(t)
			h.Sysctl("net.ipv4.tcp_fin_timeout", "120") // above 60 s an orphan stays a full socket
			listener := must(h.Listen(nettest.TCP4, server))(t)
			dial := func() (*nettest.Socket, error) { return h.Connect(nettest.TCP4, server) }
			if _, err := nettest.TimeWait(listener, 3, dial); err != nil {
				t.Fatal(err)
			}
			orphan, _, err := nettest.FinWait2(listener, dial)
			if err != nil {
				t.Fatal(err)
			}
			if err := orphan.Close(); err != nil {
				t.Fatal(err)
			}
			var sockets []*nettest.Socket
			for range 2 {
				sockets = append(sockets, must(dial())(t)) // its other end waits for accept()
			}
			shut := must(dial())(t)
			if err := errors.Join(shut.CloseWrite(), shut.AwaitState(unix.BPF_TCP_FIN_WAIT2)); err != nil {
				t.Fatal(err)
			}
			sockets = append(sockets, shut)
			must(dial())(t) // stays where it is
			if how == nil {
				sockets = nil
			}
			away(t, how, sockets...)
			for _, source := range straySources() {
				look, list := ownerGaps(t, source, h)
				for _, gaps := range [][]host.Gap{look, list} {
					expectStrays(t, gaps, h.ID(), len(sockets))
				}
			}
		})
	}
}

func expectStrays(t *testing.T, gaps []host.Gap, netns uint64, want int) {
	t.Helper()
	if want == 0 {
		if len(gaps) > 0 {
			t.Errorf("gaps %+v, want none", gaps)
		}
		return
	}
	if len(gaps) != 1 || gaps[0].NetNS != netns || !strings.Contains(gaps[0].Why, ": 3;") {
		t.Errorf("gaps %+v, want one about 3 connections of namespace %d", gaps, netns)
	}
}

// TestLiveChurnLeavesNoStrays: what opens and closes while looks are taken belongs to
// this process all the time, and no look says otherwise.
func TestLiveChurnLeavesNoStrays(t *testing.T) {
	h := nettest.New(t)
	h.Range(40000, 40099) // so few that ports come back at once
	must(h.Listen(nettest.TCP4, server))(t)
	begun, stop, opened := make(chan struct{}), make(chan struct{}), make(chan int)
	go h.Do(func() { // inside for good: a thread that comes and goes would lend the host its name
		close(begun)
		opened <- churn(h, stop)
	})
	<-begun
	defer func() {
		close(stop)
		t.Logf("%d connections opened meanwhile", <-opened)
	}()
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
		for _, source := range straySources() {
			look, list := ownerGaps(t, source, h)
			expectStrays(t, append(look, list...), h.ID(), 0)
		}
	}
}

// churn opens connections and closes those from before, until it is to stop.
func churn(h *nettest.Host, stop <-chan struct{}) (opened int) {
	var open [50]*nettest.Socket
	for ; ; opened++ {
		select {
		case <-stop:
			return opened
		default:
		}
		at := opened % len(open)
		if open[at] != nil {
			_ = open[at].Reset()
		}
		open[at], _ = h.Connect(nettest.TCP4, server, nettest.NonBlock())
	}
}
