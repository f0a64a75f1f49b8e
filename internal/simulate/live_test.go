package simulate

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"portrange/internal/capacity"
	"portrange/internal/host"
	"portrange/internal/kernel/sockdiag"
	"portrange/internal/kernel/sysctl"
	"portrange/internal/port"
)

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("makes network namespaces, which takes root")
	}
}

// small are bounds of a run that takes about a second. Its pools hold some 1,080
// connections, whose peak spreads by 3 %.
var small = Bounds{Ports: 1200, Rate: 2500, Tuples: 2}

// TestLivePeakIsPredicted holds arithmetic and kernel together: for 20 random
// loads, from far below the half of their pool to above the wall.
func TestLivePeakIsPredicted(t *testing.T) {
	needRoot(t)
	random := rand.New(rand.NewPCG(7, 8))
	seen := map[StandIn]int{}
	for i := range uint64(20) {
		l := randomLoad(random)
		size := l.Rate / float64(l.Destinations) * (l.Hold + 60*l.ClientCloses*float64(1-l.TWReuse)) / (0.3 + random.Float64())
		r := port.Range{Low: 1024, High: uint16(min(1025+2*int(size/2), 65535))}
		result, err := Simulate(t.Context(), plan(t, l, r), small, i)
		if err != nil {
			t.Fatalf("%+v: %v", l, err)
		}
		seen[result.Run.Stands]++
		predicted, measured := result.Predicted, result.Measured
		if off := math.Abs(float64(measured.Peak-predicted.Peak)) / float64(predicted.Peak); off > 0.1 {
			t.Errorf("load %d: peak of %d ports, predicted %d: %.1f %% off\n%+v", i, measured.Peak, predicted.Peak, 100*off, result)
		}
		if measured.Looks < looks-1 || measured.Calls == 0 || measured.Connect.Calls != measured.Calls-measured.Failed {
			t.Errorf("load %d: measured %+v", i, measured)
		}
		if math.Abs(measured.Lost-predicted.Lost) > 0.05 {
			t.Errorf("load %d: %.3f of the calls failed, predicted %.3f\n%+v", i, measured.Lost, predicted.Lost, result)
		}
	}
	for _, stands := range []StandIn{NotNeeded, Kernel, Emulated} {
		if seen[stands] < 3 {
			t.Errorf("only %d loads with TIME_WAIT %s among them", seen[stands], stands)
		}
	}
}

func TestLiveSimulationLeavesTheHostAlone(t *testing.T) {
	needRoot(t)
	before, err := sysctl.Read()
	if err != nil {
		t.Fatal(err)
	}
	l := capacity.Load{Rate: 100, Hold: 1, ClientCloses: 1, Destinations: 1, Sources: 1, TWReuse: 1}
	if _, err := Simulate(t.Context(), plan(t, l, port.Range{Low: 20000, High: 20999}), small, 1); err != nil {
		t.Fatal(err)
	}
	after, err := sysctl.Read()
	if err != nil {
		t.Fatal(err)
	}
	if before.Range != after.Range || before.TWReuse != after.TWReuse || before.TWReuseDelay != after.TWReuseDelay {
		t.Errorf("settings were %+v and are %+v", before, after)
	}
}

func TestLiveSimulationEndsWithItsContext(t *testing.T) {
	needRoot(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	l := capacity.Load{Rate: 100, Hold: 1, Destinations: 1, Sources: 1}
	if result, err := Simulate(ctx, plan(t, l, port.DefaultRange), small, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("result %+v and %v, want %v", result, err, context.Canceled)
	}
	if costs, err := ConnectCost(ctx, MinCostPorts, Established); !errors.Is(err, context.Canceled) {
		t.Errorf("costs %+v and %v, want %v", costs, err, context.Canceled)
	}
}

func TestLivePrivateNamespace(t *testing.T) {
	needRoot(t)
	home := namespaceID(t)
	err := privately(func() error {
		if namespaceID(t) == home {
			t.Error("the namespace is the test's own")
		}
		settings, err := sysctl.Read()
		if err != nil {
			return err
		}
		if settings.Range != port.DefaultRange {
			t.Errorf("range %v in a fresh namespace", settings.Range)
		}
		var gaps host.Gaps
		sockets := sockdiag.New().Sockets(t.Context(), &gaps)
		for s := range sockets.All() {
			t.Errorf("a fresh namespace has the socket %+v", s)
		}
		if missed := gaps.List(); len(missed) > 0 {
			t.Errorf("gaps %+v", missed)
		}
		return sockets.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	if namespaceID(t) != home {
		t.Error("the thread has not come back")
	}
	failure := errors.New("failed inside")
	if err := privately(func() error { return failure }); !errors.Is(err, failure) {
		t.Errorf("error %v, want %v", err, failure)
	}
}

func namespaceID(t *testing.T) uint64 {
	var stat unix.Stat_t
	if err := unix.Stat(threadNetNS, &stat); err != nil {
		t.Fatal(err)
	}
	return stat.Ino
}

func TestLiveConnectCost(t *testing.T) {
	needRoot(t)
	for _, fill := range []Fill{Established, TimeWait} {
		costs, err := ConnectCost(t.Context(), 2000, fill)
		if err != nil {
			t.Fatalf("%s: %v", fill, err)
		}
		calls := 0
		for _, step := range costs.Steps {
			calls += step.Calls
		}
		if calls != 2000 || len(costs.Steps) != costSteps || costs.Failing.Calls != failingCalls || costs.Failing.P50 <= 0 {
			t.Errorf("%s: %d calls in %d steps, then %+v", fill, calls, len(costs.Steps), costs.Failing)
		}
	}
}

func TestConnectCostExplainsBadInput(t *testing.T) {
	for ports, want := range map[int]string{
		-2:    "measure connect() with -2 ports: want an even number from 1000 to 64000",
		999:   "measure connect() with 999 ports: want an even number from 1000 to 64000",
		10001: "measure connect() with 10001 ports: want an even number from 1000 to 64000",
		70000: "measure connect() with 70000 ports: want an even number from 1000 to 64000",
	} {
		if costs, err := ConnectCost(t.Context(), ports, TimeWait); err == nil || err.Error() != want {
			t.Errorf("costs %+v and %v, want the error %s", costs, err, want)
		}
	}
}

func TestConnectCostKeepsToTheFileLimit(t *testing.T) {
	files, err := openFiles()
	if err != nil {
		t.Fatal(err)
	}
	ports := files + 2 - files%2
	if ports > MaxCostPorts {
		ports = MaxCostPorts
		lowerFileLimit(t, uint64(ports))
	}
	costs, err := ConnectCost(t.Context(), max(ports, MinCostPorts), Established)
	if err == nil || !strings.Contains(err.Error(), "ulimit -n") {
		t.Errorf("costs %+v and %v, want an error that names the limit of open files", costs, err)
	}
}

func lowerFileLimit(t *testing.T, files uint64) {
	t.Helper()
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: files, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
			t.Error(err)
		}
	})
}

func TestExplainUnshare(t *testing.T) {
	if err := explainUnshare(unix.EPERM); !strings.HasSuffix(err.Error(), "run as root or with CAP_SYS_ADMIN") {
		t.Errorf("%v does not say what to do", err)
	}
	if err := explainUnshare(unix.ENOSPC); strings.Contains(err.Error(), "root") || !errors.Is(err, unix.ENOSPC) {
		t.Errorf("%v is about something else", err)
	}
}
