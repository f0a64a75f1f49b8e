package cure

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"portrange/internal/finding"
	"portrange/internal/nettest"
)

var update = flag.Bool("update", false, "write docs/cures.md")

// cause is one way to run out of ports, and how to see whether advice helps.
type cause struct {
	name string
	// setup is a shell script that prepares the world.
	setup string
	// servers are their environments, by the network namespace.
	servers map[string][]string
	// programs share the load, each with a manner of its own.
	programs []worker
	// fill is how many requests each program makes at first, as fast as it can, and
	// rate how many a second from then on.
	fill int
	rate float64
	// settles is how long a change takes to hold, where it needs a port to begin with.
	settles time.Duration
	// step is which action is carried out, the first for it; "" is the one for now.
	step finding.Step
	// examine is what the doctor is asked besides --json.
	examine []string
	// slow says that requests do not fail, but take long.
	slow bool
	// hold measures how far a prediction holds; nil where the action predicts nothing.
	hold meter
	// alone keeps other causes from running at the same time.
	alone bool
}

// worker is a program by its name and network namespace.
type worker struct {
	netns, name string
	manner      manner
}

// meter tells what was predicted, and what was measured of it.
type meter func(c *course) (what string, predicted, measured float64)

// course is how one proof runs.
type course struct {
	*cause
	*world
	programs      []*program
	did           advice
	before, after tally
}

// Thresholds of the proof.
const (
	falls = 0.95 // by how much failures have to fall
	near  = 0.20 // how far off a prediction may be
)

// spell is how long a load runs to be counted.
const spell = 2 * time.Second

var service = netip.MustParseAddrPort("10.0.0.2:80")

func to(remotes ...netip.AddrPort) manner { return manner{Remotes: remotes} }

// TestCures is the proof.
func TestCures(t *testing.T) {
	nettest.NeedRoot(t)
	rows := newTable()
	t.Run("cause", func(t *testing.T) {
		for _, c := range causes() {
			t.Run(c.name, func(t *testing.T) {
				if testing.Short() && c.name != "CLOSE_WAIT leak" {
					t.Skip("the proof is long")
				}
				if !c.alone {
					t.Parallel()
				}
				row, err := c.prove(t)
				if err != nil {
					t.Fatal(err)
				}
				rows.add(row)
			})
		}
	})
	if *update && !t.Failed() {
		if err := rows.write("../../docs/cures.md"); err != nil {
			t.Fatal(err)
		}
	}
}

// prove drives the world of a cause into the wall, asks, obeys and counts again.
func (c *cause) prove(t *testing.T) (row, error) {
	r := &course{cause: c, world: newWorld(t, c.setup)}
	for netns, list := range c.servers {
		for _, environment := range list {
			r.serve(netns, environment)
		}
	}
	for _, w := range c.programs {
		r.programs = append(r.programs, r.run(w.netns, w.name, w.manner))
	}
	if c.fill > 0 {
		r.all(order{Number: c.fill})
	}
	r.before = r.all(order{For: spell, PerSecond: c.rate})
	if !c.slow && r.before.share() < 0.1 {
		return row{}, fmt.Errorf("only %d of %d requests fail before: no exhaustion to cure",
			r.before.Failed, r.before.Requests)
	}
	found := r.doctor(c.examine...)
	var err error
	if r.did, err = found.first(cmp.Or(c.step, finding.Now)); err != nil {
		return row{}, err
	}
	t.Logf("before: %+v; %s of %s: %s", r.before, &r.did, r.did.Code, r.did.Text)
	if err := r.carryOut(&r.did, r.programs); err != nil {
		return row{}, fmt.Errorf("%w%s", err, found)
	}
	time.Sleep(c.settles)
	r.after = r.all(order{For: spell, PerSecond: c.rate})
	t.Logf("after: %+v", r.after)
	if err := r.cured(); err != nil {
		return row{}, fmt.Errorf("%w\nafter %s of %s%s", err, &r.did, r.did.Code, found)
	}
	return r.holds(found)
}

// all has the programs do their part at once, and adds up.
func (r *course) all(o order) (sum tally) {
	r.t.Helper()
	n := len(r.programs)
	o.PerSecond /= float64(n)
	for _, p := range r.programs {
		p.tell(o)
	}
	for _, p := range r.programs {
		one := p.answer()
		sum.Requests += one.Requests
		sum.Failed += one.Failed
		sum.Median = max(sum.Median, one.Median)
		sum.Took = max(sum.Took, one.Took)
		if one.Err != "" {
			sum.Err = one.Err
		}
	}
	return sum
}

func (r *course) cured() error {
	if r.slow {
		if 2*r.after.Median > r.before.Median {
			return fmt.Errorf("a connection took %v, and still takes %v", r.before.Median, r.after.Median)
		}
		return nil
	}
	if r.after.share() > (1-falls)*r.before.share() {
		return fmt.Errorf("%d of %d requests fail still (%s), before %d of %d",
			r.after.Failed, r.after.Requests, r.after.Err, r.before.Failed, r.before.Requests)
	}
	return nil
}

