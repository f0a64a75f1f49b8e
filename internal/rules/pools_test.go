package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/port"
)

func envoy() host.Process { return host.Process{PID: 812, Command: "envoy"} }

// ownedBy has one process hold the first n connections of a pool, and others the
// rest, one each.
func ownedBy(n int, sockets ...*port.Socket) *patient {
	p := healthy().with(sockets...).held(envoy(), sockets[:n]...)
	for i, s := range sockets[n:] {
		p.held(host.Process{PID: 1000 + i, Command: "curl"}, s)
	}
	return p
}

func poolSymptoms() map[string]symptom {
	few, many := clients(50), clients(90)
	return map[string]symptom{
		"pool-full": {healthy().with(clients(100)...), healthy().with(clients(99)...), finding.Critical, []string{"100 of 100 ports", "0 left"}},
		"pool-near-full": {
			ownedBy(84, clients(85)...), healthy().with(clients(84)...), finding.Critical, []string{"85 of 100", "most by envoy (pid 812)"}},
		"pool-past-half": {
			healthy().set(func(s *host.Settings) { s.TWReuse = 1 }).with(clients(60, waits, rests(10))...), healthy().with(clients(49)...),
			finding.Warning, []string{"60 of 100", "60 in TIME_WAIT", "10 of them reusable"}},
		"local-pool-full": {
			healthy().with(clients(100, udp)...).holding(port.UDP, 40001, port.Close, java).holding(port.UDP, 40002, port.Close, java),
			healthy().with(clients(99, udp)...), finding.Critical, []string{"100 of 100 ports", "0 left", "; " + java.String() + ": 2"}},
		"local-pool-near-full": {
			healthy().with(clients(85, udp)...), healthy().with(clients(84, udp)...), finding.Critical, []string{"85 of 100", "15 left"}},
		"local-pool-past-half": {
			healthy().with(clients(50, udp)...), healthy().with(clients(49, udp)...), finding.Warning, []string{"50 of 100", "50 left"}},
		"range-withheld": {
			healthy().with(clients(50, listens)...), healthy().with(clients(49, listens)...), finding.Warning,
			[]string{"50 of the range's 100 ports usable", "0 reserved", "50 bind-held"}},
		"bind-before-connect": {healthy().with(clients(10, binds)...), healthy().with(clients(10)...), finding.Info, []string{"10 ports"}},
		"connection-rate": {
			healthy().with(clients(30, waits)...).before(10*time.Second, clients(10, waits)...),
			healthy().with(clients(30)...).before(10*time.Second, clients(30)...),
			finding.Warning, []string{"2 new connections a second over 10 s", "allows 1.67/s (100 ports, each kept for 60 s)", "120.0%", "70 ports left", "35 s"}},
		"pool-filling": {
			healthy().with(clients(60)...).before(5*time.Second, clients(10)...),
			healthy().with(clients(10)...).before(5*time.Second, clients(60)...),
			finding.Critical, []string{"10 ports a second more", "over 5 s", "40 of 100 left", "4 s"}},
		"close-wait-leak": {
			ownedBy(10, clients(10, lingers)...), healthy().with(clients(9, lingers)...), finding.Warning,
			[]string{"10 of 10 ports", "CLOSE_WAIT", "envoy (pid 812)"}},
		"fin-wait2-share": {
			healthy().with(clients(10, halfCloses)...), healthy().with(clients(9, halfCloses)...), finding.Warning,
			[]string{"10 of 10 ports", "FIN_WAIT_2", "the other has not"}},
		"one-process": {
			ownedBy(45, few...), ownedBy(44, few...), finding.Warning, // as the pool past its half that it explains
			[]string{"45 of 50 open connections", "envoy (pid 812)", "50 are established"}},
		"time-wait-share": {
			ownedBy(10, slices.Concat(many[10:20], clients(10, waits))...), healthy().with(clients(9, waits)...), finding.Info,
			[]string{"10 of 20 ports", "50.0%", "60 s", "a port in TIME_WAIT has no process", "connections there now: envoy (pid 812): 10, curl (10 processes): 10"}},
	}
}

func halfCloses(s *port.Socket) { s.State = port.FinWait2 }

// rests has the sockets below the nth port of a crowd rest for long enough to be
// taken over.
func rests(n uint16) func(*port.Socket) {
	return func(s *port.Socket) {
		if s.Local.Port() < 40000+n {
			s.Quiet = 2 * time.Second
		}
	}
}

