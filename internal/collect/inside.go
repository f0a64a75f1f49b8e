package collect

import (
	"context"
	"errors"
	"io/fs"
	"slices"

	"portrange/internal/host"
	"portrange/internal/kernel/limits"
	"portrange/internal/kernel/netfilter"
	"portrange/internal/kernel/netns"
	"portrange/internal/kernel/sockstat"
	"portrange/internal/kernel/sysctl"
	"portrange/internal/kernel/vrf"
	"portrange/internal/port"
)

// readInside reads the namespace that the calling thread is in. Without its
// settings nothing else of it has a meaning.
func (p *pass) readInside(ctx context.Context, s *site) (err error) {
	if s.ns.Settings, err = sysctl.Read(); err != nil {
		return err
	}
	if p.want.Any(needSockets) {
		s.masters, err = vrf.Masters()
		p.gaps.Missing(host.PartVRF, s.ns.ID, err)
	}
	if p.want.Has(host.WantLimits) {
		s.ns.Conntrack = read(&p.gaps, host.PartConntrack, s.ns.ID, func() (host.Conntrack, error) {
			table, err := limits.ReadConntrack()
			return table, unlessAbsent(err)
		})
	}
	if p.want.Has(host.WantTCP) {
		s.ns.TimeWait = read(&p.gaps, host.PartTimeWait, s.ns.ID, limits.ReadTimeWait)
	}
	if p.want.Any(host.WantNAT | host.WantClaims) { // the rules of kube-proxy are among them
		rules, gaps := netfilter.SourceNAT(ctx)
		s.ns.NAT = rules
		p.gaps.AddOf(s.ns.ID, gaps...)
	}
	if p.want.Any(host.WantOpened | host.WantTotals) {
		p.count(s)
	}
	return nil
}

// count reads the kernel's counters of sockets.
func (p *pass) count(s *site) {
	stats, err := sockstat.Read()
	if err != nil {
		p.gaps.Missing(host.PartTotals, s.ns.ID, err)
		return
	}
	s.ns.Opened = &stats.Opened
	if p.want.Has(host.WantTotals) {
		totals := stats.Totals()
		totals.NetNS, totals.Name = s.ns.ID, s.ns.Name
		s.ns.Totals = &totals
	}
}

// errAbsent: the kernel does not have it, and so nothing is missing.
var errAbsent = errors.New("not there")

func unlessAbsent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return errAbsent
	}
	return err
}

// read is what fn reads, nil with a gap where it fails.
func read[T any](gaps *host.Gaps, part host.Part, netns uint64, fn func() (T, error)) *T {
	value, err := fn()
	if err == nil {
		return &value
	}
	if !errors.Is(err, errAbsent) {
		gaps.Missing(part, netns, err)
	}
	return nil
}

// machine reads what all namespaces share.
func (p *pass) machine() {
	p.state.Features = p.features
	if p.want.Has(host.WantLimits) {
		p.state.Files = read(&p.gaps, host.PartFiles, 0, limits.ReadFiles)
	}
	if p.want.Has(host.WantTCP) {
		p.state.TCP = read(&p.gaps, host.PartTCP, 0, func() (host.TCP, error) {
			tcp, err := limits.ReadMachine()
			if errors.Is(err, fs.ErrNotExist) {
				err = errElsewhere
			}
			return tcp, err
		})
	}
	if p.want.Has(host.WantHost) {
		p.readHostRange()
	}
}

var errElsewhere = errors.New("they can be seen from the host's network namespace only")

// readHostRange takes the host's range from its own look, where there is one.
func (p *pass) readHostRange() {
	at := slices.IndexFunc(p.sites, func(s *site) bool { return s.target.Name == port.Host })
	if at >= 0 {
		ns := &p.sites[at].ns
		p.state.HostRange, p.state.HostNetNS = &ns.Settings.Range, ns.ID
		return
	}
	err := p.openHostRange()
	p.gaps.MissingObject(host.PartSettings, "the host's port range", 0, err)
}

func (p *pass) openHostRange() error {
	handle, err := netns.Open(port.Host)
	if err != nil {
		return err
	}
	defer handle.Close()
	return handle.Do(func() error {
		text, err := sysctl.Get(port.KeyRange)
		if err != nil {
			return err
		}
		ports, err := port.ParseRange(text)
		if err == nil {
			p.state.HostRange, p.state.HostNetNS = &ports, handle.ID
		}
		return err
	})
}
