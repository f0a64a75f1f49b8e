package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"portrange/internal/capacity"
	"portrange/internal/chart"
	"portrange/internal/collect"
	"portrange/internal/figure"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/port"
	"portrange/internal/report"
	"portrange/internal/simulate"
)

const planLong = `Tells how many local ports a load of connections needs to each destination, how
that compares with the range, and what would have to change for it to fit.

The load is --rate new connections a second, all together, each open for --hold,
spread evenly over --destinations (address:port pairs) and --sources (local
addresses). The client that closes first keeps its port for 60 s of TIME_WAIT,
or until tcp_tw_reuse may take it over. Without --rate: the load that stays
below the half of the range. Connections begin at random, so the need is not
the average but what is enough --confidence of the time.

Range, reserved ports, listeners and settings are those of this host (--netns)
unless given; --bare plans for a host with the kernel's defaults instead.

--from-live measures the load of each destination on this host for some time and
plans for that. Connections shorter than the time between two samples (a
thirtieth of it, at most 2 s) are seen only if the client closes first; the
kernel's own count tells how many went unseen.

--simulate runs the load on this kernel in a private network namespace, scaled
down to seconds and 10,000 ports, and puts the kernel's figures beside the
prediction. --probe measures what connect() costs while a pool of so many ports
fills. Both take root or CAP_SYS_ADMIN and touch nothing else on the host.`

const planExample = `  portrange plan --rate 900/s --hold 5s --destinations 4
  portrange plan --rate 54000/min --hold 200ms --tw-reuse 1 --simulate
  portrange plan --hold 5s --range 15000-64001 --chart plan.svg
  portrange plan --from-live 30s
  portrange plan --probe 10000 --chart connect.svg`

// defaultConfidence is the share of time that the planned ports are enough.
const defaultConfidence = 0.999

// simulationSeed makes a simulation begin the same connections every time.
const simulationSeed = 1

type planCommand struct {
	*app
	load       capacity.Load
	rate       rate
	hold       span
	closes     string
	twReuse    string
	portRange  rangeFlag
	reserved   portSet
	confidence percentage
	bare       bool
	fromLive   span
	simulate   bool
	probe      int
	chart      string
	limit      limit
	source     collect.Source
}

// The words of --closes.
const (
	closesClient = "client"
	closesServer = "server"
)

func newPlan(a *app) *cobra.Command {
	c := &planCommand{app: a, closes: closesClient, confidence: defaultConfidence, limit: textPools}
	cmd := &cobra.Command{
		Use:     "plan",
		Short:   "Tell how many ports, addresses or destinations a load needs",
		Long:    planLong,
		Example: planExample,
		Args:    noArgs,
		RunE:    c.run,
	}
	flags := cmd.Flags()
	flags.Var(&c.rate, "rate", "new connections per second, all together")
	flags.Var(&c.hold, "hold", "how long a connection is open")
	flags.IntVar(&c.load.Destinations, "destinations", 1, "`N` address:port pairs that share the load")
	flags.IntVar(&c.load.Sources, "sources", 1, "`N` local addresses that share the load")
	choiceFlag(cmd, &c.closes, "closes", "the side that closes first", closesClient, closesServer)
	choiceFlag(cmd, &c.twReuse, "tw-reuse", "tcp_tw_reuse: off, on, loopback only (default this host's)", "0", "1", "2")
	flags.BoolVar(&c.load.Loopback, "loopback", false, "the destinations are on this host")
	flags.Var(&c.portRange, "range", "port range (default this host's)")
	flags.Var(&c.reserved, "reserved", "reserved ports (default this host's)")
	flags.Var(&c.confidence, "confidence", "share of time that the ports are enough")
	flags.BoolVar(&c.bare, "bare", false, "plan for a host with the kernel's defaults, not for this one")
	flags.Var(&c.fromLive, "from-live", "measure the load of this host for so long")
	flags.Var(&c.limit, "limit", "with --from-live, destinations to show, 0 for all")
	flags.BoolVar(&c.simulate, "simulate", false, "run the load on this kernel, scaled down")
	flags.IntVar(&c.probe, "probe", 0, "measure connect() while so many `PORTS` fill")
	textFlag(flags, &c.chart, "chart", "a file", "draw a chart into `FILE`.svg")
	sourceFlag(cmd, &c.source)
	cmd.MarkFlagsMutuallyExclusive("from-live", "simulate", "probe")
	for _, load := range []string{"rate", "hold", "destinations", "sources", "closes", "loopback", "bare"} {
		cmd.MarkFlagsMutuallyExclusive("from-live", load) // it is measured
		cmd.MarkFlagsMutuallyExclusive("probe", load)     // it takes no load
	}
	for _, host := range []string{"range", "reserved", "tw-reuse", "confidence"} {
		cmd.MarkFlagsMutuallyExclusive("probe", host)
	}
	return cmd
}

