package checkup

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"time"

	"portrange/internal/doctor"
	"portrange/internal/host"
	"portrange/internal/kernel/feature"
	"portrange/internal/kernel/limits"
	"portrange/internal/kernel/netfilter"
	"portrange/internal/kernel/netns"
	"portrange/internal/kernel/sysctl"
	"portrange/internal/port"
	"portrange/internal/sample"
)

// Options say how to look.
type Options struct {
	// Root is the file system whose files decide about the next boot and whose
	// services are installed: "/" but in tests.
	Root string
	// Interval is the time between two looks, from which rates follow; 0 for
	// one look.
	Interval time.Duration
	// Probe measures what connect() takes on this kernel.
	Probe bool

	// For tests: what passes the time between two looks, and a namespace to
	// which the files apply as they do to the host's.
	pause  func(context.Context, time.Duration) error
	booted uint64
}

// Run examines the targets. The sampler is to be opened with Owners and Rows, or
// processes are missing from the facts. The error is for a host of which nothing
// at all could be read, or for ctx; everything else is a gap.
func Run(ctx context.Context, sampler *sample.Sampler, targets []netns.Namespace, options Options) (*doctor.Facts, []host.Gap, error) {
	if options.pause == nil {
		options.pause = wait
	}
	r := &run{sampler: sampler, targets: targets, options: options}
	if err := r.look(ctx); err != nil {
		return nil, nil, err
	}
	if err := r.lookAgain(ctx); err != nil {
		return nil, nil, err
	}
	r.machine()
	r.insides(ctx)
	if err := r.services(ctx); err != nil {
		return nil, nil, err
	}
	r.processes()
	r.forecast()
	r.hosts()
	if err := r.cost(ctx); err != nil {
		return nil, nil, err
	}
	return &r.facts, unique(r.gaps), ctx.Err()
}

// run is one check-up in the making.
type run struct {
	sampler *sample.Sampler
	targets []netns.Namespace
	options Options
	facts   doctor.Facts
	gaps    []host.Gap
	booted  map[uint64]bool // namespaces to which the files apply
}

func (r *run) gap(what string, namespace uint64, err error) {
	r.gaps = append(r.gaps, host.Gap{Part: host.PartSettings, Object: what, NetNS: namespace, Why: err.Error()})
}

// look takes the sockets of all targets.
func (r *run) look(ctx context.Context) error {
	snapshot, err := r.sampler.Snapshot(ctx, r.targets)
	if err != nil {
		return err
	}
	r.gaps = append(r.gaps, snapshot.Gaps...)
	r.facts.Kernel = snapshot.Kernel
	for i := range snapshot.Namespaces {
		r.facts.Namespaces = append(r.facts.Namespaces, doctor.Namespace{Now: snapshot.Namespaces[i]})
	}
	return nil
}

func (r *run) target(id uint64) (netns.Namespace, bool) {
	for _, target := range r.targets {
		if target.ID == id {
			return target, true
		}
	}
	return netns.Namespace{}, false
}

// lookAgain takes the sockets and the overflows a second time, after the
// interval. A namespace that has gone meanwhile keeps its first look.
func (r *run) lookAgain(ctx context.Context) error {
	if r.options.Interval == 0 {
		return nil
	}
	for i := range r.facts.Namespaces {
		ns := &r.facts.Namespaces[i]
		ns.TimeWaitEarlier = r.timeWait(ns.Now.ID)
	}
	begin := time.Now()
	if err := r.options.pause(ctx, r.options.Interval); err != nil {
		return err
	}
	snapshot, err := r.sampler.Snapshot(ctx, r.targets)
	if err != nil {
		return err
	}
	r.replace(snapshot, time.Since(begin))
	return nil
}

// replace has the first look give way to a later one, and be the earlier one.
func (r *run) replace(later *host.State, elapsed time.Duration) {
	r.gaps = append(r.gaps, later.Gaps...)
	for i := range r.facts.Namespaces {
		ns := &r.facts.Namespaces[i]
		for _, now := range later.Namespaces {
			if now.ID == ns.Now.ID {
				earlier := ns.Now
				ns.Earlier, ns.Now, ns.Elapsed = &earlier, now, elapsed
			}
		}
	}
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// machine reads what all namespaces share.
func (r *run) machine() {
	var gaps []host.Gap
	r.facts.Features, gaps = feature.Probe()
	r.gaps = append(r.gaps, gaps...)
	if files, err := limits.ReadFiles(); err != nil {
		r.gap("limits of open files", 0, err)
	} else {
		r.facts.Machine.Files = &files
	}
	tcp, err := limits.ReadMachine()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.gap("limits of orphans and TCP memory", 0, errors.New("they can be seen from the host's network namespace only"))
	case err != nil:
		r.gap("limits of orphans and TCP memory", 0, err)
	default:
		r.facts.Machine.TCP = &tcp
	}
}

// insides reads what has to be read inside each namespace.
func (r *run) insides(ctx context.Context) {
	for i := range r.facts.Namespaces {
		ns := &r.facts.Namespaces[i]
		id := ns.Now.ID
		ns.TimeWait = r.timeWait(id)
		r.inside(id, "conntrack", func() error {
			table, err := limits.ReadConntrack()
			if err == nil {
				ns.Conntrack = &table
			}
			return absent(err)
		})
		r.inside(id, "netfilter rules", func() error {
			rules, gaps := netfilter.SourceNAT(ctx)
			for _, gap := range gaps {
				gap.NetNS = id
				r.gaps = append(r.gaps, gap)
			}
			ns.SourceNAT = rules
			return nil
		})
		r.inside(id, port.KeyStepWidth, func() error {
			_, err := sysctl.Get(port.KeyStepWidth)
			ns.HasStepWidth = err == nil
			return absent(err)
		})
	}
}

// absent forgives what a kernel does not have.
func absent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (r *run) timeWait(id uint64) (read *host.TimeWait) {
	r.inside(id, "limit of timewait sockets", func() error {
		w, err := limits.ReadTimeWait()
		if err == nil {
			read = &w
		}
		return err
	})
	return read
}

// inside runs fn in a namespace; its error is a gap.
func (r *run) inside(id uint64, what string, fn func() error) {
	target, known := r.target(id)
	if !known {
		return
	}
	if err := target.Do(fn); err != nil {
		r.gap(what, id, err)
	}
}

// unique keeps the first gap of several looks at one thing.
func unique(gaps []host.Gap) []host.Gap {
	kept := []host.Gap{}
	for _, gap := range gaps {
		known := slices.ContainsFunc(kept, func(k host.Gap) bool { return k.What() == gap.What() && k.NetNS == gap.NetNS })
		if !known {
			kept = append(kept, gap)
		}
	}
	return kept
}

// Unread lists the targets that a snapshot is without although they are still
// there.
func Unread(snapshot *host.State, targets []netns.Namespace) []netns.Namespace {
	var unread []netns.Namespace
	for _, target := range targets {
		read := slices.ContainsFunc(snapshot.Namespaces, func(ns host.Namespace) bool { return ns.ID == target.ID })
		if !read && !errors.Is(target.Do(func() error { return nil }), netns.ErrGone) {
			unread = append(unread, target)
		}
	}
	return unread
}
