package sample

import (
	"context"
	"errors"
	"fmt"

	"portrange/internal/kernel/netns"
	"portrange/internal/kernel/sockdiag"
	"portrange/internal/kernel/sockstat"
	"portrange/internal/kernel/sysctl"
	"portrange/internal/port"
)

// Summary reads the kernel's counters of sockets in the targets, and counts the
// bound TCP ports, which it has no counter for. The error is for a host of
// which nothing could be read.
func Summary(ctx context.Context, targets []Namespace) ([]port.Totals, []port.Gap, error) {
	var totals []port.Totals
	var gaps []port.Gap
	var failures []error
	for _, target := range targets {
		one, missing, err := summarize(ctx, target)
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		gaps = append(gaps, missing...)
		if err != nil {
			failures = append(failures, err)
			gaps = append(gaps, port.Gap{What: "totals", Namespace: target.ID, Why: err.Error()})
			continue
		}
		totals = append(totals, one)
	}
	if len(totals) == 0 {
		return nil, nil, nothing(failures)
	}
	return totals, gaps, nil
}

func summarize(ctx context.Context, target Namespace) (totals port.Totals, gaps []port.Gap, err error) {
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
func boundPorts(ctx context.Context, within port.Range, netns uint64) (port.PortTotals, []port.Gap, error) {
	var bound port.Set
	var gaps []port.Gap
	for s, err := range sockdiag.New().Sockets(ctx) {
		var gap *port.Gap
		switch {
		case errors.As(err, &gap):
			gaps = append(gaps, port.Gap{What: gap.What, Namespace: netns, Why: gap.Why})
		case err != nil:
			return port.PortTotals{}, nil, fmt.Errorf("count bound ports: %w", err)
		case s.Proto == port.TCP && s.Hold != port.NotHeld:
			bound.Add(s.Local.Port())
		}
	}
	return port.PortTotals{Bound: bound.Len(), InRange: bound.CountIn(within.Set()), RangeSize: within.Size()}, gaps, nil
}
