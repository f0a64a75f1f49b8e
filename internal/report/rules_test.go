package report_test

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"portrange/internal/host"
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
	doc := report.NewShow(state, rules.Pools(state))
	var out bytes.Buffer
	if err := report.WriteShow(&out, doc, 0, report.Style{Width: 80}); err != nil {
		t.Fatal(err)
	}
	golden(t, "full-pool-80.txt", out.String())
}

// TestDocumentsOfAState: what was read, how, and what was found where.
func TestDocumentsOfAState(t *testing.T) {
	state := fullOfTimeWait()
	state.TakenAt = state.TakenAt.Add(999 * time.Millisecond)
	state.Namespaces[0].Walk = &host.Walk{Restarts: 3, Skipped: 28000}
	state.Namespaces = append(state.Namespaces, state.Namespaces[0])
	state.Namespaces[1].ID, state.Namespaces[1].Name, state.Namespaces[1].Walk = 7, "lb2", nil
	found := rules.Pools(state)
	show, doctor := report.NewShow(state, found), report.NewDoctor(state.TakenAt, state, found)
	if show.Gaps == nil || doctor.Gaps == nil || !show.TakenAt.Equal(fullOfTimeWait().TakenAt) || !doctor.TakenAt.Equal(state.TakenAt) {
		t.Errorf("gaps %v and %v, taken at %v and %v", show.Gaps, doctor.Gaps, show.TakenAt, doctor.TakenAt)
	}
	for i, ns := range show.Namespaces {
		if examined := doctor.Namespaces[i]; ns.Walk != state.Namespaces[i].Walk || examined.Walk != ns.Walk || examined.NetNS != ns.NetNS || examined.Name != ns.Name || examined.Source != "bpf" {
			t.Errorf("shown %+v, examined %+v", ns, examined)
		}
		if len(ns.Findings) != len(found)/2 || ns.Findings[0].NetNS != ns.NetNS {
			t.Errorf("%s: findings %+v, want %d of its own", ns.Name, ns.Findings, len(found)/2)
		}
	}
	if len(doctor.Findings) != len(found) {
		t.Errorf("%d findings of %d", len(doctor.Findings), len(found))
	}
}
