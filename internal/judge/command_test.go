package judge

import (
	"slices"
	"strings"
	"testing"

	"portrange/internal/port"
)

// TestCommandsNameTheNamespace holds that a command which is typed as it stands
// changes the namespace the finding is about, and no other.
func TestCommandsNameTheNamespace(t *testing.T) {
	for _, tt := range []struct{ name, ref, set, sysctl string }{
		{"host", "", "`portrange set 15000 64001 --reserve --persist`", "`sysctl -w a.b=1`"},
		{"nginx (812)", "", "`portrange set 15000 64001 --reserve`", "`sysctl -w a.b=1`"}, // run inside it
		{"lb1", "lb1", "`portrange set 15000 64001 --netns lb1 --reserve`", "`ip netns exec lb1 sysctl -w a.b=1`"},
		{"a b", "a b", "`portrange set 15000 64001 --netns 'a b' --reserve`", "`ip netns exec 'a b' sysctl -w a.b=1`"},
		{"nginx (812)", "/proc/812/ns/net", "`portrange set 15000 64001 --netns /proc/812/ns/net --reserve`",
			"`nsenter --net=/proc/812/ns/net sysctl -w a.b=1`"},
		{"host", "host", "`portrange set 15000 64001 --netns host --reserve`", "`nsenter --target 1 --net sysctl -w a.b=1`"},
	} {
		ns := box(crowd(100, "10.0.0.5:80")...)
		ns.Name, ns.Ref = tt.name, tt.ref
		if got := Widen(ns); got != tt.set {
			t.Errorf("%s: widen by %s, want %s", tt.name, got, tt.set)
		}
		if got := Sysctl(ns, "a.b", "1"); got != tt.sysctl {
			t.Errorf("%s: set by %s, want %s", tt.name, got, tt.sysctl)
		}
		found := Namespace(ns).Findings
		if len(found) == 0 || found[0].Code != PoolFull || !strings.Contains(found[0].Advice, tt.set) {
			t.Errorf("%s: findings %+v, want %s in the first advice", tt.name, found, tt.set)
		}
	}
}

func TestEveryPoolsAdviceNamesTheNamespace(t *testing.T) {
	udp := func(s *port.Socket) { s.Proto, s.Hold = port.UDP, port.HoldUnknown }
	ns := box(slices.Concat(crowd(100, "10.0.0.5:80", udp), crowd(60, "10.0.0.5:80", bound))...)
	ns.Ref = "lb1"
	for _, code := range []string{LocalPoolFull, RangeWithheld} {
		at := slices.IndexFunc(Namespace(ns).Findings, func(f Finding) bool { return f.Code == code })
		if at < 0 {
			t.Fatalf("no %s among %+v", code, Namespace(ns).Findings)
		}
		if f := Namespace(ns).Findings[at]; !strings.Contains(f.Advice, "portrange set 15000 64001 --netns lb1 --reserve`") {
			t.Errorf("%s: advice %q without --netns", code, f.Advice)
		}
	}
}
