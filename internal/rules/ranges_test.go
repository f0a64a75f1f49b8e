package rules

import (
	"strings"
	"testing"

	"portrange/internal/finding"
	"portrange/internal/port"
)

// onDefault has so many connections in the kernel's default range.
func onDefault(n int) *patient {
	return healthy().set(as(32768, 60999)).with(crowd(33000, n, "10.0.0.2", "10.0.0.5:80")...)
}

// beside gives the host a range.
func (p *patient) beside(low, high uint16) *patient {
	p.Now.HostRange = &port.Range{Low: low, High: high}
	return p
}

func rangeSymptoms() map[string]symptom {
	return map[string]symptom{
		"range-narrow": {
			healthy().with(clients(25)...), onDefault(0), finding.Warning, []string{"100 ports, 28,132 fewer", "of 28,232", "10.0.0.5:80, has 75 of 100 left"}},
		"range-default-busy": {onDefault(7058), onDefault(7057), finding.Info, []string{"28,232 ports", "21,174 of 28,232 left"}},
		"same-parity":        {healthy().set(as(40000, 40100)), healthy(), finding.Info, []string{"101 ports"}},
		"other-range": {
			healthy().beside(15000, 64001), healthy().beside(40000, 40099), finding.Info,
			[]string{"40000 40099 (100 ports)", "15000 64001 (49,002 ports)"}},
	}
}

func TestEdgesOfRanges(t *testing.T) {
	busy := func(n int) *patient { return healthy().with(clients(n)...) }
	severities(t, "range-narrow", map[*patient]finding.Severity{
		busy(0): finding.Info, busy(24): finding.Info, busy(25): finding.Warning,
		healthy().set(as(32768, 60998)): finding.Info, healthy().set(as(32768, 60999)): "", healthy().set(as(32769, 61000)): ""})
	severities(t, "range-default-busy", map[*patient]finding.Severity{
		onDefault(7057): "", onDefault(7058): finding.Info, onDefault(14115): finding.Info, onDefault(14116): finding.Warning,
		healthy().set(as(32768, 61000)).with(crowd(33000, 14116, "10.0.0.2", "10.0.0.5:80")...): ""})
	severities(t, "same-parity", map[*patient]finding.Severity{
		healthy().set(as(40001, 40099)): finding.Info, healthy().set(as(40001, 40100)): "", healthy().set(as(40000, 40000)): ""})
	severities(t, "other-range", map[*patient]finding.Severity{
		busy(49).beside(40000, 40100): finding.Info, busy(50).beside(40000, 40100): finding.Warning, busy(50).beside(50000, 50099): finding.Info,
		busy(100).beside(40000, 40098): finding.Info, busy(50): ""})
}

func TestARangeAsLargeAsTheHostsIsTakenForMeant(t *testing.T) {
	for high, want := range map[uint16]int{50099: 0, 50100: 1} {
		found := find(examine(healthy().beside(50000, high)), "other-range")
		if len(found) != 1 || len(commandsOf(&found[0])) != want {
			t.Errorf("the host's range ends at %d: %v, want %d commands", high, found, want)
		}
	}
}

// commandsOf are the commands that a finding advises, word for word.
func commandsOf(f *finding.Finding) []string {
	var commands []string
	for _, action := range f.Actions {
		if len(action.Command) > 0 {
			commands = append(commands, action.Command.String())
		}
	}
	return commands
}

// textOf is all that the actions of a finding say.
func textOf(actions []finding.Action) string {
	var b strings.Builder
	for _, action := range actions {
		b.WriteString(string(action.Step) + ": " + action.Command.String() + " " + action.Text + "\n")
	}
	return b.String()
}

