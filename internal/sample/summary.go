package sample

import (
	"context"
	"errors"
	"fmt"

	"portrange/internal/host"
	"portrange/internal/kernel/netns"
	"portrange/internal/kernel/sockdiag"
	"portrange/internal/kernel/sockstat"
	"portrange/internal/kernel/sysctl"
	"portrange/internal/port"
)

// Summary reads the kernel's counters of sockets in the targets, and counts the
// bound TCP ports, which it has no counter for. The error is for a host of
// which nothing could be read.
func Summary(ctx context.Context, targets []Namespace) ([]host.Totals, []host.Gap, error) {
	var totals []host.Totals
	var gaps []host.Gap
	var failures []error
	for _, target := range targets {
		one, missing, err := summarize(ctx, target)
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		gaps = append(gaps, missing...)
		if err != nil {
			failures = append(failures, err)
			gaps = append(gaps, host.Gap{Part: host.PartTotals, NetNS: target.ID, Why: err.Error()})
			continue
		}
		totals = append(totals, one)
	}
	if len(totals) == 0 {
		return nil, nil, nothing(failures)
	}
	return totals, gaps, nil
}

func summarize(ctx context.Context, target Namespace) (totals host.Totals, gaps []host.Gap, err error) {
	err = within(target, func(*netns.Handle) error {
		stats, err := sockstat.Read()
		if err != nil {
			return err
		}
		settings, err := sysctl.Read()
		if err != nil {
			return err
		}
		totals = stats.Totals()
		totals.NetNS, totals.Name = target.ID, target.String()
		totals.Ports, gaps, err = boundPorts(ctx, settings.Range, target.ID)
		return err
	})
	return totals, gaps, err
}

// boundPorts counts the ports with a bind bucket. Which sockets have one,
// sock_diag tells without BPF; only how it was taken it does not.
func boundPorts(ctx context.Context, within port.Range, netns uint64) (host.PortTotals, []host.Gap, error) {
	var bound port.Set
	var gaps []host.Gap
	for s, err := range sockdiag.New().Sockets(ctx) {
		var gap *host.Gap
		switch {
		case errors.As(err, &gap):
			gaps = append(gaps, host.Gap{Part: gap.Part, Object: gap.Object, NetNS: netns, Why: gap.Why})
		case err != nil:
			return host.PortTotals{}, nil, fmt.Errorf("count bound ports: %w", err)
		case s.Proto == port.TCP && s.Hold != port.NotHeld:
			bound.Add(s.Local.Port())
		}
	}
	return host.PortTotals{Bound: bound.Len(), InRange: bound.CountIn(within.Set()), RangeSize: within.Size()}, gaps, nil
}
