package rules

import (
	"slices"
	"strings"
	"testing"
	"time"

	"portrange/internal/boot"
	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/port"
)

func reusing(mode int) func(*host.Settings) { return func(s *host.Settings) { s.TWReuse = mode } }

// silent has reuse on, but no timestamps.
func silent(s *host.Settings) { s.TWReuse, s.Timestamps = 1, 0 }

// patiently has reuse on after a delay.
func patiently(delay time.Duration) func(*host.Settings) {
	return func(s *host.Settings) { s.TWReuse, s.TWReuseDelay = 1, delay }
}

// waitingIn counts timewait sockets, with room for so many.
func waitingIn(room int, w host.TimeWait) *patient {
	p := healthy().set(func(s *host.Settings) { s.MaxTWBuckets = room })
	p.ns().TimeWait = &w
	return p
}

// after is the same with the count of an earlier look.
func (p *patient) after(w host.TimeWait) *patient {
	p.before(5 * time.Second)
	p.Earlier.Namespaces[0].TimeWait = &w
	return p
}

func finTimeout(d time.Duration) *patient {
	p := healthy().set(func(s *host.Settings) { s.FinTimeout = d })
	p.ns().TimeWait = &host.TimeWait{Sockets: 3}
	return p
}

func line(file string, n int, value string) *boot.Decision {
	return &boot.Decision{Value: value, Line: boot.Line{File: file, Line: n}}
}

func timeWaitSymptoms() map[string]symptom {
	recycle := boot.Setting{Key: port.KeyTWRecycle, Procps: line("/etc/sysctl.conf", 12, "1")}
	elsewhere := healthy().booted(recycle)
	elsewhere.Booted++
	return map[string]symptom{
		"tw-reuse-off": {
			healthy().with(clients(60, waits)...), healthy().set(reusing(1)).with(clients(60, waits)...),
			finding.Warning, []string{"60 ports", "40 of 100 left", "0 is off"}},
		"timestamps-off": {
			healthy().set(silent).with(clients(60, waits)...), healthy().set(reusing(1)).with(clients(60, waits)...),
			finding.Warning, []string{"tcp_tw_reuse is 1", "0 of the 60 ports"}},
		"tw-reuse-delay": {
			healthy().set(patiently(20 * time.Second)).with(clients(60, waits)...), healthy().set(reusing(1)).with(clients(60, waits)...),
			finding.Info, []string{"20 s instead of 1 s", "of the 60", "is 0 now"}},
		"tw-buckets-low": {
			waitingIn(100, host.TimeWait{Sockets: 80}), waitingIn(100, host.TimeWait{Sockets: 79}),
			finding.Warning, []string{"80 timewait sockets now", "leave 100"}},
		"tw-buckets-overflow": {
			waitingIn(262144, host.TimeWait{Overflows: 9}).after(host.TimeWait{Overflows: 4}), waitingIn(262144, host.TimeWait{}),
			finding.Warning, []string{"TCPTimeWaitOverflow is 9", "5 of them in the last 5 s"}},
		"cure-tw-recycle":  {healthy().booted(recycle), elsewhere, finding.Warning, []string{"/etc/sysctl.conf:12"}},
		"cure-fin-timeout": {finTimeout(59 * time.Second), finTimeout(time.Minute), finding.Info, []string{"59 s instead of 60 s", "3 sockets are"}},
	}
}

func TestEdgesOfReuse(t *testing.T) {
	waiting := func(n int, edit func(*host.Settings)) *patient { return healthy().set(edit).with(clients(n, waits)...) }
	severities(t, "tw-reuse-off", map[*patient]finding.Severity{
		waiting(9, reusing(0)): "", waiting(10, reusing(0)): finding.Info, waiting(49, reusing(2)): finding.Info, waiting(50, reusing(2)): finding.Warning})
	severities(t, "timestamps-off", map[*patient]finding.Severity{
		waiting(9, silent): "", waiting(10, silent): finding.Info, waiting(49, silent): finding.Info, waiting(50, silent): finding.Warning})
	severities(t, "tw-reuse-delay", map[*patient]finding.Severity{
		waiting(9, patiently(time.Minute)): "", waiting(10, patiently(time.Second+time.Millisecond)): finding.Info, waiting(60, patiently(time.Second)): ""})
}

