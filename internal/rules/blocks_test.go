package rules

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/port"
)

// blocksOf are the blocks of a patient as their codes, the cause first.
func blocksOf(p *patient) []string {
	var all []string
	for _, block := range finding.Blocks(examine(p)) {
		all = append(all, strings.Join(append([]string{block.Cause.Code()}, codesOf(block.Effects)...), " "))
	}
	return all
}

// ownedWith has one process hold all that is open.
func ownedWith(p *patient, sockets ...*port.Socket) *patient {
	p.with(sockets...)
	for _, s := range sockets {
		if s.State != port.TimeWait && s.Proto == port.TCP {
			p.held(envoy(), s)
		}
	}
	return p
}

func more(first, n int, edit ...func(*port.Socket)) []*port.Socket {
	return crowd(40000+first, n, "10.0.0.2", "10.0.0.5:80", edit...)
}

// TestOneFaultIsOneBlock rebuilds what empties a pool, one cause at a time: there
// is one block, and all that is seen of the pool is in it.
func TestOneFaultIsOneBlock(t *testing.T) {
	for name, tt := range map[string]struct {
		p    *patient
		want []string
	}{
		"TIME_WAIT": {
			ownedWith(healthy(), append(clients(60, waits), more(60, 40)...)...),
			[]string{"time-wait-share pool-full local-pool-full tw-reuse-off range-narrow"}},
		"TIME_WAIT without timestamps": {
			healthy().with(clients(100, waits, unstamped)...),
			[]string{"time-wait-share pool-full local-pool-full range-narrow"}},
		"TIME_WAIT under reuse that does nothing": {
			healthy().set(silent).with(clients(90, waits, unstamped)...),
			[]string{"time-wait-share pool-near-full local-pool-near-full timestamps-off range-narrow"}},
		"TIME_WAIT under reuse that comes late": {
			healthy().set(patiently(20 * time.Second)).with(clients(90, waits)...),
			[]string{"time-wait-share pool-near-full local-pool-near-full range-narrow tw-reuse-delay"}},
		"TIME_WAIT that fills": {
			healthy().with(clients(60, waits)...).before(10*time.Second, clients(10, waits)...),
			[]string{"time-wait-share pool-filling pool-past-half connection-rate tw-reuse-off range-narrow"}},
		"a leak of CLOSE_WAIT": {
			ownedWith(healthy(), append(clients(80, lingers), more(80, 20)...)...),
			[]string{"close-wait-leak pool-full local-pool-full range-narrow"}},
		"a leak of CLOSE_WAIT that fills": {
			ownedWith(healthy(), clients(60, lingers)...).before(10*time.Second, clients(10, lingers)...),
			[]string{"close-wait-leak pool-filling pool-past-half range-narrow connection-rate"}},
		"a small leak of CLOSE_WAIT in a process of many connections": {
			ownedWith(healthy(), append(clients(10, lingers), more(10, 90)...)...),
			[]string{"close-wait-leak pool-full local-pool-full range-narrow one-process"}},
		"a leak in a container with fewer ports than the host": {
			ownedWith(healthy(), clients(100, lingers)...).beside(15000, 64001),
			[]string{"close-wait-leak pool-full local-pool-full range-narrow other-range"}},
		"one process": {
			ownedWith(healthy(), clients(100)...), []string{"one-process pool-full local-pool-full range-narrow"}},
		"one process in a container with fewer ports than the host": {
			ownedWith(healthy(), clients(100)...).beside(15000, 64001), []string{"one-process pool-full local-pool-full range-narrow other-range"}},
		"many processes": {healthy().with(clients(100)...), []string{"pool-full range-narrow local-pool-full"}},
		"many processes that open more": {
			healthy().with(clients(90)...).before(10*time.Second, clients(40)...),
			[]string{"pool-filling pool-near-full local-pool-near-full range-narrow connection-rate"}},
		"a default range": {
			healthy().set(as(32768, 60999)).with(crowd(32768, 28232, "10.0.0.2", "10.0.0.5:80")...),
			[]string{"pool-full range-default-busy local-pool-full"}},
		"bind() before connect()": {
			ownedWith(healthy(), clients(100, binds)...), []string{"bind-before-connect local-pool-full range-withheld range-narrow"}},
		"bind() before connect() beside a full pool": {
			healthy().with(append(clients(60, binds), more(60, 40)...)...),
			[]string{"bind-before-connect pool-full local-pool-full range-withheld range-narrow"}},
		"reserved ports": {
			healthy().set(func(s *host.Settings) { s.Reserved = set("40000-40079") }).with(more(80, 20)...),
			[]string{"range-withheld pool-full local-pool-full range-narrow", "reserved-unused"}},
		"TIME_WAIT and a leak": {
			healthy().with(append(clients(70, waits), more(70, 30, lingers)...)...),
			[]string{"time-wait-share pool-full local-pool-full tw-reuse-off range-narrow close-wait-leak"}},
		"a few bound ports beside a full pool": {
			healthy().with(append(clients(9, binds), more(9, 91, waits)...)...),
			[]string{"time-wait-share pool-full local-pool-full tw-reuse-off range-narrow", "bind-before-connect"}},
		"UDP": {healthy().with(clients(100, udp)...), []string{"local-pool-full range-narrow"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, blocksOf(tt.p)); diff != "" {
				t.Errorf("blocks (-want +got): %s", diff)
			}
			related := examine(tt.p)
			if related[0].Severity == finding.Info || !slices.IsSortedFunc(finding.Blocks(related), func(a, b finding.Block) int {
				return finding.CompareSeverity(a.Cause.Severity, b.Cause.Severity)
			}) {
				t.Errorf("the worst is not first: %v", codesOf(related))
			}
			showAgrees(t, tt.p, related)
		})
	}
}

