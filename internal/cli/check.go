package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"portrange/internal/collect"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/report"
)

const checkLong = `A plugin for Nagios, Icinga, Sensu and others that follow the Monitoring
Plugins guidelines: one line with performance data, and an exit code: 0 OK, 1
WARNING, 2 CRITICAL, 3 UNKNOWN (whatever went wrong, wrong usage and a crash
included).

All pools of the namespaces asked for are looked at, and the worst is named:
TCP by destination, UDP by local address, and what a new destination would
find. A threshold is a share of the pool taken, such as 85%, or a number of
ports left, such as 2000; it is reached at that value. Ports in TIME_WAIT that
connect() may take over count as left.

With --netns all the host's namespace comes first. Where time runs out among
many, the line names the worst so far and says how many were read; where all is
well so far it is UNKNOWN.

It works for every user. Without BPF, ports bound before connect() cannot be
told apart; then the line says "not exact".`

const checkExample = `  portrange check
  portrange check --warning 2000 --critical 200
  portrange check --tuple 10.0.0.5:8080 --netns lb1
  portrange check --netns all -w 50% -c 85%`

// checkTimeout is the guidelines' default.
const checkTimeout = 10 * time.Second

type checkCommand struct {
	*app
	warning, critical threshold
	tuple             string
	timeout           time.Duration
	source            collect.Source
}

func newCheck(a *app) *cobra.Command {
	scale := judge.Scale()
	c := &checkCommand{
		app: a, timeout: checkTimeout, warning: threshold{scale.Warning}, critical: threshold{scale.Critical},
	}
	cmd := &cobra.Command{
		Use:     "check",
		Short:   "Print one line and an exit code for monitoring (Nagios, Icinga, Sensu)",
		Long:    checkLong,
		Example: checkExample,
		Args:    func(cmd *cobra.Command, args []string) error { return c.unknown(noArgs(cmd, args)) },
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.guarded(cmd.Context()) },
	}
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return c.unknown(flagError(cmd, err)) })
	cmd.Flags().VarP(&c.warning, "warning", "w", "share of a pool taken, or ports left, from which it is WARNING")
	cmd.Flags().VarP(&c.critical, "critical", "c", "share of a pool taken, or ports left, from which it is CRITICAL")
	textFlag(cmd.Flags(), &c.tuple, "tuple", "ADDR:PORT", "only pools towards `REMOTE`, ADDR:PORT")
	cmd.Flags().VarP((*span)(&c.timeout), "timeout", "t", "give up after this `TIME`, as UNKNOWN")
	sourceFlag(cmd, &c.source)
	return cmd
}

// threshold is a flag that takes a [judge.Threshold].
type threshold struct{ judge.Threshold }

// Set takes a share or a number of ports.
func (t *threshold) Set(text string) (err error) {
	t.Threshold, err = judge.ParseThreshold(text)
	return err
}

// Type names the value in the help.
func (*threshold) Type() string { return "N%|PORTS" }

func (c *checkCommand) thresholds() judge.Thresholds {
	return judge.Thresholds{Warning: c.warning.Threshold, Critical: c.critical.Threshold}
}

// unknown prints an error as a plugin's result.
func (c *checkCommand) unknown(err error) error {
	if err == nil {
		return nil
	}
	return c.result(report.UnknownCheck(err))
}

// result prints the line and ends the run with its exit code.
func (c *checkCommand) result(document *report.Check) error {
	document.Thresholds = c.thresholds()
	var err error
	if c.json {
		err = report.WriteJSON(c.Out, document)
	} else {
		err = report.WriteCheck(c.Out, document)
	}
	if err != nil { // nobody reads standard output
		return exitStatus(report.PluginUnknown)
	}
	return exitStatus(document.ExitCode)
}

func (c *checkCommand) run(ctx context.Context) error {
	if err := c.thresholds().Check(); err != nil {
		return c.unknown(err)
	}
	limited, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	document, err := c.check(limited)
	switch {
	case ctx.Err() != nil:
		return c.unknown(errors.New("interrupted"))
	case err == nil:
		return c.result(document)
	case limited.Err() != nil:
		return c.unknown(fmt.Errorf("no result within %v", c.timeout))
	}
	return c.unknown(err)
}

func (c *checkCommand) check(ctx context.Context) (*report.Check, error) {
	var remote netip.AddrPort
	if c.tuple != "" {
		var err error
		if remote, _, err = parseRemote(c.tuple); err != nil {
			return nil, err
		}
	}
	collector, err := collect.Open(ctx, collect.Options{Source: c.source, Root: "/"}, host.WantSockets)
	if err != nil {
		return nil, err
	}
	defer progress(c.Err, readingSockets)()
	r := &round{checkCommand: c, look: collector.Look, remote: remote, exact: true}
	err = r.visit(ctx)
	if err = cmp.Or(err, collector.Close()); err != nil {
		return nil, err
	}
	return r.document(), nil
}

// strains are the pools that were asked for. A destination that nobody talks to
// has a pool too, still untouched.
func (c *checkCommand) strains(ns *host.Namespace, remote netip.AddrPort) []judge.Strain {
	all := judge.Strains(ns, c.thresholds())
	if !remote.IsValid() {
		return all
	}
	var wanted []judge.Strain
	for _, s := range all {
		if s.Remote == remote.String() {
			wanted = append(wanted, s)
		}
	}
	if len(wanted) == 0 {
		for _, s := range all {
			if s.Local == "" {
				s.Remote = remote.String()
				wanted = append(wanted, s)
			}
		}
	}
	return wanted
}
