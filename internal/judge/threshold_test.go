package judge

import (
	"net/netip"
	"slices"
	"testing"

	"portrange/internal/finding"
	"portrange/internal/port"
)

func threshold(t *testing.T, text string) Threshold {
	t.Helper()
	parsed, err := ParseThreshold(text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func thresholds(t *testing.T, warning, critical string) Thresholds {
	t.Helper()
	return Thresholds{Warning: threshold(t, warning), Critical: threshold(t, critical)}
}

func TestParseThreshold(t *testing.T) {
	for text, trigger := range map[string]int{ // of a pool of 200
		"50%": 100, "85%": 170, "100%": 200, "0.1%": 1, "33.3%": 67, "2000": 0, "30": 170, "0": 200, "200": 0,
	} {
		parsed := threshold(t, text)
		if got := parsed.Trigger(200); got != trigger {
			t.Errorf("%s: reached at %d of 200 taken, want %d", text, got, trigger)
		}
		if parsed.String() != text {
			t.Errorf("%s is printed as %s", text, parsed)
		}
	}
	for _, text := range []string{"", "%", "0%", "-1", "-5%", "101%", "NaN%", "+Inf%", "1e9", "70000", "many", "50 %", "50%%"} {
		if parsed, err := ParseThreshold(text); err == nil {
			t.Errorf("%q was read as %s", text, parsed)
		}
	}
}

func TestThresholdsCheck(t *testing.T) {
	for _, tt := range []struct {
		warning, critical string
		want              bool
	}{
		{"50%", "85%", true}, {"85%", "85%", true}, {"86%", "85%", false},
		{"2000", "500", true}, {"500", "2000", false}, {"50%", "500", true}, {"2000", "85%", true},
	} {
		if err := thresholds(t, tt.warning, tt.critical).Check(); (err == nil) != tt.want {
			t.Errorf("warning %s, critical %s: %v", tt.warning, tt.critical, err)
		}
	}
}

func TestStrains(t *testing.T) {
	udpCrowd := crowd(80, "10.0.0.9:53", udp)
	ns := box(slices.Concat(crowd(46, "10.0.0.5:80"), crowd(3, "10.0.0.6:80"), udpCrowd)...)
	got := Strains(ns, thresholds(t, "50%", "85%"))
	want := []Strain{
		{Proto: "udp", Local: "10.0.0.2", Size: 90, Left: 10, Severity: finding.Critical},
		{Proto: "tcp", Local: "10.0.0.2", Remote: "10.0.0.5:80", Size: 90, Left: 44, Severity: finding.Warning},
		{Proto: "tcp", Local: "10.0.0.2", Remote: "10.0.0.6:80", Size: 90, Left: 87, Severity: finding.Info},
		{Proto: "tcp", Size: 90, Left: 90, Severity: finding.Info},
	}
	if !slices.Equal(got, want) {
		t.Errorf("strains\n%+v, want\n%+v", got, want)
	}
}

func TestStrainOfBoundPorts(t *testing.T) {
	worst := func(sockets ...*port.Socket) Strain {
		return Strains(box(sockets...), thresholds(t, "50%", "0"))[0]
	}
	if got := worst(crowd(90, "10.0.0.5:80", bound)...); got.Severity != finding.Critical || got.Left != 0 {
		t.Errorf("every port bound: %+v, want a critical strain with none left", got)
	}
	if got := worst(crowd(45, "10.0.0.5:80", bound)...); got.Severity != finding.Warning {
		t.Errorf("half of the ports bound: %+v, want a warning", got)
	}
	if got := worst(); got.Severity != finding.Info || got.Size != 90 || got.Left != 90 {
		t.Errorf("nothing in use: %+v", got)
	}
}

// TestStrainOfAllAddresses: two source addresses with half of the ports each leave
// none to bind(0.0.0.0:0) of TCP, which nobody calls; every UDP socket without an
// address does.
func TestStrainOfAllAddresses(t *testing.T) {
	other := func(s *port.Socket) {
		s.Local = netip.AddrPortFrom(netip.MustParseAddr("10.0.0.3"), s.Local.Port()+45)
	}
	full := func(edit func(*port.Socket)) bool {
		sockets := slices.Concat(crowd(45, "10.0.0.5:80", edit), crowd(45, "10.0.0.5:80", edit, other))
		return slices.ContainsFunc(Strains(box(sockets...), thresholds(t, "85%", "100%")), func(s Strain) bool {
			return s.Local == "0.0.0.0" && s.Severity == finding.Critical
		})
	}
	if full(bound) || !full(udp) {
		t.Errorf("all addresses full: TCP %v, want false; UDP %v, want true", full(bound), full(udp))
	}
}

func TestStrainCountsReusablePortsAsLeft(t *testing.T) {
	ns := box(crowd(90, "10.0.0.5:80", reusable)...)
	ns.Settings.TWReuse = 1
	if got := Strains(ns, thresholds(t, "50%", "85%"))[0]; got.Severity != finding.Info || got.Taken() != 0 {
		t.Errorf("all ports may be taken over, yet %+v", got)
	}
}

func FuzzParseThreshold(f *testing.F) {
	f.Add("50%", 200)
	f.Add("2000", 28232)
	f.Fuzz(func(t *testing.T, text string, size int) {
		parsed, err := ParseThreshold(text)
		if err != nil {
			return
		}
		size = max(0, size%65537)
		if trigger := parsed.Trigger(size); trigger < 0 || trigger > size {
			t.Errorf("threshold %q is reached at %d of %d", text, trigger, size)
		}
	})
}
