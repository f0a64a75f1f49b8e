package report_test

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"portrange/internal/capacity"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/port"
	"portrange/internal/report"
	"portrange/internal/simulate"
)

// makePlan plans a load of one destination, without keep-alive, over the default
// range with something in it.
func makePlan(t *testing.T, rate float64) *capacity.Plan {
	t.Helper()
	ports := judge.PlainPorts(port.DefaultRange)
	ports.Reserved.AddRange(40000, 40009)
	for _, p := range []uint16{9100, 33000} {
		ports.BindHeld.Add(p)
		ports.Listening.Add(p)
	}
	load := capacity.Load{Rate: rate, Hold: 0.25, ClientCloses: 1, Destinations: 1, Sources: 1, TWReuse: 2, TWReuseDelayMS: 1000}
	plan, err := capacity.Make(load, ports, 0.999)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func someResult() *simulate.Result {
	return &simulate.Result{
		Run: simulate.Run{
			TimeScale: 0.05, PortScale: 0.25, Tuples: 1, TupleRate: 2500, Hold: 0.0125, Lingers: 3, Low: 32768, High: 39823,
			Usable: 7056, Stands: simulate.Emulated,
		},
		Predicted: simulate.Prediction{Peak: 7056, PeakLow: 7056, PeakHigh: 7056, Lost: 0.065},
		Measured: simulate.Measured{
			Peak: 7056, Looks: 10, Calls: 7500, Failed: 495, Lost: 0.066, Pace: 0.8,
			Connect: simulate.Latency{Calls: 7005, P50: 38.2, P90: 410, P99: 1234, Max: 20_500},
			Failing: simulate.Latency{Calls: 495, P50: 700, P90: 800, P99: 900, Max: 1000},
		},
	}
}

func someLive(t *testing.T) *report.LivePlan {
	t.Helper()
	tuple := func(remote string) port.Tuple {
		return port.Tuple{Proto: port.TCP, Local: netip.MustParseAddr("10.0.0.2"), Remote: netip.MustParseAddrPort(remote)}
	}
	live := &report.LivePlan{
		SchemaVersion: report.SchemaVersion, Gaps: []host.Gap{},
		Live: &capacity.Live{NetNS: 4026531840, Name: "host", Elapsed: 30, Samples: 31, Opened: 9500, Seen: 9006, Tuples: []capacity.Observed{
			{Tuple: tuple("10.0.0.5:8080"), Local: "10.0.0.2", Remote: "10.0.0.5:8080", New: 9000, Rate: 300, Open: 75, TimeWait: 17000, Hold: 0.25, ByClient: 8900, ByServer: 100},
			{Tuple: tuple("10.0.0.6:443"), Local: "10.0.0.2", Remote: "10.0.0.6:443", New: 6, Rate: 0.2, Open: 2, Hold: 10},
			{Tuple: tuple("10.0.0.7:5432"), Local: "10.0.0.2", Remote: "10.0.0.7:5432", Open: 40},
		}},
	}
	settings := &host.Settings{TWReuse: 2, TWReuseDelay: time.Second, Timestamps: 1}
	for i := range live.Tuples {
		o := &live.Tuples[i]
		if o.New == 0 {
			continue
		}
		var err error
		if o.Plan, err = capacity.Make(o.Load(settings), judge.PlainPorts(port.DefaultRange), 0.999); err != nil {
			t.Fatal(err)
		}
	}
	return live
}

func someCosts() *report.Costs {
	costs := &simulate.ConnectCosts{Ports: 4000, Fill: simulate.TimeWait, Failing: simulate.Latency{Calls: 50, P50: 900, P90: 1000, P99: 1100, Max: 1100}}
	for i := range 4 {
		latency := simulate.Latency{Calls: 1000, P50: 20, P90: 30, P99: 90, Max: 250}
		if i > 1 {
			latency.P50, latency.P90 = 700, 850
		}
		costs.Steps = append(costs.Steps, simulate.Cost{From: float64(i) / 4, To: float64(i+1) / 4, Latency: latency})
	}
	return &report.Costs{SchemaVersion: report.SchemaVersion, Kernel: "6.18.44", Costs: []*simulate.ConnectCosts{costs}}
}

func writePlan(t *testing.T, doc *report.Plan, style report.Style) string {
	t.Helper()
	var out bytes.Buffer
	if err := report.WritePlan(&out, doc, style); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestPlanText(t *testing.T) {
	for name, rate := range map[string]float64{"plan-fits.txt": 100, "plan-slow.txt": 300, "plan-short.txt": 500} {
		golden(t, name, writePlan(t, &report.Plan{Plan: makePlan(t, rate)}, report.Style{}))
	}
	golden(t, "plan-simulated.txt", writePlan(t, &report.Plan{Plan: makePlan(t, 500), Simulation: someResult()}, report.Style{}))
}

func TestPlanTextNamesTheNamespace(t *testing.T) {
	for rate, wanted := range map[float64][]string{
		250: {" --reserve --netns lb1`", "`portrange reserve add 33000,61005 --netns lb1`"},
		300: {"`ip netns exec lb1 sysctl -w net.ipv4.tcp_tw_reuse=1`"},
	} {
		plan := makePlan(t, rate)
		plan.Ports.Listening.Add(61005)
		plan, err := capacity.Make(plan.Load, plan.Ports, plan.Confidence)
		if err != nil {
			t.Fatal(err)
		}
		text := writePlan(t, &report.Plan{Plan: plan, Ref: "lb1"}, report.Style{})
		for _, want := range wanted {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in\n%s", want, text)
			}
		}
	}
}

func TestPlanTextFitsATerminal(t *testing.T) {
	text := writePlan(t, &report.Plan{Plan: makePlan(t, 300), Simulation: someResult()}, report.Style{Width: 80})
	for line := range strings.Lines(text) {
		if n := len([]rune(strings.TrimRight(line, "\n"))); n > 80 {
			t.Errorf("a line of %d columns: %s", n, line)
		}
	}
}

func TestPlanTextOfOtherLoads(t *testing.T) {
	for want, edit := range map[string]func(*capacity.Load){
		"the server closes first":                                  func(l *capacity.Load) { l.ClientCloses = 0 },
		"held    250 ms by each connection: as long as it is open": func(l *capacity.Load) { l.ClientCloses = 0 },
		"the client closes 40.0% of them first":                    func(l *capacity.Load) { l.ClientCloses = 0.4 },
		"250 ms open, and 40.0% of them 60 s in TIME_WAIT":         func(l *capacity.Load) { l.ClientCloses = 0.4 },
		"1 s until tcp_tw_reuse may take it over":                  func(l *capacity.Load) { l.TWReuse = 1 },
		"60 s in TIME_WAIT, as tcp_tw_reuse does nothing without":  func(l *capacity.Load) { l.TWReuse, l.NoTimestamps = 1, true },
		"250 ms open, 60 s in TIME_WAIT\n":                         func(l *capacity.Load) { l.TWReuse, l.NoTimestamps = 2, true },
		"6: 2 destinations from 3 sources; 16.7/s each":            func(l *capacity.Load) { l.Destinations, l.Sources = 2, 3 },
		"each open for 1 s;":                                       func(l *capacity.Load) { l.Hold = 0.9996 },
		"each open for 999 ms;":                                    func(l *capacity.Load) { l.Hold = 0.999 },
		"each open for 25 µs;":                                     func(l *capacity.Load) { l.Hold = 25e-6 },
		"each open for 1 ns;":                                      func(l *capacity.Load) { l.Hold = 1e-9 },
	} {
		load := makePlan(t, 100).Load
		edit(&load)
		plan, err := capacity.Make(load, judge.PlainPorts(port.DefaultRange), 0.9)
		if err != nil {
			t.Fatal(err)
		}
		if text := writePlan(t, &report.Plan{Plan: plan}, report.Style{}); !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestNoSingleChangeIsEnough(t *testing.T) {
	plan := makePlan(t, 500)
	for i := range plan.Levers {
		plan.Levers[i].Fit, plan.Levers[i].Fast = &capacity.Change{}, &capacity.Change{}
	}
	if text := writePlan(t, &report.Plan{Plan: plan}, report.Style{}); !strings.Contains(text, "No single change is enough; combine them.") {
		t.Errorf("no closing word in\n%s", text)
	}
}

func TestLivePlanText(t *testing.T) {
	for name, limit := range map[string]int{"plan-live.txt": 0, "plan-live-2.txt": 2} {
		var out bytes.Buffer
		if err := report.WriteLivePlan(&out, someLive(t), limit, report.Style{}); err != nil {
			t.Fatal(err)
		}
		golden(t, name, out.String())
	}
	var out bytes.Buffer
	quiet := &report.LivePlan{Live: &capacity.Live{Name: "host", Elapsed: 1, Samples: 6}}
	if err := report.WriteLivePlan(&out, quiet, 0, report.Style{}); err != nil {
		t.Fatal(err)
	}
	want := "Measured in network namespace host for 1 s, 6 samples: 0 connections opened\nNo connection used a port of the range.\n"
	if out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}

func TestWorstNeedsTheLargestShare(t *testing.T) {
	live := someLive(t)
	slices.Reverse(live.Tuples)
	if worst := live.Worst(); worst == nil || worst.Remote != "10.0.0.5:8080" {
		t.Errorf("worst is %+v", worst)
	}
	if worst := (&report.LivePlan{Live: &capacity.Live{Tuples: live.Tuples[:1]}}).Worst(); worst != nil {
		t.Errorf("worst of tuples without plans is %+v", worst)
	}
}

func TestCostsText(t *testing.T) {
	var out bytes.Buffer
	if err := report.WriteCosts(&out, someCosts(), report.Style{}); err != nil {
		t.Fatal(err)
	}
	golden(t, "plan-probe.txt", out.String())
}

func TestPlanJSON(t *testing.T) {
	for name, document := range map[string]any{
		"plan.json":       &report.Plan{SchemaVersion: report.SchemaVersion, Plan: makePlan(t, 500), Simulation: someResult(), Gaps: []host.Gap{}},
		"plan-live.json":  someLive(t),
		"plan-probe.json": someCosts(),
	} {
		var out bytes.Buffer
		if err := report.WriteJSON(&out, document); err != nil {
			t.Fatal(err)
		}
		golden(t, name, out.String())
	}
}

// TestPlanFieldsAreDocumented compares what is printed with what is documented.
func TestPlanFieldsAreDocumented(t *testing.T) {
	plan := &report.Plan{SchemaVersion: 1, Plan: makePlan(t, 500), Simulation: someResult(), Gaps: []host.Gap{{Part: "x", Object: "o", NetNS: 1, Why: "y"}}}
	live := someLive(t)
	live.Gaps = plan.Gaps
	for command, document := range map[string]any{"plan": plan, "plan --from-live": live, "plan --probe": someCosts()} {
		var out bytes.Buffer
		if err := report.WriteJSON(&out, document); err != nil {
			t.Fatal(err)
		}
		var value any
		if err := json.Unmarshal(out.Bytes(), &value); err != nil {
			t.Fatal(err)
		}
		printed := map[string]bool{}
		leaves(value, "", printed)
		checkDocumented(t, command, printed)
	}
}

func checkDocumented(t *testing.T, command string, printed map[string]bool) {
	t.Helper()
	at := slices.IndexFunc(report.Documents(), func(d report.Document) bool { return d.Command == command })
	if at < 0 {
		t.Fatalf("%s --json is not documented", command)
	}
	documented := map[string]bool{}
	for _, field := range report.Documents()[at].Fields {
		documented[field.Path] = true
	}
	var missing []string
	for path := range printed {
		if command == "plan --from-live" && strings.HasPrefix(path, "tuples[].plan.") {
			continue // as documented for plan
		}
		if !documented[path] {
			missing = append(missing, path)
		}
	}
	slices.Sort(missing)
	if diff := cmp.Diff([]string(nil), missing); diff != "" {
		t.Errorf("%s: fields without a documentation:\n%s", command, diff)
	}
	for path := range documented {
		isParent := func(other string) bool { return strings.HasPrefix(other, path+".") || strings.HasPrefix(other, path) }
		if !printed[path] && !slices.ContainsFunc(slices.Collect(mapKeys(printed)), isParent) {
			t.Errorf("%s: %s is documented, and not there", command, path)
		}
	}
}

func mapKeys(set map[string]bool) func(func(string) bool) {
	return func(yield func(string) bool) {
		for key := range set {
			if !yield(key) {
				return
			}
		}
	}
}