func unstamped(s *port.Socket) { s.Stamped = false }

// severities holds the severity of the one finding of a code, empty for none,
// against what is wanted.
func severities(t *testing.T, code string, cases map[*patient]finding.Severity) {
	t.Helper()
	for p, want := range cases {
		var got finding.Severity
		if found := find(p.examine(All()), code); len(found) == 1 {
			got = found[0].Severity
		}
		if got != want {
			t.Errorf("%s: %q, want %q, with %d pools", code, got, want, len(p.ns().Usage.Tuples))
		}
	}
}

func TestEdgesOfPools(t *testing.T) {
	busy := func(n int) *patient { return healthy().with(clients(n)...) }
	severities(t, "pool-past-half", map[*patient]finding.Severity{busy(49): "", busy(50): finding.Warning, busy(84): finding.Warning, busy(85): ""})
	severities(t, "pool-near-full", map[*patient]finding.Severity{busy(84): "", busy(85): finding.Critical, busy(99): finding.Critical, busy(100): ""})
	severities(t, "pool-full", map[*patient]finding.Severity{busy(99): "", busy(100): finding.Critical})

	bound := func(n int) *patient { return healthy().with(clients(n, binds)...) }
	severities(t, "bind-before-connect", map[*patient]finding.Severity{bound(1): finding.Info, bound(49): finding.Info, bound(50): finding.Warning, bound(84): finding.Warning, bound(85): finding.Critical})
	large := func(n int) *patient { return healthy().set(as(40000, 40999)).with(clients(n, binds)...) }
	severities(t, "bind-before-connect", map[*patient]finding.Severity{large(499): finding.Info, large(500): finding.Warning})
	held := func(n int) *patient { return healthy().with(clients(n, listens)...) }
	severities(t, "range-withheld", map[*patient]finding.Severity{held(49): "", held(50): finding.Warning, held(84): finding.Warning, held(85): finding.Critical, held(100): finding.Critical})
	reserved := func(list string) *patient { return healthy().set(func(s *host.Settings) { s.Reserved = set(list) }) }
	severities(t, "range-withheld", map[*patient]finding.Severity{reserved("40000-40048"): "", reserved("1-40049"): finding.Info, reserved("40000-40098"): finding.Info, reserved("40000-40099"): finding.Critical})

	leaky := func(n int) *patient { return healthy().with(clients(n, lingers)...) }
	severities(t, "close-wait-leak", map[*patient]finding.Severity{leaky(9): "", leaky(10): finding.Warning})
	mixed := func(waiting, open int) *patient {
		return healthy().with(append(clients(waiting, waits), crowd(40050, open, "10.0.0.2", "10.0.0.5:80")...)...)
	}
	severities(t, "time-wait-share", map[*patient]finding.Severity{mixed(9, 0): "", mixed(10, 10): finding.Info, mixed(10, 11): "", mixed(50, 50): finding.Info, mixed(49, 50): ""})
}

func TestEdgesOfLocalPools(t *testing.T) {
	unbound := func(n int) *patient { return healthy().with(clients(n)...) }
	drawn := func(n int) *patient {
		return healthy().with(append(clients(n-1), crowd(40099, 1, "10.0.0.2", "10.0.0.6:80", binds)...)...)
	}
	severities(t, "local-pool-near-full", map[*patient]finding.Severity{
		unbound(84): "", unbound(85): finding.Info, drawn(84): "", drawn(85): finding.Critical, drawn(99): finding.Critical, drawn(100): ""})
	severities(t, "local-pool-past-half", map[*patient]finding.Severity{
		unbound(50): "", unbound(84): "", drawn(49): "", drawn(50): finding.Warning, drawn(84): finding.Warning, drawn(85): ""})
	severities(t, "local-pool-full", map[*patient]finding.Severity{
		unbound(99): "", unbound(100): finding.Info, drawn(99): "", drawn(100): finding.Critical})
}