// holds measures what was predicted.
func (r *course) holds(found *examined) (row, error) {
	if r.did.Predicted == nil && r.hold == nil {
		return row{cause: r.cause, did: r.did, before: r.before, after: r.after}, nil
	}
	if r.did.Predicted == nil || r.hold == nil {
		return row{}, fmt.Errorf("%s of %s predicts %+v, against what this proof expects%s",
			&r.did, r.did.Code, r.did.Predicted, found)
	}
	what, predicted, measured := r.hold(r)
	r.t.Logf("%s: predicted %.0f, measured %.0f", what, predicted, measured)
	if measured < (1-near)*predicted || measured > (1+near)*predicted {
		return row{}, fmt.Errorf("%s: predicted %.0f, measured %.0f\nafter %s of %s%s",
			what, predicted, measured, &r.did, r.did.Code, found)
	}
	return row{r.cause, r.did, r.before, r.after, what, predicted, measured}, nil
}

// ceiling is the rate that the pool sustains: the program asks as fast as it can. A
// port that TIME_WAIT keeps for a second shows its rate after that.
func ceiling(r *course) (string, float64, float64) {
	r.all(order{For: 1500 * time.Millisecond})
	return "connections a second", r.did.Predicted.Ceiling, r.all(order{For: spell}).perSecond()
}

// keptFor is the rate that the pool sustains where it takes a minute to show: by
// Little's law the ports in use are the rate times how long each is kept.
func keptFor(r *course) (string, float64, float64) {
	t := r.all(order{For: 65 * time.Second, PerSecond: r.rate})
	kept := float64(r.used(r.manner().Remotes[0])) / t.perSecond()
	return "connections a second", r.did.Predicted.Ceiling, float64(r.did.Predicted.Size) / kept
}

// taken is how many ports the load leaves: the program goes on as it is.
func taken(r *course) (string, float64, float64) {
	predicted := r.did.Predicted.Size - r.did.Predicted.Left
	return "ports in use", float64(predicted), float64(r.established(r.manner().Remotes[0]))
}

// manner is that of the first program, now.
func (r *course) manner() manner { return r.programs[0].manner }

// room is how many ports are left: programs open connections, each as many as it may
// have files, until one fails.
func room(r *course) (string, float64, float64) {
	w := r.cause.programs[0]
	m := manner{UDP: w.manner.UDP, Remotes: w.manner.Remotes[:1], Silent: true, Keep: leaks, Whole: true}
	left := 0
	for more := true; more; {
		t := r.run(w.netns, "meter", m).do(order{Full: true})
		left, more = left+t.Requests-t.Failed, t.Files
	}
	if r.manner().Keep == leaks { // the load took some since the action
		left += r.after.Requests - r.after.Failed
	}
	return "ports left", float64(r.did.Predicted.Left), float64(left)
}

// used is how many ports connections to a remote have, as ss(8) counts them, and
// established how many of them are.
func (r *course) used(remote netip.AddrPort) int { return r.lines("all", remote) }

func (r *course) established(remote netip.AddrPort) int { return r.lines("established", remote) }

func (r *course) lines(state string, remote netip.AddrPort) int {
	r.t.Helper()
	w := r.cause.programs[0]
	out, err := r.inside(w.netns, nil, "ss", "-Htn", "state", state, "dst", remote.String()).Output()
	if err != nil {
		r.t.Fatalf("ss: %v", err)
	}
	return bytes.Count(out, []byte("\n"))
}

// TestRateOfPortsTakenOver has the doctor measure a load that two looks do not show,
// as each connection leaves its port as it found it, in TIME_WAIT.
func TestRateOfPortsTakenOver(t *testing.T) {
	nettest.NeedRoot(t)
	const rate = 400.0
	w := newWorld(t, "sysctl -qw net.ipv4.ip_local_port_range='40000 40999' net.ipv4.tcp_tw_reuse=1\n")
	w.serve("", listenOn(serveUntil, service.String()))
	p := w.run("", "nginx", to(service))
	p.do(order{For: 3 * time.Second, PerSecond: rate}) // now all ports wait
	p.tell(order{For: 4 * time.Second, PerSecond: rate})
	found := w.doctor("--interval", "2s")
	done := p.answer()
	for _, f := range found.Findings {
		if f.Code != "connection-rate" {
			continue
		}
		if got, real := f.Values.Float("rate"), done.perSecond(); got < (1-near)*real || got > (1+near)*real {
			t.Errorf("%.1f connections a second, and the doctor sees %.1f: %s", real, got, f.Evidence)
		}
		return
	}
	t.Errorf("no rate in %s", found)
}
