package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"portrange/internal/boot"
	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/port"
)

func TestAHealthyNamespaceHasNothing(t *testing.T) {
	p := healthy().set(as(15000, 64001)).with(crowd(20000, 100, "10.0.0.2", "10.0.0.5:80")...).beside(15000, 64001)
	p.Now.Features = host.Features{SocketRange: host.Yes, WholeSearch: host.Yes, RCULookup: host.No, BucketRecalculation: host.No}
	if found := examine(p); len(found) != 0 {
		t.Errorf("findings %v, want none", codesOf(found))
	}
	if found := examine(healthy().set(as(32768, 60999))); len(found) != 0 {
		t.Errorf("findings %v of an empty namespace, want none", codesOf(found))
	}
	if found := Examine(&Facts{Now: &host.State{}}); found == nil || len(found) != 0 {
		t.Errorf("findings of no namespace %#v, want an empty list", found)
	}
}

// TestNoAlarmOnAQuietMachine holds what a fresh system shows: little memory, and
// thereby few slots for timewait sockets, and a container with a range of its own.
func TestNoAlarmOnAQuietMachine(t *testing.T) {
	quiet := func() *patient {
		p := healthy().set(func(s *host.Settings) { s.Range, s.MaxTWBuckets = port.Range{Low: 15000, High: 64001}, 4096 }).
			with(crowd(20000, 3, "10.0.0.2", "10.0.0.5:80", waits)...)
		p.ns().TimeWait = &host.TimeWait{Sockets: 3}
		return p
	}
	if found := examine(quiet()); len(found) != 0 {
		t.Errorf("findings %v, want none", codesOf(found))
	}
	p := quiet().booted(boot.Setting{Key: port.KeyMaxTWBuckets, Systemd: line("/etc/sysctl.d/10-old.conf", 3, "4096")})
	if found := examine(p); len(find(found, "tw-buckets-low")) != 1 {
		t.Errorf("findings %v, want the limit that a file sets", codesOf(found))
	}
}

func TestWorstFirst(t *testing.T) {
	p := healthy().set(as(40000, 40100)).with(append(clients(101), crowd(40000, 60, "10.0.0.2", "10.0.0.6:80")...)...)
	found := examine(p)
	heads := finding.Blocks(found)
	if len(heads) != 3 || heads[0].Cause.Code() != "pool-full" || heads[1].Cause.Code() != "pool-past-half" || heads[2].Cause.Code() != "same-parity" {
		t.Errorf("findings out of order: %v", codesOf(found))
	}
	for _, f := range found {
		if f.NetNS != 7 || f.Name != "lb1" {
			t.Errorf("%s is in namespace %d %q", f.Code(), f.NetNS, f.Name)
		}
	}
}

// elsewhere are commands that change nothing and are the same everywhere, or
// that are about the host or all namespaces.
func elsewhere(command string) bool {
	return slices.ContainsFunc(
		[]string{"portrange doctor --explain", "portrange boot", "sysctl -w fs.", "nsenter --target 1 --net sysctl -w net.netfilter."},
		func(start string) bool { return strings.HasPrefix(command, start) }) || strings.Contains(command, "--netns all")
}

// TestCommandsNameTheNamespace holds the commands of every finding about another
// namespace than the caller's: they must not change the caller's.
func TestCommandsNameTheNamespace(t *testing.T) {
	for code, s := range symptoms() {
		if len(s.sick.Now.Namespaces) == 0 {
			continue
		}
		s.sick.ns().Ref = "lb1"
		found := find(s.sick.examine(All()), code)
		for i := range found {
			for _, command := range commandsOf(&found[i]) {
				reaches := strings.HasSuffix(command, " --netns lb1") || strings.HasPrefix(command, "ip netns exec lb1 ")
				if !reaches && !elsewhere(command) {
					t.Errorf("%s: %s does not name the namespace", code, command)
				}
			}
		}
	}
}

// TestAdviceHasNoBackquotes keeps commands out of texts, where nobody can run them.
func TestAdviceHasNoBackquotes(t *testing.T) {
	for code, s := range symptoms() {
		for _, f := range s.sick.examine(All()) {
			if strings.Contains(textOf(f.Actions)+f.Evidence(), "`") {
				t.Errorf("%s: %s has a command in its words", code, f.Code())
			}
		}
	}
}

func ExampleExamine() {
	f := examine(healthy().with(clients(100)...))[0]
	fmt.Println(f.Severity, f.Code(), f.Subject.Local, f.Subject.Remote)
	// Output: critical pool-full 10.0.0.2 10.0.0.5:80
}