// showAgrees wants show to name the same cause and the same first step as doctor,
// where it says anything: it does not look twice, and so knows of no rates.
func showAgrees(t *testing.T, p *patient, examined []finding.Finding) {
	t.Helper()
	shown := Pools(p.Now)
	if p.Earlier != nil || len(shown) == 0 {
		return
	}
	show, doctor := finding.Blocks(shown)[0].Cause, finding.Blocks(examined)[0].Cause
	if show.Code() != doctor.Code() || textOf(show.Actions[:1]) != textOf(doctor.Actions[:1]) {
		t.Errorf("show: %s, %s; doctor: %s, %s", show.Code(), textOf(show.Actions[:1]), doctor.Code(), textOf(doctor.Actions[:1]))
	}
}

// TestTwoFullPoolsAreTwoBlocks keeps the causes of different pools apart.
func TestTwoFullPoolsAreTwoBlocks(t *testing.T) {
	p := healthy().with(append(clients(100, lingers), crowd(40000, 100, "10.0.0.2", "10.0.0.6:80", waits)...)...)
	var heads []string
	for _, block := range finding.Blocks(examine(p)) {
		heads = append(heads, block.Cause.Code()+" "+block.Cause.Subject.Remote)
		for _, f := range block.Effects {
			if f.Subject.Remote != "" && f.Subject.Remote != block.Cause.Subject.Remote {
				t.Errorf("%s of %s is in the block of %s", f.Code(), f.Subject.Remote, block.Cause.Subject.Remote)
			}
		}
	}
	if want := []string{"close-wait-leak 10.0.0.5:80", "time-wait-share 10.0.0.6:80"}; !slices.Equal(heads, want) {
		t.Errorf("blocks %q, want %q", heads, want)
	}
}