func TestEdgesOfRates(t *testing.T) {
	waiting := func(n int) *patient {
		return healthy().with(clients(n, waits)...).before(time.Minute)
	}
	many := func(n int) *patient {
		return healthy().set(as(40000, 40999)).with(clients(n, waits)...).before(time.Minute)
	}
	severities(t, "connection-rate", map[*patient]finding.Severity{
		waiting(1): finding.Info, waiting(84): finding.Info, waiting(85): finding.Warning, many(849): finding.Info, many(850): finding.Warning})
	filling := func(elapsed time.Duration, from, to int) *patient {
		return healthy().with(clients(to)...).before(elapsed, clients(from)...)
	}
	severities(t, "pool-filling", map[*patient]finding.Severity{
		filling(10*time.Second, 30, 40):  finding.Critical, // 60 left, 1 a second
		filling(10*time.Second, 29, 39):  finding.Warning,
		filling(10*time.Second, 39, 40):  finding.Warning, // 60 left, 0.1 a second
		filling(10*time.Second, 38, 39):  "",
		filling(10*time.Second, 90, 100): "",
	})
	crowded := healthy().set(as(20000, 61001))
	var now []*port.Socket
	for i := range ratesShown + 2 {
		now = append(now, crowd(20000, 20-i, "10.0.0.2", fmt.Sprintf("10.0.0.5:%d", 80+i))...)
	}
	crowded.with(now...).before(time.Second)
	if found := find(examine(crowded), "connection-rate"); len(found) != ratesShown || found[0].Values.Float("rate") != 20 {
		t.Errorf("%d rates, the first %v, want the %d highest", len(found), found[0].Values, ratesShown)
	}
}

// TestOneProcess wants a pool past its half that is one process's and established.
func TestOneProcess(t *testing.T) {
	est := clients(50)
	mixed := func(est, lingering int) *patient {
		sockets := append(clients(est), crowd(40000+est, lingering, "10.0.0.2", "10.0.0.5:80", func(s *port.Socket) { s.State = port.FinWait1 })...)
		return ownedBy(len(sockets), sockets...)
	}
	waiting := slices.Concat(clients(40), crowd(40040, 39, "10.0.0.2", "10.0.0.5:80", waits))
	severities(t, "one-process", map[*patient]finding.Severity{
		ownedBy(45, est...): finding.Info, ownedBy(44, est...): "", ownedBy(49, clients(49)...): "",
		mixed(26, 25): finding.Info, mixed(26, 26): "", healthy().with(est...): "",
		healthy().with(waiting...).held(envoy(), waiting[:36]...): finding.Info,
		healthy().with(waiting...).held(envoy(), waiting[:35]...): "",
	})
}

func TestHysteresis(t *testing.T) {
	var tracker finding.Tracker
	for i, look := range []struct {
		taken int
		code  string
	}{
		{49, ""}, {50, "pool-past-half"}, {45, "pool-past-half"}, {44, ""}, {49, ""},
		{84, "pool-past-half"}, {85, "pool-near-full"}, {84, "pool-near-full"}, {80, "pool-near-full"}, {79, "pool-past-half"}, {84, "pool-past-half"},
		{100, "pool-full"}, {99, "pool-near-full"}, {80, "pool-near-full"}, {45, "pool-past-half"}, {44, ""},
	} {
		p := healthy().with(clients(look.taken)...)
		p.Standing = &tracker
		found := tracker.Update(time.Unix(int64(i), 0), examine(p))
		codes := slices.DeleteFunc(codesOf(found), func(code string) bool { return !strings.HasPrefix(code, "pool-") })
		if got := strings.Join(codes, " "); got != look.code {
			t.Errorf("look %d, %d ports taken: %q, want %q", i, look.taken, got, look.code)
		}
	}
	tracker = finding.Tracker{}
	for i, look := range []struct {
		taken int
		code  string
	}{
		{49, ""}, {50, "local-pool-past-half"}, {45, "local-pool-past-half"}, {44, ""},
		{84, "local-pool-past-half"}, {85, "local-pool-near-full"}, {80, "local-pool-near-full"}, {79, "local-pool-past-half"},
		{100, "local-pool-full"}, {80, "local-pool-near-full"}, {45, "local-pool-past-half"}, {44, ""},
	} {
		p := healthy().with(clients(look.taken, udp)...)
		p.Standing = &tracker
		found := tracker.Update(time.Unix(int64(i), 0), examine(p))
		codes := slices.DeleteFunc(codesOf(found), func(code string) bool { return !strings.HasPrefix(code, "local-") })
		if got := strings.Join(codes, " "); got != look.code {
			t.Errorf("look %d, %d UDP ports taken: %q, want %q", i, look.taken, got, look.code)
		}
	}
}