// TestReuseOnLoopback has mode 2 speak of pools with a loopback address at either
// end, or bound to lo.
func TestReuseOnLoopback(t *testing.T) {
	bound := func(s *port.Socket) { s.Device = 1 }
	for name, tt := range map[string]struct {
		sockets []*port.Socket
		off     bool
	}{
		"far":                   {clients(60, waits), true},
		"a local address here":  {crowd(40000, 60, "127.0.0.1", "10.0.0.5:80", waits), false},
		"a remote address here": {crowd(40000, 60, "10.0.0.2", "127.0.0.1:80", waits), false},
		"bound to lo":           {clients(60, waits, bound), false},
	} {
		p := healthy().set(reusing(2)).with(tt.sockets...)
		if found := find(examine(p), "tw-reuse-off"); (len(found) == 1) != tt.off {
			t.Errorf("%s: %d findings that reuse is off", name, len(found))
		}
		p = healthy().set(patiently(20 * time.Second)).set(reusing(2)).with(tt.sockets...)
		if found := find(examine(p), "tw-reuse-delay"); (len(found) == 0) != tt.off {
			t.Errorf("%s: %d findings that the delay is long", name, len(found))
		}
	}
}

func TestEdgesOfBuckets(t *testing.T) {
	waiting := func(room int, sockets uint64) *patient { return waitingIn(room, host.TimeWait{Sockets: sockets}) }
	severities(t, "tw-buckets-low", map[*patient]finding.Severity{
		waiting(100, 79): "", waiting(100, 80): finding.Warning, waiting(99, 9): "", waiting(99, 10): finding.Info, healthy(): "",
		waiting(99, 0).booted(boot.Setting{Key: port.KeyMaxTWBuckets, Systemd: line("/etc/sysctl.d/10-old.conf", 3, "99")}): finding.Info})
	overflown := func() *patient { return waitingIn(262144, host.TimeWait{Overflows: 9}) }
	severities(t, "tw-buckets-overflow", map[*patient]finding.Severity{
		overflown(): finding.Info, overflown().after(host.TimeWait{Overflows: 9}): finding.Info,
		overflown().after(host.TimeWait{Overflows: 8}): finding.Warning, healthy(): ""})
	p := waitingIn(100, host.TimeWait{Sockets: 80, Overflows: 9})
	found := examine(p)
	if low, full := find(found, "tw-buckets-low"), find(found, "tw-buckets-overflow"); len(low) != 1 || len(full) != 1 || !low[0].IsCauseOf(&full[0]) ||
		commandsOf(&low[0])[0] != "ip netns exec lb1 sysctl -w net.ipv4.tcp_max_tw_buckets=262144" && p.ns().Ref == "lb1" {
		t.Errorf("findings %v, want the lack of room to explain the overflow", codesOf(found))
	}
}

func TestRoomForTimeWaitDoubles(t *testing.T) {
	for room, want := range map[int]string{100: "262144", 131072: "262144", 131073: "262146", 262144: "524288"} {
		p := waitingIn(room, host.TimeWait{Sockets: uint64(room)})
		found := find(examine(p), "tw-buckets-low")
		if len(found) != 1 || commandsOf(&found[0])[0] != "sysctl -w net.ipv4.tcp_max_tw_buckets="+want {
			t.Errorf("room for %d: %v", room, found)
		}
	}
}

func TestFinTimeoutNamesTheLines(t *testing.T) {
	p := finTimeout(15 * time.Second).booted(boot.Setting{
		Key: port.KeyFinTimeout, Systemd: line("/etc/sysctl.d/10-old.conf", 3, "15"), Procps: line("/etc/sysctl.d/10-old.conf", 3, "15"),
		Loses: []boot.Loser{{Line: boot.Line{File: "/etc/sysctl.conf", Line: 9}}},
	})
	found := find(examine(p), "cure-fin-timeout")
	if len(found) != 1 || !strings.HasSuffix(found[0].Evidence(), "; set in /etc/sysctl.d/10-old.conf:3, /etc/sysctl.conf:9") {
		t.Errorf("findings %v", found)
	}
}

