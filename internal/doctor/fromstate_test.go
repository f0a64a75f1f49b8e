package doctor

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"portrange/internal/boot"
	"portrange/internal/host"
	"portrange/internal/port"
)

// state is a look at two namespaces, the first of them the host's.
func state(at time.Time, overflows uint64, ids ...uint64) *host.State {
	s := &host.State{
		TakenAt: at, Kernel: "6.18", HostRange: &port.Range{Low: 15000, High: 64001}, HostNetNS: 1,
		Files: &host.Files{Max: 9}, TCP: &host.TCP{MaxOrphans: 8}, Cost: &host.ConnectCost{Ports: 4, Steps: []host.CostStep{{Share: 0.1, Took: time.Second}}},
	}
	settings := host.Settings{Range: port.Range{Low: 40000, High: 40199}, Reserved: &port.Set{}, HasStepWidth: true}
	for _, id := range ids {
		s.Namespaces = append(s.Namespaces, host.Namespace{
			ID: id, Settings: settings, TimeWait: &host.TimeWait{Overflows: overflows},
			Busiest: &host.ProcessFiles{Process: host.Process{PID: 7}, Ports: 3, Open: 5},
			Holds: []host.Hold{
				{Port: 40001, Proto: port.TCP, State: port.Listen}, {Port: 99, Proto: port.TCP, State: port.Listen},
				{Port: 40002, Proto: port.TCP, State: port.BoundInactive}, {Port: 40003, Proto: port.UDP, State: port.Close},
			},
			Takers: []host.Hold{{Port: 40004, Proto: port.TCP, State: port.Established}},
			Claims: []host.Claim{{Kind: host.SocketUnit, Who: "a.socket", Ports: &port.Set{}, Proto: port.TCP}},
		})
	}
	return s
}

func TestFactsOfOneLook(t *testing.T) {
	report := &boot.Report{}
	facts := FromStates(nil, state(time.Now(), 1, 1, 2), 1, report)
	own, other := &facts.Namespaces[0], &facts.Namespaces[1]
	if own.Boot != report || other.Boot != nil || own.Host != nil || *other.Host != (port.Range{Low: 15000, High: 64001}) {
		t.Errorf("boot %v and %v, host %v and %v", own.Boot, other.Boot, own.Host, other.Host)
	}
	if own.Earlier != nil || own.TimeWaitEarlier != nil || own.Process.Files.Open != 5 || own.Process.Ports != 3 || !own.HasStepWidth {
		t.Errorf("facts %+v", own)
	}
	if facts.Kernel != "6.18" || facts.Machine.Files.Max != 9 || facts.Machine.TCP.MaxOrphans != 8 || own.Cost.Steps[0].Took != time.Second {
		t.Errorf("of the machine: %+v", facts)
	}
	holds := []Hold{{Proto: port.TCP, Port: 40001, Listening: true}, {Proto: port.TCP, Port: 40004}, {Proto: port.UDP, Port: 40003}}
	if diff := cmp.Diff(holds, own.Holds); diff != "" {
		t.Errorf("holds (-want +got):\n%s", diff)
	}
	if c := own.Claims; len(c) != 1 || c[0].Code != SocketUnit || c[0].Who != "a.socket" || c[0].Proto != port.TCP {
		t.Errorf("claims %+v", c)
	}
}

// TestFactsOfTwoLooks has one namespace go between them and another one come.
func TestFactsOfTwoLooks(t *testing.T) {
	begin := time.Now()
	facts := FromStates(state(begin, 1, 1, 2), state(begin.Add(time.Minute), 5, 1, 3), 0, nil)
	if len(facts.Namespaces) != 2 {
		t.Fatalf("%d namespaces", len(facts.Namespaces))
	}
	stayed, gone := &facts.Namespaces[0], &facts.Namespaces[1]
	if stayed.Elapsed != time.Minute || stayed.Earlier.ID != 1 || stayed.TimeWaitEarlier.Overflows != 1 || stayed.TimeWait.Overflows != 5 {
		t.Errorf("stayed: %+v", stayed)
	}
	if gone.Now.ID != 2 || gone.Earlier != nil || gone.Elapsed != 0 || gone.TimeWait.Overflows != 1 {
		t.Errorf("gone: %+v", gone)
	}
}