func TestTheRateIsToldWhereOneIsKnown(t *testing.T) {
	measured := healthy().with(clients(60, waits)...).before(10*time.Second, clients(20, waits)...)
	for name, tt := range map[string]struct {
		p    *patient
		want any
	}{
		"nothing is in TIME_WAIT": {healthy().with(clients(60)...), nil},
		"TIME_WAIT shows it":      {healthy().with(clients(60, waits)...), 1.0},
		"it was measured":         {measured, 4.0},
	} {
		if found := find(examine(tt.p), "pool-past-half"); len(found) != 1 || found[0].Values.Get("rate") != tt.want {
			t.Errorf("%s: findings %v, want the rate %v", name, found, tt.want)
		}
	}
}

// TestWhatWithholdsMostIsGivenBackFirst has the steps in the order of their worth.
func TestWhatWithholdsMostIsGivenBackFirst(t *testing.T) {
	const list, services = "portrange reserve list", "portrange sockets --in-range --state listen"
	reserving := func(ports string, listeners int) *patient {
		return healthy().set(func(s *host.Settings) { s.Reserved = set(ports) }).with(crowd(40060, listeners, "0.0.0.0", "0.0.0.0:0", listens)...)
	}
	for name, tt := range map[string]struct {
		p    *patient
		want []string
	}{
		"as many are reserved": {reserving("40000-40029", 30), []string{list, services}},
		"more are bind-held":   {reserving("40000-40028", 30), []string{services, list}},
	} {
		found := find(examine(tt.p), "range-withheld")
		if len(found) != 1 || !slices.Equal(commandsOf(&found[0])[1:], tt.want) {
			t.Errorf("%s: %v, want a wider range and then %q", name, found, tt.want)
		}
	}
}

func TestReusablePortsAreNoReasonToWorry(t *testing.T) {
	p := healthy().set(func(s *host.Settings) { s.TWReuse = 1 }).with(clients(100, waits, rests(100))...)
	for _, f := range examine(p) {
		if strings.HasPrefix(f.Code(), "pool-") {
			t.Errorf("all ports may be taken over, yet %s: %s", f.Code(), f.Evidence())
		}
	}
}

func TestBindBeforeConnectNamesTheProcesses(t *testing.T) {
	sockets := append(clients(12, binds), crowd(40060, 1, "0.0.0.0", "0.0.0.0:0", listens)...)
	sockets = append(sockets, crowd(40060, 1, "10.0.0.2", "10.0.0.9:5555", binds)...) // accepted
	p := healthy().with(sockets...)
	for i, s := range sockets {
		p.held(host.Process{PID: 100 + i%4, Command: "envoy"}, s)
	}
	for i, name := range []string{"haproxy", "nginx", "squid"} {
		p.held(host.Process{PID: 200 + i, Command: name}, sockets[i])
	}
	found := find(examine(p), "bind-before-connect")
	if len(found) != 1 {
		t.Fatalf("found %d times", len(found))
	}
	evidence := found[0].Evidence()
	for _, want := range []string{"12 ports", "envoy (4 processes): 12", "haproxy (pid 200): 1", "nginx (pid 201): 1"} {
		if !strings.Contains(evidence, want) {
			t.Errorf("evidence %q does not contain %q", evidence, want)
		}
	}
	if strings.Contains(evidence, "squid") {
		t.Errorf("evidence %q names more than the largest three programs", evidence)
	}
}

