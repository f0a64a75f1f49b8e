package collect

import (
	"context"
	"fmt"

	"github.com/cilium/ebpf/btf"

	"portrange/internal/host"
	"portrange/internal/kernel/feature"
	"portrange/internal/kernel/sockdiag"
	"portrange/internal/kernel/sockiter"
)

// Options say how to look.
type Options struct {
	Source Source // the empty one is Auto
	// Root is the file system in which services are installed: "/" but in tests.
	Root string
}

// Collector keeps the doors open between looks. It is not for concurrent use.
type Collector struct {
	root     string
	want     host.Want
	programs *sockiter.Programs // nil where BPF is not used
	sources  []source           // in the order in which they are tried
	diag     *sockdiag.Reader   // nil where nobody asks for sockets
	features host.Features
	gaps     host.Gaps // what opening could not have
}

// needSockets and needFiles are what takes a pass over sockets and over the open
// files of processes.
const (
	needSockets = host.WantSockets | host.WantOwners | host.WantHolds | host.WantTotals
	needFiles   = host.WantOwners | host.WantHolds
)

// Open opens the doors to what is wanted, which looks may then ask for in whole
// or in part. With [Auto], BPF that does not load is a gap; with [BPF] it is an
// error.
func Open(ctx context.Context, options Options, want host.Want) (*Collector, error) {
	c := &Collector{root: options.Root, want: want}
	types := btf.NewCache() // decoding them takes longer than a look
	if want.Any(needSockets | host.WantRows) {
		if err := c.openSources(options.Source, types); err != nil {
			return nil, err
		}
	}
	if want.Has(host.WantFeatures) {
		c.features = feature.Probe(types, &c.gaps)
	}
	if err := ctx.Err(); err != nil {
		if failed := c.Close(); failed != nil {
			return nil, fmt.Errorf("%w; %w", err, failed)
		}
		return nil, err
	}
	return c, nil
}

func (c *Collector) openSources(choice Source, types *btf.Cache) error {
	c.diag = sockdiag.New()
	if choice == Netlink {
		c.sources = []source{netlinkSource{c.diag}}
		return nil
	}
	programs, err := sockiter.Open(sockiter.Options{
		Holders: c.want.Any(needFiles), Brief: !c.want.Has(host.WantRows), Types: types,
	}, &c.gaps)
	switch {
	case err != nil && choice == BPF:
		return fmt.Errorf("open source bpf: %w", err)
	case err != nil:
		c.gaps.Missing(host.PartBuckets, 0, err)
		c.sources = []source{netlinkSource{c.diag}}
		return nil
	}
	c.programs = programs
	if programs.HasTable() {
		c.sources = append(c.sources, tableSource{programs})
	}
	c.sources = append(c.sources, iteratorSource{programs, c.diag})
	if choice != BPF {
		c.sources = append(c.sources, netlinkSource{c.diag})
	}
	return nil
}

// Close unloads what Open loaded.
func (c *Collector) Close() error {
	if c.programs == nil {
		return nil
	}
	if err := c.programs.Close(); err != nil {
		return fmt.Errorf("close the socket source: %w", err)
	}
	return nil
}
