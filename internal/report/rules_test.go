package report_test

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/port"
	"portrange/internal/report"
	"portrange/internal/rules"
)

// fullOfTimeWait is a namespace whose only destination has no port left, mostly
// for connections in TIME_WAIT.
func fullOfTimeWait() *host.State {
	settings := host.Settings{
		Range: port.Range{Low: 40000, High: 40999}, Reserved: &port.Set{}, UnprivilegedStart: 1024,
		TWReuseDelay: time.Second, HasTWReuseDelay: true, Timestamps: 1, MaxTWBuckets: 262144, FinTimeout: time.Minute,
	}
	ns := host.Namespace{ID: 4026532450, Name: "lb1", Ref: "lb1", Source: "bpf", Settings: settings, Usage: host.NewUsage(settings), Holdings: host.NewHoldings(settings.Range.Set())}
	for p := settings.Range.Low; p <= settings.Range.High; p++ {
		s := &port.Socket{
			Proto: port.TCP, State: port.TimeWait, Mini: true, Stamped: true, Hold: port.ConnectHeld,
			Local: netip.AddrPortFrom(netip.MustParseAddr("10.0.0.2"), p), Remote: netip.MustParseAddrPort("10.0.0.5:8080"),
		}
		if p%100 == 0 {
			s.State, s.Mini = port.Established, false
			ns.Holdings.Add(&host.Holder{Socket: *s, Process: host.Process{PID: 812, Command: "nginx"}, NetNS: ns.ID})
		}
		ns.Usage.Add(s)
	}
	return &host.State{TakenAt: time.Date(2026, 11, 22, 20, 43, 44, 0, time.UTC), Host: "lb1", Kernel: "6.18.44", Namespaces: []host.Namespace{ns}}
}

// TestAFullPoolFromTheRules prints what the rules say of a full pool: one block,
// and what to do first at the end.
func TestAFullPoolFromTheRules(t *testing.T) {
	state := fullOfTimeWait()
	doc := &report.Show{
		SchemaVersion: report.SchemaVersion, TakenAt: state.TakenAt, Host: state.Host, Kernel: state.Kernel,
		Namespaces: report.NewNamespaces([]judge.Verdict{judge.Namespace(&state.Namespaces[0])}, rules.Pools(state)), Gaps: []host.Gap{},
	}
	var out bytes.Buffer
	if err := report.WriteShow(&out, doc, 0, report.Style{Width: 80}); err != nil {
		t.Fatal(err)
	}
	golden(t, "full-pool-80.txt", out.String())
}