// TestBoundPortsAreSharedWhereThatHelps: ip_autobind_reuse is a step where the pool
// is full, the sockets allow it, and at least half of the ports that bind() then
// chooses from, the 25 odd ones of the lower half, are not connected there yet.
func TestBoundPortsAreSharedWhereThatHelps(t *testing.T) {
	shares := func(s *port.Socket) { binds(s); s.Reuse = true }
	unseen := func(s *port.Socket) { binds(s); s.Blind = true }
	known := func(s *host.Settings) { s.HasAutobindReuse = true }
	// two is n ports to one destination with most connections, the others of the lower
	// half to another one.
	two := func(n int, edit func(*port.Socket)) []*port.Socket {
		sockets := append(clients(n, edit), more(50, 50, edit)...)
		return append(sockets, crowd(40000+n, 50-n, "10.0.0.2", "10.0.0.6:80", edit)...)
	}
	for name, tt := range map[string]struct {
		p    *patient
		gain int // 0 for no such step
	}{
		"another destination below":  {healthy().set(known).with(two(0, shares)...), 25},
		"half of the ports":          {healthy().set(known).with(two(24, shares)...), 13},
		"less than half":             {healthy().set(known).with(two(26, shares)...), 0},
		"one destination":            {healthy().set(known).with(clients(100, shares)...), 0},
		"without SO_REUSEADDR":       {healthy().set(known).with(two(0, binds)...), 0},
		"not to be seen":             {healthy().set(known).with(two(0, unseen)...), 0},
		"a kernel without it":        {healthy().with(two(0, shares)...), 0},
		"on already":                 {healthy().set(known).set(func(s *host.Settings) { s.AutobindReuse = true }).with(two(0, shares)...), 0},
		"nearly full":                {healthy().set(known).with(two(0, shares)[:85]...), 17},
		"nearly full, another below": {healthy().set(known).with(append(more(50, 35, shares), crowd(40000, 50, "10.0.0.2", "10.0.0.6:80", shares)...)...), 0},
		"with room":                  {healthy().set(known).with(two(0, shares)[:84]...), 0},
	} {
		found := find(examine(tt.p), "bind-before-connect")
		if len(found) != 1 {
			t.Errorf("%s: found %d times", name, len(found))
			continue
		}
		text := textOf(found[0].Actions)
		said := strings.Contains(text, port.KeyAutobindReuse)
		if said != (tt.gain > 0) || said && !strings.Contains(text, fmt.Sprintf("%d connections more to 10.0.0.5:80", tt.gain)) {
			t.Errorf("%s: %s; want a step for %d connections", name, text, tt.gain)
		}
	}
}

func TestRatesOfReusedPorts(t *testing.T) {
	// A port that leaves TIME_WAIT for a connection is a new connection; one
	// that enters it is the old one.
	before := append(clients(10, waits), crowd(40010, 10, "10.0.0.2", "10.0.0.5:80")...)
	now := append(clients(10), crowd(40010, 10, "10.0.0.2", "10.0.0.5:80", waits)...)
	p := healthy().with(now...).before(10*time.Second, before...)
	found := find(examine(p), "connection-rate")
	if len(found) != 1 || !strings.Contains(found[0].Evidence(), "at least 1 new connection a second") {
		t.Errorf("findings %v, want one with one connection a second", found)
	}
}

func TestTimeWaitThatLevelsOffFillsNoPool(t *testing.T) {
	p := healthy().with(clients(2, waits)...).before(6*time.Second, clients(1, waits)...)
	if found := find(examine(p), "pool-filling"); len(found) != 0 {
		t.Errorf("findings %v, want none: TIME_WAIT grows to 10 of 100 ports", found)
	}
	found := find(examine(p), "connection-rate")
	if len(found) != 1 || !strings.Contains(found[0].Evidence(), "TIME_WAIT grows to about 10 ports and no further") {
		t.Errorf("findings %v, want one that says where TIME_WAIT levels off", found)
	}
}

// TestOnlyWhatThisSideClosesIsHeldAgainstTheCeiling opens 90 connections in 10 s to
// a pool of 100, which TIME_WAIT bounds to 100 in a minute, and has this side close
// some.
func TestOnlyWhatThisSideClosesIsHeldAgainstTheCeiling(t *testing.T) {
	closing := func(here int) *patient {
		now := append(clients(here, waits), crowd(40000+here, 90-here, "10.0.0.2", "10.0.0.5:80")...)
		return healthy().with(now...).before(10 * time.Second)
	}
	severities(t, "connection-rate", map[*patient]finding.Severity{
		closing(0): finding.Info, closing(1): finding.Info, closing(14): finding.Info, closing(15): finding.Warning, closing(90): finding.Warning})
	for here, want := range map[int]struct {
		says string
		rate any
	}{
		0:  {"at least 9 new connections a second over 10 s; 10 ports left", nil},
		1:  {"TIME_WAIT allows 1.67/s (100 ports, each kept for 60 s) that this side closes first, which closed 0.1/s: 6.0% of that", 0.1},
		90: {"which closed 9/s: 540.0% of that", 9.0},
	} {
		found := examine(closing(here))
		if f := find(found, "connection-rate"); len(f) != 1 || !strings.Contains(f[0].Evidence(), want.says) {
			t.Errorf("%d closed here: %v, want %q", here, f, want.says)
		}
		if f := find(found, "pool-near-full"); len(f) != 1 || f[0].Values.Get("rate") != want.rate {
			t.Errorf("%d closed here: %v, want predictions at the rate %v", here, f, want.rate)
		}
	}
}
