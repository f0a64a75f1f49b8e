package report_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/port"
	"portrange/internal/report"
	"portrange/internal/rules"
)

// filling is a way to take ports of a range one by one.
type filling func(nth int, p uint16) *port.Socket

// fillings are by what pool they fill.
var fillings = map[string]filling{
	"a destination of TCP": func(_ int, p uint16) *port.Socket { return taken(port.TCP, "10.0.0.2", p) },
	"a destination that leaves TIME_WAIT": func(_ int, p uint16) *port.Socket {
		s := taken(port.TCP, "10.0.0.2", p)
		s.State, s.Mini, s.Stamped = port.TimeWait, true, true
		return s
	},
	"bind() before connect() to one destination": func(_ int, p uint16) *port.Socket {
		return bound(taken(port.TCP, "10.0.0.2", p))
	},
	"bind() before connect() to many": func(nth int, p uint16) *port.Socket {
		s := bound(taken(port.TCP, "10.0.0.2", p))
		s.Remote = netip.AddrPortFrom(s.Remote.Addr(), uint16(1+nth))
		return s
	},
	"listeners": func(_ int, p uint16) *port.Socket {
		s := bound(taken(port.TCP, "0.0.0.0", p))
		s.State, s.Remote = port.Listen, netip.AddrPort{}
		return s
	},
	"UDP": func(_ int, p uint16) *port.Socket { return taken(port.UDP, "10.0.0.2", p) },
	"UDP of many addresses": func(nth int, p uint16) *port.Socket {
		return taken(port.UDP, fmt.Sprintf("10.0.0.%d", 2+nth%5), p)
	},
	"UDP of either family": func(nth int, p uint16) *port.Socket {
		return taken(port.UDP, []string{"10.0.0.2", "fd00::2"}[nth%2], p)
	},
	"UDP that is not connected": func(_ int, p uint16) *port.Socket {
		s := taken(port.UDP, "0.0.0.0", p)
		s.State, s.Remote = port.Close, netip.AddrPort{}
		return s
	},
}

func taken(proto port.Proto, local string, p uint16) *port.Socket {
	s := &port.Socket{
		Proto: proto, State: port.Established, Hold: port.ConnectHeld,
		Local: netip.AddrPortFrom(netip.MustParseAddr(local), p), Remote: netip.MustParseAddrPort("10.0.0.5:8080"),
	}
	if s.Local.Addr().Is6() {
		s.Remote = netip.MustParseAddrPort("[fd00::5]:8080")
	}
	if proto == port.UDP {
		s.Hold = port.HoldUnknown
	}
	return s
}

func bound(s *port.Socket) *port.Socket {
	s.Hold = port.BindHeld
	return s
}

// filled is a namespace whose range of size has so many ports taken, after the
// first reserved ones.
func filled(size, reserved, n int, with filling) *host.State {
	settings := host.Settings{
		Range: port.Range{Low: 20000, High: uint16(20000 + size + reserved - 1)}, Reserved: &port.Set{},
		UnprivilegedStart: 1024, HasBindV6Only: true,
		TWReuseDelay: time.Second, HasTWReuseDelay: true, Timestamps: 1, MaxTWBuckets: 262144, FinTimeout: time.Minute,
	}
	for i := range reserved {
		settings.Reserved.Add(settings.Range.Low + uint16(i))
	}
	ns := host.Namespace{ID: 7, Name: "lb1", Source: "bpf", Settings: settings, Usage: host.NewUsage(settings)}
	for i := range n {
		ns.Usage.Add(with(i, settings.Range.Low+uint16(reserved+i)))
	}
	return &host.State{TakenAt: time.Unix(1000, 0), Host: "lb1", Kernel: "6.18.44", Namespaces: []host.Namespace{ns}}
}

// edges are numbers of ports taken of a pool, on either side of each mark, and
// what the scale says of them: past half a warning, from 85 % critical.
func edges(size int) map[int]finding.Severity {
	all := map[int]finding.Severity{0: finding.Info, size - 1: finding.Critical, size: finding.Critical}
	for _, percent := range []int{49, 50, 51, 84, 85, 86} {
		first := (percent*size + 99) / 100
		for _, n := range []int{first - 1, first} {
			switch {
			case 100*n >= 85*size:
				all[n] = finding.Critical
			case 100*n >= 50*size:
				all[n] = finding.Warning
			default:
				all[n] = finding.Info
			}
		}
	}
	return all
}

// TestOneScale: show, doctor and check say the same of a pool, on the edges of the
// scale, whatever fills it.
func TestOneScale(t *testing.T) {
	for name, with := range fillings {
		for _, shape := range []struct{ size, reserved int }{{100, 0}, {200, 100}, {60, 300}, {28231, 0}} {
			for n, want := range edges(shape.size) {
				t.Run(fmt.Sprintf("%s, %d of %d", name, n, shape.size), func(t *testing.T) {
					holdToScale(t, filled(shape.size, shape.reserved, n, with), want)
				})
			}
		}
	}
}

func holdToScale(t *testing.T, state *host.State, want finding.Severity) {
	t.Helper()
	strains := judge.Strains(&state.Namespaces[0], judge.Scale())
	check := report.NewCheck(strains, true, false, nil, nil)
	if check.Worst.Severity != want || check.ExitCode != map[finding.Severity]int{
		finding.Info: report.PluginOK, finding.Warning: report.PluginWarning, finding.Critical: report.PluginCritical,
	}[want] {
		t.Errorf("check: %s, %+v; want %s", check.State, check.Worst, want)
	}
	show := report.NewShow(state, rules.Pools(state))
	if got := closing(t, show); !closes(got, want) {
		t.Errorf("show closes with %q, want %s", got, want)
	}
	doctor := report.NewDoctor(state.TakenAt, state, rules.Examine(&rules.Facts{Now: state}))
	shown, examined := pools(show.Namespaces[0].Findings), pools(doctor.Findings)
	for i := range strains {
		s := &strains[i]
		if s.Local == "" {
			continue // a new destination is no pool yet
		}
		of := finding.Subject{Proto: s.Proto, Local: s.Local, Remote: s.Remote}
		for who, said := range map[string]map[finding.Subject]finding.Severity{"show": shown, "doctor": examined} {
			got, says := said[of]
			if !says {
				got = finding.Info
			}
			if got != s.Severity {
				t.Errorf("%s says %s of the pool %+v, check %s", who, got, of, s.Severity)
			}
		}
	}
}

// closing is the last line of show.
func closing(t *testing.T, show *report.Show) string {
	t.Helper()
	var out bytes.Buffer
	if err := report.WriteShow(&out, show, 0, report.Style{}); err != nil {
		t.Fatal(err)
	}
	text := strings.TrimSpace(out.String())
	return text[strings.LastIndexByte(text, '\n')+1:]
}

func closes(line string, want finding.Severity) bool {
	switch want {
	case finding.Info:
		return strings.HasPrefix(line, "All is well")
	case finding.Warning:
		return strings.HasPrefix(line, "Not well") && !strings.Contains(line, "critical")
	}
	return strings.HasPrefix(line, "Not well") && strings.Contains(line, "critical")
}

// pools are the severities of what is said of single pools.
func pools(found []report.Finding) map[finding.Subject]finding.Severity {
	said := map[finding.Subject]finding.Severity{}
	for i := range found {
		if code := found[i].Code; strings.HasPrefix(strings.TrimPrefix(code, "local-"), "pool-") {
			said[found[i].Subject] = found[i].Severity
		}
	}
	return said
}