// TestNothingInALeakHelpsItOn wants no advice about a leak but to close sockets.
func TestNothingInALeakHelpsItOn(t *testing.T) {
	leak := ownedWith(healthy(), append(clients(80, lingers), more(80, 20)...)...).beside(15000, 64001)
	found := examine(leak)
	if len(find(found, "pool-full")) != 1 || found[0].Code() != "close-wait-leak" || found[0].Severity != finding.Critical {
		t.Fatalf("findings %v, want the leak first and the full pool with it", codesOf(found))
	}
	var all []finding.Action
	for i := range found {
		all = append(all, found[i].Actions...)
	}
	text := textOf(all)
	for _, never := range []string{"tcp_tw_reuse", "keep connections open", "portrange set", "keep-alive", "ip_local_port_range"} {
		if strings.Contains(text, never) {
			t.Errorf("advises %q: %s", never, text)
		}
	}
	for _, want := range []string{"no timeout ends this state", "envoy (pid 812)", "close its sockets", "--state close-wait", "--process envoy"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing: %s", want, text)
		}
	}
	if effect := found[0].Actions[0].Effect; effect == nil || effect.Left != 80 {
		t.Errorf("the first step is predicted to give %+v, want 80 ports", effect)
	}
}

// TestTheFirstStepCures wants from each cause a first step that gives ports.
func TestTheFirstStepCures(t *testing.T) {
	for name, tt := range map[string]struct {
		p     *patient
		code  string
		first string
		share float64 // of the pool, predicted at most
	}{
		"TIME_WAIT":               {healthy().with(clients(100, waits)...), "time-wait-share", "sysctl -w net.ipv4.tcp_tw_reuse=1", 0.02},
		"one process":             {ownedWith(healthy(), clients(100)...), "one-process", "portrange set 15000 64001 --reserve", 0.01},
		"many processes":          {healthy().with(clients(100)...), "pool-full", "portrange set 15000 64001 --reserve", 0.01},
		"TIME_WAIT below half":    {healthy().with(append(clients(40, waits), more(40, 60)...)...), "pool-full", "sysctl -w net.ipv4.tcp_tw_reuse=1", 0.61},
		"bind() before connect()": {ownedWith(healthy(), clients(100, binds)...), "bind-before-connect", "portrange set 15000 64001 --reserve", 0},
		"reserved": {
			healthy().set(func(s *host.Settings) { s.Reserved = set("40000-40099") }), "range-withheld", "portrange set 15000 64001 --reserve", 0},
		"another range": {
			ownedWith(healthy(), clients(100)...).beside(15000, 64001), "other-range", "portrange set 15000 64001 --reserve", 0.01},
		"filling": {
			healthy().with(clients(90)...).before(10*time.Second, clients(40)...), "pool-filling", "portrange set 15000 64001 --reserve", 0.01},
		"UDP": {healthy().with(clients(100, udp)...), "local-pool-full", "portrange set 15000 64001 --reserve", 0.01},
	} {
		found := find(examine(tt.p), tt.code)
		if len(found) != 1 || len(found[0].Actions) == 0 {
			t.Errorf("%s: findings %v, want %s with actions", name, codesOf(examine(tt.p)), tt.code)
			continue
		}
		first := found[0].Actions[0]
		if first.Step != finding.Now || first.Command.String() != tt.first || first.Effect == nil || first.Effect.Share > tt.share || first.Effect.Left == 0 {
			t.Errorf("%s: first step %s, predicted %+v; want %s", name, textOf([]finding.Action{first}), first.Effect, tt.first)
		}
		if order := []finding.Step{finding.Now, finding.Today, finding.InProgram}; !slices.IsSortedFunc(found[0].Actions, func(a, b finding.Action) int {
			return slices.Index(order, a.Step) - slices.Index(order, b.Step)
		}) {
			t.Errorf("%s: steps out of order: %s", name, textOf(found[0].Actions))
		}
	}
}

