package collect

import (
	"context"
	"errors"
	"io/fs"

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
	if p.want.Has(host.WantLimits) {
		switch table, err := limits.ReadConntrack(); {
		case err == nil:
			s.ns.Conntrack = &table
		case !errors.Is(err, fs.ErrNotExist): // a kernel that tracks no connections is no gap
			p.gaps.Missing(host.PartConntrack, s.ns.ID, err)
		}
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
		if stats := read(&p.gaps, host.PartTotals, s.ns.ID, sockstat.Read); stats != nil {
			s.ns.Opened = &stats.Opened
			if p.want.Has(host.WantTotals) {
				totals := stats.Totals()
				totals.NetNS, totals.Name = s.ns.ID, s.ns.Name
				s.ns.Totals = &totals
			}
		}
	}
	if p.want.Any(needSockets) { // after the totals, which count the socket that this takes
		s.masters, err = vrf.Masters()
		p.gaps.Missing(host.PartVRF, s.ns.ID, err)
	}
	return nil
}

// read is what fn reads, nil with a gap where it fails.
func read[T any](gaps *host.Gaps, part host.Part, netns uint64, fn func() (T, error)) *T {
	value, err := fn()
	if err != nil {
		gaps.Missing(part, netns, err)
		return nil
	}
	return &value
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
	for _, s := range p.sites {
		if s.target.Name == port.Host {
			p.state.HostRange, p.state.HostNetNS = &s.ns.Settings.Range, s.ns.ID
			return
		}
	}
	handle, err := netns.Open(port.Host)
	if err == nil {
		defer handle.Close()
		err = handle.Do(func() error {
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
	p.gaps.MissingObject(host.PartSettings, "the host's port range", 0, err)
}