func (c *planCommand) run(cmd *cobra.Command, _ []string) error {
	if c.chart != "" { // it fails before anything is measured
		if !strings.EqualFold(filepath.Ext(c.chart), ".svg") {
			return fmt.Errorf("chart %q: charts are drawn as SVG only, want a file name that ends in .svg", c.chart)
		}
		if _, err := os.Stat(filepath.Dir(c.chart)); err != nil {
			return fmt.Errorf("write chart %s: %w", c.chart, err)
		}
	}
	switch {
	case cmd.Flags().Changed("probe"):
		return c.runProbe(cmd.Context())
	case c.fromLive != 0:
		return c.runLive(cmd.Context())
	case c.hold == 0:
		return errors.New("plan: want --hold, how long a connection is open, such as 5s; " +
			"or --from-live 30s to measure it here")
	}
	return c.runPlan(cmd.Context())
}

func (c *planCommand) runPlan(ctx context.Context) error {
	host, err := c.host(ctx)
	if err != nil {
		return err
	}
	load := c.load
	load.Rate, load.Hold = cmp.Or(float64(c.rate), 1), time.Duration(c.hold).Seconds()
	if c.closes == closesClient {
		load.ClientCloses = 1
	}
	load.Under(&host.settings)
	plan, err := capacity.Make(load, host.ports, float64(c.confidence))
	if err == nil && c.rate == 0 { // the largest load that stays below the half
		load.Rate = plan.SlowRate
		plan, err = capacity.Make(load, host.ports, float64(c.confidence))
	}
	if err != nil {
		return err
	}
	document := &report.Plan{SchemaVersion: report.SchemaVersion, Plan: plan, Ref: host.ref, Gaps: orEmpty(host.gaps)}
	if c.simulate {
		stop := progress(c.Err, "simulating")
		document.Simulation, err = simulate.Simulate(ctx, plan, simulate.DefaultBounds, simulationSeed)
		if stop(); err != nil {
			return err
		}
	}
	if err := c.draw(func() (*chart.Chart, error) { return figure.Plan(plan), nil }); err != nil {
		return err
	}
	c.printGaps(host.gaps)
	return c.print(document, func(w io.Writer, style report.Style) error {
		return report.WritePlan(w, document, style)
	})
}

// plannedHost is what a load is held against.
type plannedHost struct {
	ports    judge.Ports
	settings host.Settings
	ref      string // what --netns takes for it
	gaps     []host.Gap
}

// host reads the ports and settings to plan for, as far as flags do not say. With
// --bare they are the defaults of a current kernel.
func (c *planCommand) host(ctx context.Context) (plannedHost, error) {
	if c.bare {
		return c.overridden(plannedHost{
			ports:    judge.PlainPorts(port.DefaultRange),
			settings: host.Settings{TWReuse: port.DefaultTWReuse, TWReuseDelay: port.DefaultTWReuseDelay, Timestamps: 1},
		}), nil
	}
	if c.netns == collect.AllNamespaces {
		return plannedHost{}, errOneNamespace
	}
	state, _, err := c.look(ctx, c.source, host.WantSockets, readingSockets)
	if err != nil {
		return plannedHost{}, fmt.Errorf("%w; --bare plans without looking at this host", err)
	}
	ns := &state.Namespaces[0]
	return c.overridden(plannedHost{judge.PortsOf(ns), ns.Settings, ns.Ref, state.Gaps}), nil
}