func TestAWiderRangeThanTheHostsIsNotTakenBack(t *testing.T) {
	p := healthy().set(as(15000, 64001)).beside(32768, 60999)
	found := find(examine(p), "other-range")
	if len(found) != 1 || found[0].Severity != finding.Info || len(commandsOf(&found[0])) > 0 ||
		!strings.Contains(textOf(found[0].Actions), `ip_local_port_range="15000 64001"`) {
		t.Errorf("findings %v, want one that keeps 15000 64001", found)
	}
}

func TestANamespaceWithoutSocketsNeedsNoOtherRange(t *testing.T) {
	for name, tt := range map[string]struct {
		sockets []*port.Socket
		want    int
	}{
		"nothing":      {nil, 0},
		"a connection": {crowd(33000, 1, "10.0.0.2", "10.0.0.5:80"), 1},
		"a listener":   {crowd(80, 1, "0.0.0.0", "0.0.0.0:0", listens), 1},
		"UDP":          {crowd(33000, 1, "10.0.0.2", "10.0.0.5:53", udp), 1},
	} {
		p := healthy().set(as(32768, 60999)).with(tt.sockets...).beside(15000, 64001)
		if found := find(examine(p), "other-range"); len(found) != tt.want {
			t.Errorf("%s: %d findings, want %d", name, len(found), tt.want)
		}
	}
}

func TestAdviceWidensOnlyWhatIsNarrow(t *testing.T) {
	advice := func(now port.Range) string {
		p := healthy().set(as(now.Low, now.High)).with(crowd(int(now.Low), now.Size(), "10.0.0.2", "10.0.0.5:80")...)
		found := find(examine(p), "pool-full")
		return textOf(found[0].Actions)
	}
	for now, want := range map[port.Range]string{
		port.DefaultRange:         "portrange set 15000 64001 --reserve ",
		{Low: 20000, High: 65535}: "portrange set 15000 65535 ",
	} {
		if got := advice(now); !strings.Contains(got, want) {
			t.Errorf("%v: %q, want %q in it", now, got, want)
		}
	}
	if got := advice(port.Range{Low: 1024, High: 65535}); strings.Contains(got, "portrange set") || !strings.Contains(got, "add a source address") {
		t.Errorf("nothing to widen: %q", got)
	}
}

// TestACommandOfTheHostLasts keeps a change of the host's own namespace.
func TestACommandOfTheHostLasts(t *testing.T) {
	for name, tt := range map[string]struct{ ref, name, want string }{
		"the host":               {"", "host", "portrange set 15000 64001 --reserve --persist"},
		"the host, from a pod":   {"host", "host", "portrange set 15000 64001 --reserve --netns host"},
		"a pod, from itself":     {"", "web (7)", "portrange set 15000 64001 --reserve"},
		"a pod, from the host's": {"/proc/7/ns/net", "web (7)", "portrange set 15000 64001 --reserve --netns /proc/7/ns/net"},
	} {
		p := healthy().with(clients(100)...)
		p.ns().Ref, p.ns().Name = tt.ref, tt.name
		found := find(examine(p), "pool-full")
		if got := commandsOf(&found[0]); len(got) == 0 || got[0] != tt.want {
			t.Errorf("%s: %q, want %q first", name, got, tt.want)
		}
	}
}

// TestAdviceFitsWhatFillsThePool does not ask for connections to be reused where
// none of them ends.
func TestAdviceFitsWhatFillsThePool(t *testing.T) {
	for name, tt := range map[string]struct {
		sockets []*port.Socket
		want    string
		not     string
	}{
		"all open":      {clients(100), "an idle timeout", "keep-alive"},
		"one TIME_WAIT": {append(clients(99), crowd(40099, 1, "10.0.0.2", "10.0.0.5:80", waits)...), "keep-alive", "an idle timeout"},
	} {
		got := textOf(find(examine(healthy().with(tt.sockets...)), "pool-full")[0].Actions)
		if !strings.Contains(got, tt.want) || strings.Contains(got, tt.not) {
			t.Errorf("%s: %q, want %q in it and not %q", name, got, tt.want, tt.not)
		}
	}
}
