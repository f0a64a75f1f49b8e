package sample

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"portrange/internal/host"
	"portrange/internal/kernel/netns"
	"portrange/internal/kernel/sysctl"
	"portrange/internal/kernel/vrf"
	"portrange/internal/port"
)

// Snapshot reads the targets. What could not be read is among the snapshot's
// gaps. The error is for a host of which nothing at all could be read.
func (s *Sampler) Snapshot(ctx context.Context, targets []Namespace) (*host.State, error) {
	p := &pass{Sampler: s}
	if err := p.identify(); err != nil {
		return nil, err
	}
	p.addGaps(s.gaps...)
	for _, target := range targets {
		p.readSettings(target)
	}
	if err := p.readSockets(ctx); err != nil {
		return nil, err
	}
	p.addGaps(p.ownerGaps...)
	for _, l := range p.looks {
		p.finish(l)
	}
	if len(p.snapshot.Namespaces) == 0 {
		return nil, nothing(p.failures)
	}
	return &p.snapshot, nil
}

// pass is one snapshot in the making.
type pass struct {
	*Sampler
	snapshot host.State
	looks    []*look
	failures []error
	// ownerGaps are apart because the pass over open files runs beside the rest.
	ownerGaps []host.Gap
}

// look is one namespace in the making.
type look struct {
	target Namespace
	ns     host.Namespace
	gaps   []host.Gap
	// masters are the VRFs that devices belong to.
	masters map[uint32]uint32
	failed  error // why there is nothing to show of it
}

func (p *pass) addGaps(gaps ...host.Gap) { p.snapshot.Gaps = append(p.snapshot.Gaps, gaps...) }

func (p *pass) identify() error {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return fmt.Errorf("read kernel release: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("read host name: %w", err)
	}
	p.snapshot.TakenAt = time.Now().UTC()
	p.snapshot.Host, p.snapshot.Kernel = host, unix.ByteSliceToString(uts.Release[:])
	return nil
}

// readSettings begins a look at the target. A namespace that has gone or may
// not be entered is a gap.
func (p *pass) readSettings(target Namespace) {
	l := &look{target: target, ns: host.Namespace{ID: target.ID, Name: target.String(), Ref: reference(target)}}
	err := within(target, func(*netns.Handle) (err error) {
		if l.ns.Settings, err = sysctl.Read(); err == nil {
			l.readMasters()
		}
		return err
	})
	if err != nil {
		p.fail(target, host.PartSettings, err)
		return
	}
	l.ns.Usage = l.newUsage()
	if p.owners {
		l.ns.Holdings = host.NewHoldings(countable(l.ns.Settings))
	}
	p.looks = append(p.looks, l)
}

// readMasters notes which devices belong to a VRF.
func (l *look) readMasters() {
	var err error
	if l.masters, err = vrf.Masters(); err != nil {
		l.gaps = append(l.gaps, host.Gap{Part: host.PartVRF, NetNS: l.ns.ID, Why: err.Error()})
	}
}

func (l *look) newUsage() *host.Usage {
	usage := host.NewUsage(l.ns.Settings)
	usage.Masters = l.masters
	return usage
}

// fail leaves a namespace out, with a gap that says why.
func (p *pass) fail(target Namespace, what host.Part, err error) {
	p.failures = append(p.failures, err)
	p.addGaps(host.Gap{Part: what, NetNS: target.ID, Why: err.Error()})
}

// finish puts a look into the snapshot.
func (p *pass) finish(l *look) {
	p.addGaps(l.gaps...)
	if l.failed != nil {
		p.fail(l.target, host.PartSockets, l.failed)
		return
	}
	p.snapshot.Namespaces = append(p.snapshot.Namespaces, l.ns)
}

// countable are the ports on which a connection may use one of a pool's.
func countable(settings host.Settings) *port.Set {
	set := settings.Range.Set()
	set.Subtract(settings.Reserved)
	return set
}

// nothing is the error of a host of which nothing could be read.
func nothing(failures []error) error {
	return cmp.Or(errors.Join(failures...), errors.New("no network namespace to look at"))
}

// readSockets walks the sockets of every namespace, and beside it, where the
// kernel tells owners in a pass of their own, the open files of all processes.
func (p *pass) readSockets(ctx context.Context) error {
	if p.owners && p.programs == nil {
		return p.readJoined(ctx)
	}
	group, ctx := errgroup.WithContext(ctx)
	if p.owners {
		group.Go(func() error { return p.readHolders(ctx) })
	}
	group.Go(func() error {
		for _, l := range p.looks {
			if err := p.walk(ctx, l, func(*port.Socket) {}); err != nil {
				return err
			}
		}
		return nil
	})
	return group.Wait()
}
