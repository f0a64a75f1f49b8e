package sample

import (
	"fmt"

	"portrange/internal/host"
	"portrange/internal/kernel/sockdiag"
	"portrange/internal/kernel/sockiter"
)

// Options say how to sample.
type Options struct {
	Source Source
	Owners bool // find the processes behind the sockets
	// Rows reads what [Sampler.Sockets] yields and a snapshot has no use for:
	// timers and inodes.
	Rows bool
}

// Sampler keeps the doors open between samples. It is not for concurrent use.
type Sampler struct {
	owners   bool
	programs *sockiter.Programs // nil where BPF is not used
	primary  source
	fallback source // for when the primary fails on the way; nil for none
	gaps     []host.Gap
}

// Open opens the doors that options ask for. With [Auto], BPF that does not
// load is a gap; with [BPF] it is an error.
func Open(options Options) (*Sampler, error) {
	diag := sockdiag.New()
	s := &Sampler{owners: options.Owners, primary: netlinkSource{diag}}
	if options.Source == Netlink {
		return s, nil
	}
	programs, err := sockiter.Open(sockiter.Options{Holders: options.Owners, Brief: !options.Rows})
	switch {
	case err == nil:
		s.programs, s.primary = programs, bpfSource{programs: programs, diag: diag, holders: options.Owners}
	case options.Source == BPF:
		return nil, fmt.Errorf("open source bpf: %w", err)
	default:
		s.gaps = append(s.gaps, host.Gap{Part: host.PartBuckets, Why: err.Error()})
		return s, nil
	}
	if options.Source == Auto {
		s.fallback = netlinkSource{diag}
	}
	return s, nil
}

// Close unloads what Open loaded.
func (s *Sampler) Close() error {
	if s.programs == nil {
		return nil
	}
	if err := s.programs.Close(); err != nil {
		return fmt.Errorf("close the socket source: %w", err)
	}
	return nil
}

// Gaps are what Open could not have.
func (s *Sampler) Gaps() []host.Gap { return s.gaps }
