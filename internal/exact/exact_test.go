package exact

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"portrange/internal/nettest"
	"portrange/internal/port"
	"portrange/internal/sample"
)

var (
	scenarios = flag.Int("scenarios", 200, "number of random scenarios")
	firstSeed = flag.Uint64("seed", 1, "seed of the first scenario; the others follow")
)

// questionsEach is how many pools each scenario is asked about, one after the
// other, each from a new snapshot.
const questionsEach = 3

// errLate tells that a scenario took so long that TIME_WAIT sockets ripened
// between an answer and its count, which therefore proves nothing. The scenario
// ends there; when that was its first question, it runs again.
var errLate = errors.New("too slow for the reuse delay")

func TestMain(m *testing.M) { nettest.Main(m) }

// TestExact is the proof: what is said to be left is what the kernel grants.
func TestExact(t *testing.T) {
	nettest.NeedRoot(t)
	p, err := newProof()
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
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
	if asked == 0 {
		t.Error("no pool was asked about")
	}
}

// proof is what the scenarios share.
type proof struct {
	sampler *sample.Sampler
	nursery *nettest.Namespace
}

func newProof() (*proof, error) {
	sampler, err := sample.Open(sample.Options{Source: sample.BPF})
	if err != nil {
		return nil, err
	}
	nursery, err := nursery()
	if err != nil {
		return nil, errors.Join(err, sampler.Close())
	}
	return &proof{sampler: sampler, nursery: nursery}, nil
}

func (p *proof) close() { _ = errors.Join(p.sampler.Close(), p.nursery.Close()) }

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
	sc, err := build(p.nursery, seed)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, sc.Close()) }()
	for range questionsEach {
		err := sc.check(ctx, p.sampler, sc.question())
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

// check compares one answer with the kernel's, and now and then whether the
// emptied pool is seen to be empty.
func (sc *scenario) check(ctx context.Context, sampler *sample.Sampler, q question) error {
	ns, err := look(ctx, sampler, sc.Namespace)
	if err != nil {
		return err
	}
	want := q.ask(ns)
	granted, err := q.exhaust()
	if sc.late() {
		return errLate
	}
	if err != nil {
		return fmt.Errorf("%s after %d sockets: %w\n%s", q.name, granted, err, sc.story())
	}
	if granted > want.left || granted < want.left-want.bound {
		return fmt.Errorf("%s: said %d left (bound %d), the kernel granted %d\n%s", q.name, want.left, want.bound, granted, sc.story())
	}
	if !sc.chance(0.25) {
		return nil
	}
	if ns, err = look(ctx, sampler, sc.Namespace); err != nil {
		return err
	}
	if after := q.ask(ns); after.left > after.bound {
		return fmt.Errorf("%s: said %d left (bound %d) when empty\n%s", q.name, after.left, after.bound, sc.story())
	}
	return nil
}

// late reports whether young TIME_WAIT sockets may have ripened by now.
func (sc *scenario) late() bool {
	return sc.reuse && sc.delay > time.Millisecond && time.Since(sc.freshSince) > sc.delay
}

func (sc *scenario) story() string { return "\t" + strings.Join(sc.log, "\n\t") }

// look takes a snapshot of one namespace and insists that it is whole.
func look(ctx context.Context, sampler *sample.Sampler, n *nettest.Namespace) (*port.Namespace, error) {
	targets, gaps, err := sample.Targets(ctx, n.Path())
	if err != nil {
		return nil, err
	}
	snapshot, err := sampler.Snapshot(ctx, targets)
	if err != nil {
		return nil, err
	}
	if gaps = append(gaps, snapshot.Gaps...); len(gaps) > 0 {
		return nil, &gaps[0]
	}
	return &snapshot.Namespaces[0], nil
}