// TestTheFirstStepAgainstTimeWait wants a setting first only where it is known to
// help at once.
func TestTheFirstStepAgainstTimeWait(t *testing.T) {
	const reuse, delay = "net.ipv4.tcp_tw_reuse=1", "net.ipv4.tcp_tw_reuse_delay=1000"
	blind := func(s *port.Socket) { s.Hold = port.HoldUnknown }
	late := func(s *port.Socket) { s.Quiet = 30 * time.Second }
	loop := crowd(40000, 60, "127.0.0.1", "127.0.0.1:80", waits, rests(60))
	for name, tt := range map[string]struct {
		settings func(*host.Settings)
		sockets  []*port.Socket
		want     string // of the first step; empty where it widens the range
		text     string
		left     int
	}{
		"peers are known to send timestamps": {reusing(0), clients(60, waits, rests(60)), reuse, "not across a NAT", 99},
		"all are too young to be reused":     {reusing(2), clients(60, waits), reuse, "not across a NAT", 99},
		"nobody can tell":                    {reusing(2), clients(60, waits, blind), "", "up to 408/s it stays below its half", 49002 - 60},
		"none has them":                      {reusing(2), clients(60, waits, unstamped), "", "", 49002 - 60},
		"reuse is on, and they have them":    {reusing(1), clients(60, waits, rests(60)), "", "", 49002 - 1},
		"reuse is on, and none has them":     {reusing(1), clients(60, waits, unstamped), "", "", 49002 - 60},
		"reuse is on for loopback":           {reusing(2), loop, "", "", 49002 - 1},
		"this end sends none":                {silent, clients(60, waits, unstamped), "", "", 49002 - 60},
		"reuse comes late":                   {patiently(20 * time.Second), clients(60, waits, late), delay, "not across a NAT", 99},
		"it is off and would come late": {
			func(s *host.Settings) { s.TWReuseDelay = 20 * time.Second }, clients(60, waits), reuse + " " + delay, "not across a NAT", 99},
	} {
		found := find(examine(healthy().set(tt.settings).with(tt.sockets...)), "time-wait-share")
		if len(found) != 1 {
			t.Errorf("%s: found %d times", name, len(found))
			continue
		}
		first := found[0].Actions[0]
		want := "sysctl -w " + tt.want
		if tt.want == "" {
			want = "portrange set 15000 64001 --reserve"
		}
		if first.Step != finding.Now || first.Command.String() != want || !strings.Contains(first.Text, tt.text) {
			t.Errorf("%s: first %+v, want %s", name, first, want)
		}
		if first.Effect == nil || first.Effect.Left != tt.left || first.Effect.Rate != 1 {
			t.Errorf("%s: effect %+v, want %d left", name, first.Effect, tt.left)
		}
		if second := found[0].Actions[1]; tt.want != "" && (second.Step != finding.Today || second.Setting != port.KeyRange) {
			t.Errorf("%s: second %+v, want a wider range that is not for now", name, second)
		}
		if last := found[0].Actions[len(found[0].Actions)-1]; last.Step != finding.InProgram || !strings.Contains(last.Text, "keep connections open") {
			t.Errorf("%s: last %+v", name, last)
		}
	}
}

// TestTheSecondStepAgainstTimeWait wants what may help said with its condition, and
// what cannot not at all.
func TestTheSecondStepAgainstTimeWait(t *testing.T) {
	blind := func(s *port.Socket) { s.Hold = port.HoldUnknown }
	for name, tt := range map[string]struct {
		settings func(*host.Settings)
		sockets  []*port.Socket
		step     finding.Step
		want     string
	}{
		"nobody can tell": {reusing(2), clients(60, waits, blind), finding.Now,
			"sysctl -w net.ipv4.tcp_tw_reuse=1: it helps where the other end sends TCP timestamps too"},
		"this end sends none": {silent, clients(60, waits, unstamped), finding.Now,
			"sysctl -w net.ipv4.tcp_timestamps=1: it holds for new connections; it helps where the other end"},
		"this end sends none, reuse is off": {func(s *host.Settings) { s.Timestamps = 0 }, clients(60, waits, unstamped), finding.Now,
			"sysctl -w net.ipv4.tcp_timestamps=1 net.ipv4.tcp_tw_reuse=1: it holds for new connections"},
		"the other end sends none": {reusing(2), clients(60, waits, unstamped), finding.Today,
			": turn TCP timestamps on at 10.0.0.5:80"},
	} {
		found := find(examine(healthy().set(tt.settings).with(tt.sockets...)), "time-wait-share")
		second := found[0].Actions[1]
		if got := second.Command.String() + ": " + second.Text; second.Step != tt.step || !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: second %s: %s, want %s", name, second.Step, got, tt.want)
		}
		if second.Effect == nil || second.Effect.Left != 99 {
			t.Errorf("%s: effect %+v, want 99 left", name, second.Effect)
		}
		hopeless := tt.step == finding.Today
		if hopeless && strings.Contains(textOf(found[0].Actions), "tcp_tw_reuse") {
			t.Errorf("%s: advises %s", name, textOf(found[0].Actions))
		}
	}
}

