package exact

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"portrange/internal/cli"
	"portrange/internal/collect"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/nettest"
)

var (
	scenarios = flag.Int("scenarios", 300, "number of random scenarios")
	routing   = flag.Bool("routing", true, "whether scenarios have rules and multipath routes, for which they need ip(8) of iproute2")
	firstSeed = flag.Uint64("seed", 1, "seed of the first scenario; the others follow")
)

// questionsEach is how many pools each scenario is asked about, one after the
// other, each from a new look.
const questionsEach = 3

// errLate tells that a scenario took so long that TIME_WAIT sockets became reusable
// between an answer and its count, which therefore proves nothing. The scenario
// ends there; when that was its first question, it runs again.
var errLate = errors.New("too slow for the reuse delay")

func TestMain(m *testing.M) { nettest.Main(m) }

// TestExact is the proof: what is said to be left is what the kernel grants,
// whichever way the sockets are read, and through netlink within the bound that
// is said with it.
func TestExact(t *testing.T) {
	nettest.NeedRoot(t)
	p, err := newProof(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.close(); err != nil {
			t.Error(err)
		}
	}()
	p.group = ownGroup(t)
	asked := 0
	for i := range *scenarios {
		seed := *firstSeed + uint64(i)
		n, err := p.attempt(t.Context(), seed)
		if err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		if asked += n; (i+1)%500 == 0 {
			t.Logf("%d scenarios so far", i+1)
		}
	}
	t.Logf("%d scenarios, %d pools asked about and emptied", *scenarios, asked)
	p.report(t)
	if asked == 0 {
		t.Error("no pool was asked about")
	}
}

// proof is what the scenarios share.
type proof struct {
	witnesses []witness
	nursery   *nettest.Namespace
	group     string // control group of the test
	vrfs      bool   // the kernel has them
	counts    map[string]*counts
}

// counts are how the answers of one class of questions through one witness fared.
type counts struct {
	answers, exact, refused int
	// right were not exact and right nevertheless; boundless of them also said to be
	// off by nothing. bounds is the sum of all bounds.
	right, boundless, bounds int
	doubts                   map[judge.Doubt]int
}

// add takes in an answer.
func (c *counts) add(a answer, granted int) {
	c.answers++
	switch {
	case a.refused != "":
		c.refused++
		return
	case a.exact:
		c.exact++
		return
	}
	for _, doubt := range a.doubts {
		c.doubts[doubt]++
	}
	c.bounds += a.bound
	if a.left != granted {
		return
	}
	if c.right++; a.bound == 0 {
		c.boundless++
	}
}

// needless reports whether more than a hundredth of the answers could have been
// called exact: they were right, and knew of nothing by which they might be off.
func (c *counts) needless() bool { return 100*c.boundless > c.answers }

func (p *proof) count(q question, said []answer, granted int) {
	for i, a := range said {
		key := q.class + ", " + p.witnesses[i].name
		if q.hooked {
			key += ", with programs"
		}
		c, known := p.counts[key]
		if !known {
			c = &counts{doubts: map[judge.Doubt]int{}}
			p.counts[key] = c
		}
		c.add(a, granted)
	}
}

func (p *proof) report(t *testing.T) {
	for _, key := range slices.Sorted(maps.Keys(p.counts)) {
		c := p.counts[key]
		inexact := c.answers - c.exact - c.refused
		t.Logf("%-50s %5d answers, %5d refused, %5d exact; %5d others, %5d of them right, bounds of %d on average, %v",
			key, c.answers, c.refused, c.exact, inexact, c.right, c.bounds/max(1, inexact), c.doubts)
		if c.needless() {
			t.Errorf("%s: %d of %d answers were right and said to be off by nothing, yet not exact",
				key, c.boundless, c.answers)
		}
	}
}

// witness is one way to read sockets.
type witness struct {
	name string
	*collect.Collector
}

func newProof(ctx context.Context) (*proof, error) {
	p := &proof{counts: map[string]*counts{}}
	for name, how := range map[string]struct {
		source collect.Source
		want   host.Want
	}{
		"bind buckets": {collect.BPF, host.WantSockets},
		"iterators":    {collect.BPF, host.WantSockets | host.WantRows}, // as where the kernel is too old for the buckets
		"netlink":      {collect.Netlink, host.WantSockets},
	} {
		collector, err := collect.Open(ctx, collect.Options{Source: how.source}, how.want)
		if err != nil {
			return nil, errors.Join(err, p.close())
		}
		p.witnesses = append(p.witnesses, witness{name, collector})
	}
	var err error
	if p.nursery, err = nursery(); err != nil {
		return nil, errors.Join(err, p.close())
	}
	p.vrfs = p.nursery.AddVRF(blue, 10) == nil
	return p, nil
}