var errOneNamespace = errors.New("plan: looks at one network namespace, name it by --netns")

// overridden has the flags decide over what was read.
func (c *planCommand) overridden(host plannedHost) plannedHost {
	if c.portRange.value != nil {
		host.ports.Range = *c.portRange.value
	}
	if c.reserved.value != nil {
		host.ports.Reserved = c.reserved.value
	}
	if c.twReuse != "" {
		host.settings.TWReuse = int(c.twReuse[0] - '0')
	}
	return host
}

func (c *planCommand) runLive(ctx context.Context) error {
	if c.netns == collect.AllNamespaces {
		return errOneNamespace
	}
	measured, err := c.measure(ctx)
	if err != nil {
		return err
	}
	host := c.overridden(plannedHost{ports: measured.Ports, settings: measured.Settings})
	measured.Settings = host.settings
	if err := measured.Plan(host.ports, float64(c.confidence)); err != nil {
		return err
	}
	document := &report.LivePlan{SchemaVersion: report.SchemaVersion, Live: measured, Gaps: orEmpty(measured.Gaps)}
	worst := document.Worst()
	if c.chart != "" && worst == nil {
		return errors.New("draw a chart: no destination got a new connection meanwhile")
	}
	if err := c.draw(func() (*chart.Chart, error) { return figure.Plan(worst.Plan), nil }); err != nil {
		return err
	}
	c.printGaps(measured.Gaps)
	return c.print(document, func(w io.Writer, style report.Style) error {
		return report.WriteLivePlan(w, document, int(c.limit), style)
	})
}

func (c *planCommand) measure(ctx context.Context) (*capacity.Live, error) {
	length := time.Duration(c.fromLive)
	step, err := capacity.Step(length)
	if err != nil {
		return nil, err
	}
	v, err := c.open(ctx, c.source, capacity.LiveWant)
	if err != nil {
		return nil, err
	}
	defer progress(c.Err, fmt.Sprintf("measuring the load for %v", length))()
	measured, err := capacity.Measure(v.Every(ctx, v.targets, capacity.LiveWant, step), v.targets[0].ID, length)
	err = cmp.Or(err, v.Close())
	if err != nil {
		return nil, err
	}
	measured.Gaps = append(v.gaps, measured.Gaps...)
	return measured, nil
}

func (c *planCommand) runProbe(ctx context.Context) error {
	document := &report.Costs{SchemaVersion: report.SchemaVersion, Kernel: simulate.KernelRelease()}
	stop := progress(c.Err, "measuring connect()")
	defer stop()
	for _, fill := range []simulate.Fill{simulate.Established, simulate.TimeWait} {
		costs, err := simulate.ConnectCost(ctx, c.probe, fill)
		if err != nil {
			return err
		}
		document.Costs = append(document.Costs, costs)
	}
	stop()
	if err := c.draw(func() (*chart.Chart, error) { return figure.ConnectCost(document.Costs) }); err != nil {
		return err
	}
	return c.print(document, func(w io.Writer, style report.Style) error {
		return report.WriteCosts(w, document, style)
	})
}

// draw writes the chart that was asked for, whole or not at all.
func (c *planCommand) draw(figure func() (*chart.Chart, error)) error {
	if c.chart == "" {
		return nil
	}
	drawn, err := figure()
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(c.chart, drawn.SVG(), 0o644); err != nil {
		return fmt.Errorf("write chart %s: %w", c.chart, err)
	}
	return nil
}