// TestKeepAliveForTheProgramAtHand looks for the page about the program that has
// connections to the destination now, or else had them at the earlier look.
func TestKeepAliveForTheProgramAtHand(t *testing.T) {
	waiting, open := clients(60, waits), more(60, 1)
	for command, want := range map[string]string{
		"nginx": "upstream block: keepalive 64;", "php-fpm8.2": "pconnect()", "python3.11": "requests.Session", "openresty": "proxy_http_version 1.1;",
		"nodeagent": "show", "my-service": "shows how for envoy, go, haproxy",
	} {
		process := host.Process{PID: 812, Command: command}
		now := healthy().with(append(waiting, open...)...).held(process, open...)
		earlier := healthy().with(waiting...)
		earlier.before(10*time.Second, open...)
		earlier.Earlier.Namespaces[0].Holdings = now.ns().Holdings
		for name, p := range map[string]*patient{"now": now, "earlier": earlier} {
			found := find(examine(p), "time-wait-share")
			last := found[0].Actions[len(found[0].Actions)-1]
			if !strings.Contains(last.Text, want) || last.Change != finding.KeepAlive || last.Process == nil || *last.Process != process {
				t.Errorf("%s, %s: %+v, want %q", command, name, last, want)
			}
		}
	}
}

// TestWhenTheWiderRangeFills says how long more room lasts.
func TestWhenTheWiderRangeFills(t *testing.T) {
	for rate, want := range map[int]string{
		400: "up to 408/s it stays below its half", 500: "past its half again in",
	} {
		p := healthy().set(as(32768, 60999)).with(crowd(32768, rate*60, "10.0.0.2", "10.0.0.5:80", waits, unstamped)...)
		found := find(examine(p), "time-wait-share")
		if first := found[0].Actions[0]; !strings.Contains(first.Text, want) {
			t.Errorf("%d/s: %s, want %s", rate, first.Text, want)
		}
	}
}

// TestReuseOffOfTheWorstPool tells of the pool with most ports in TIME_WAIT.
func TestReuseOffOfTheWorstPool(t *testing.T) {
	p := healthy().with(slices.Concat(
		clients(60, waits), more(60, 20), // most in use
		crowd(40000, 61, "10.0.0.2", "10.0.0.6:80", waits),
		crowd(40000, 20, "10.0.0.2", "10.0.0.8:80", waits),
		crowd(40000, 62, "10.0.0.2", "10.0.0.7:80", waits, unstamped), // reuse cannot help
	)...)
	found := find(examine(p), "tw-reuse-off")
	if len(found) != 1 || found[0].Subject.Remote != "10.0.0.6:80" || found[0].Subject.Value != "0" {
		t.Errorf("findings %v, want one of 10.0.0.6", found)
	}
	mute := healthy().set(func(s *host.Settings) { s.Timestamps = 0 }).with(clients(60, waits, unstamped)...)
	if found := find(examine(mute), "tw-reuse-off"); len(found) != 1 {
		t.Errorf("findings %v, want one, as this end sends no timestamps yet", found)
	}
}

func TestNoTimestampsIsSaid(t *testing.T) {
	p := healthy().with(clients(60, waits, unstamped)...)
	found := examine(p)
	if share := find(found, "time-wait-share"); len(share) != 1 || !strings.Contains(share[0].Evidence(), "none of these connections had TCP timestamps") {
		t.Errorf("findings %v, want one that says why nothing can be reused", share)
	}
	if off := find(found, "tw-reuse-off"); len(off) > 0 {
		t.Errorf("reuse cannot help, yet %s", off[0].Evidence())
	}
	if share := find(examine(healthy().with(clients(60, waits)...)), "time-wait-share"); strings.Contains(share[0].Evidence(), "timestamps") {
		t.Errorf("they had timestamps, yet %s", share[0].Evidence())
	}
}