func (p *proof) close() error {
	var errs []error
	for _, w := range p.witnesses {
		errs = append(errs, w.Close())
	}
	if p.nursery != nil {
		errs = append(errs, p.nursery.Close())
	}
	return errors.Join(errs...)
}

// attempt runs a scenario, again where the machine was too slow for it.
func (p *proof) attempt(ctx context.Context, seed uint64) (asked int, err error) {
	const tries = 20
	for range tries {
		if asked, err = p.run(ctx, seed); !errors.Is(err, errLate) {
			return asked, err
		}
	}
	return asked, fmt.Errorf("%w in %d tries", err, tries)
}

func (p *proof) run(ctx context.Context, seed uint64) (asked int, err error) {
	sc, err := p.build(seed)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, sc.close()) }()
	for range questionsEach {
		q := sc.question()
		q.hooked = len(sc.hooks) > 0
		err := sc.check(ctx, p, q)
		if errors.Is(err, errLate) && asked > 0 {
			return asked, nil
		}
		if err != nil {
			return asked, err
		}
		asked++
	}
	return asked, nil
}

// check compares the answers with the kernel's, and now and then whether the
// emptied pool is seen to be empty.
func (sc *scenario) check(ctx context.Context, p *proof, q question) error {
	witnesses := p.witnesses
	said, err := sc.answers(ctx, witnesses, q)
	if err != nil {
		return err
	}
	granted, err := q.exhaust(sc.enough())
	if sc.late() {
		return errLate
	}
	if q.wayless {
		return sc.wayless(p, q, said, granted, err)
	}
	if err != nil {
		return fmt.Errorf("%s after %d sockets: %w\n%s", q.story(), granted, err, sc.story())
	}
	p.count(q, said, granted)
	if err := sc.compare(witnesses, q, said, granted); err != nil || granted >= sc.enough() {
		return err
	}
	if q.connect != nil && granted > 0 && sc.chance(0.5) {
		return q.holdsWay(said)
	}
	if !sc.chance(0.25) {
		return nil
	}
	if said, err = sc.answers(ctx, witnesses, q); err != nil {
		return err
	}
	return sc.compare(witnesses, q, said, 0)
}

// answers asks all witnesses.
func (sc *scenario) answers(ctx context.Context, witnesses []witness, q question) ([]answer, error) {
	var said []answer
	for _, w := range witnesses {
		seen, err := look(ctx, w.Collector, sc.Namespace)
		if err != nil {
			return nil, fmt.Errorf("through %s: %w", w.name, err)
		}
		if q.judged != nil {
			said = append(said, q.judged(&seen.State.Namespaces[0]))
			continue
		}
		a, err := left(ctx, seen, q.args)
		if err != nil {
			return nil, fmt.Errorf("through %s: %w", w.name, err)
		}
		said = append(said, a)
	}
	return said, nil
}

// wayless holds that no connection came about where none can, for want of anything
// but ports, and that no answer promised any.
func (sc *scenario) wayless(p *proof, q question, said []answer, granted int, why error) error {
	for i, a := range said {
		if granted > 0 || why == nil || a.refused == "" && a.exact && a.left > 0 {
			return fmt.Errorf("%s: granted %d, %v; through %s: said %+v\n%s",
				q.story(), granted, why, p.witnesses[i].name, a, sc.story())
		}
	}
	p.count(q, said, granted)
	return nil
}

func (sc *scenario) compare(witnesses []witness, q question, said []answer, granted int) error {
	for i, a := range said {
		if a.refused != "" || !sc.agrees(a, granted) {
			return fmt.Errorf("%s, through %s: said %+v, the kernel granted %d\n%s",
				q.story(), witnesses[i].name, a, granted, sc.story())
		}
	}
	return nil
}

// late reports whether young TIME_WAIT sockets may be reusable by now.
func (sc *scenario) late() bool {
	return sc.reuse && sc.delay > time.Millisecond && time.Since(sc.freshSince) > sc.delay
}

func (sc *scenario) story() string { return "\t" + strings.Join(sc.log, "\n\t") }

// look takes a look at one namespace and insists that it is whole.
func look(ctx context.Context, collector *collect.Collector, n *nettest.Namespace) (seen cli.Seen, err error) {
	targets, gaps, err := collect.Targets(ctx, n.Path())
	if err != nil {
		return seen, err
	}
	state, err := collector.Look(ctx, targets, host.WantSockets)
	if err != nil {
		return seen, err
	}
	if gaps = append(gaps, state.Gaps...); len(gaps) > 0 {
		return seen, fmt.Errorf("read %s: %s", gaps[0].What(), gaps[0].Why)
	}
	return cli.Seen{State: state, Targets: targets}, nil
}