func TestSocketsOfProcess(t *testing.T) {
	for name, want := range map[string]string{
		"nginx": "nginx", "beam.smp": "beam.smp", "kworker-1": "kworker-1", "7zip": "7zip",
		"": "812", "42": "812", "a,b": "812", `a"b`: "812", "-v": "812", "my prog": "812", "é": "812",
	} {
		owners := []judge.Owner{{Process: host.Process{PID: 812, Command: name}}}
		command := socketsOf(&Place{NS: &host.Namespace{}}, &judge.Pool{}, owners, "")
		if got := command[len(command)-1]; got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}

// TestHalfClosed lets the timeout help only those that no process holds, and
// promises nothing of it where that is not known.
func TestHalfClosed(t *testing.T) {
	const timeout, wide = "sysctl -w net.ipv4.tcp_fin_timeout=15", "portrange set 15000 64001 --reserve"
	sockets := append(clients(60, halfCloses), more(60, 40)...)
	quick := healthy().set(func(s *host.Settings) { s.FinTimeout = shortFinTimeout }).with(sockets...)
	half := func() *patient { return healthy().with(sockets...).held(envoy(), sockets[30:]...) }
	worker := host.Process{PID: 813, Command: "envoy"}
	for name, tt := range map[string]struct {
		p           *patient
		first, says string
		left        int
		orphaned    any // nil where it is not known
	}{
		"nobody can tell":     {healthy().with(sockets...), wide, "the other has not", 48902, nil},
		"not all can be seen": {half().but(func(p *patient) { p.ns().Holdings.Partial = true }), wide, "the other has not", 48902, nil},
		"processes share":     {half().held(worker, sockets[30:]...), timeout, "30 of them", 23, 30},
		"no process has them": {healthy().with(sockets...).held(envoy(), sockets[60:]...), timeout, "60 of them have no process any more and end after 60 s", 45, 60},
		"a process has half":  {healthy().with(sockets...).held(envoy(), sockets[30:]...), timeout, "30 of them", 23, 30},
		"a process has more":  {healthy().with(sockets...).held(envoy(), sockets[29:]...), wide, "29 of them", 48902, 29},
		"a process has all":   {healthy().with(sockets...).held(envoy(), sockets...), wide, "a process still holds each of them", 48902, 0},
		"TIME_WAIT has no process either": {
			healthy().with(append(clients(60, halfCloses), more(60, 40, waits)...)...).held(envoy(), sockets[:30]...), timeout, "30 of them", 23, 30},
		"it is short already": {quick.held(envoy(), sockets[60:]...), wide, "60 of them have no process any more and end after 15 s", 48902, 60},
	} {
		found := examine(tt.p)
		if found[0].Code() != "fin-wait2-share" || found[0].Severity != finding.Critical {
			t.Errorf("%s: findings %v, want the half-closed connections first", name, codesOf(found))
			continue
		}
		f := &found[0]
		if got := commandsOf(f)[0]; got != tt.first || f.Actions[0].Effect.Left != tt.left {
			t.Errorf("%s: first %s with %+v, want %s", name, got, f.Actions[0].Effect, tt.first)
		}
		if !strings.Contains(f.Evidence(), tt.says) || f.Values.Get("orphaned") != tt.orphaned {
			t.Errorf("%s: %s", name, f.Evidence())
		}
	}
}

// TestShowTellsOfPoolsAndOfWhatFillsThem has show pass over what explains nothing
// and over settings.
func TestShowTellsOfPoolsAndOfWhatFillsThem(t *testing.T) {
	for name, tt := range map[string]struct {
		p    *patient
		want []string
	}{
		"a full pool in TIME_WAIT":      {healthy().with(clients(100, waits)...), []string{"time-wait-share", "pool-full", "local-pool-full"}},
		"a little TIME_WAIT":            {healthy().with(clients(20, waits)...), []string{}},
		"bound before connect, but few": {healthy().with(clients(5, binds)...), []string{"bind-before-connect"}},
		"a narrow range, idle":          {healthy(), []string{}},
	} {
		if got := codesOf(Pools(tt.p.Now)); !slices.Equal(got, tt.want) {
			t.Errorf("%s: show tells of %v, want %v", name, got, tt.want)
		}
	}
}

// TestShowNeedsOneLookAtSockets keeps rules that need more out of show.
func TestShowNeedsOneLookAtSockets(t *testing.T) {
	for _, rule := range All() {
		if more := rule.Needs &^ (host.WantSockets | host.WantOwners); rule.Show != NotShown && (more != 0 || rule.Namespace == nil) {
			t.Errorf("%s is shown and needs %b more", rule.Code, more)
		}
	}
}
