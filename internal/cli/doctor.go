package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"portrange/internal/collect"
	"portrange/internal/doctor"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/port"
	"portrange/internal/report"
)

const doctorLong = `Examines network namespaces and prints what is wrong with how they hand out
local ports, or soon will be: the worst first, each with its code, the numbers
of this host, and what to do. It looks at pools, the range, listeners and
services in it, TIME_WAIT, settings and what they will be after a reboot, and
at what runs out besides ports: open files, conntrack, TCP memory.

With --interval it looks twice, and tells how fast connections come, how close
that is to what TIME_WAIT allows, and when a pool will be full. With --probe it
measures what connect() takes on this kernel, in a private namespace, for about
a second.

Nothing is changed. What could not be read is named on standard error, and
makes no finding.`

const doctorExample = `  portrange doctor
  portrange doctor --netns all --fail-on warning
  portrange doctor --interval 10s --probe
  portrange doctor --explain bind-before-connect
  portrange doctor --json | jq -r '.findings[].code'`

// shortestInterval is the least time from which a rate means something.
const shortestInterval = 100 * time.Millisecond

type doctorCommand struct {
	*app
	interval time.Duration
	probe    bool
	source   collect.Source
	failOn   judge.Severity
	explain  string
}

func newDoctor(a *app) *cobra.Command {
	c := &doctorCommand{app: a}
	cmd := &cobra.Command{
		Use:     "doctor",
		Short:   "Tell what is wrong with this host, and what to do",
		Long:    doctorLong,
		Example: doctorExample,
		Args:    noArgs,
		RunE:    c.run,
	}
	cmd.Flags().Var((*span)(&c.interval), "interval", "look twice, this `TIME` apart, for rates and forecasts")
	cmd.Flags().BoolVar(&c.probe, "probe", false, "measure what connect() takes, in a private namespace")
	choiceFlag(cmd, &c.failOn, "fail-on", "exit with 1 when a finding is at least this severe", judge.Info, judge.Warning, judge.Critical)
	cmd.Flags().StringVar(&c.explain, "explain", "", "print the page on the findings with this `CODE`, and examine nothing")
	completeFlag(cmd, "explain", doctor.Codes())
	sourceFlag(cmd, &c.source)
	return cmd
}

func (c *doctorCommand) run(cmd *cobra.Command, _ []string) error {
	switch {
	case cmd.Flags().Changed("explain"):
		return c.printPage()
	case cmd.Flags().Changed("interval") && c.interval < shortestInterval:
		return fmt.Errorf("--interval %v: want %v or more, such as 5s", c.interval, shortestInterval)
	}
	document, err := c.examine(cmd.Context())
	if err != nil {
		return err
	}
	c.printGaps(document.Gaps)
	err = c.print(document, func(w io.Writer, style report.Style) error {
		return report.WriteDoctor(w, document, style)
	})
	if err == nil && c.failed(document.Findings) {
		return exitStatus(ExitFinding)
	}
	return err
}

func (c *doctorCommand) printPage() error {
	page, err := doctor.Explain(c.explain)
	if err != nil {
		return err
	}
	_, err = io.WriteString(c.Out, page)
	return err
}

func (c *doctorCommand) examine(ctx context.Context) (*report.Doctor, error) {
	v, err := c.open(ctx, c.source, doctor.Want)
	if err != nil {
		return nil, err
	}
	defer progress(c.Err, c.working())()
	earlier, now, err := c.looks(ctx, v)
	err = cmp.Or(err, v.Close())
	if err != nil {
		return nil, err
	}
	var gaps host.Gaps
	gaps.Add(v.gaps...)
	if earlier != nil {
		gaps.Add(earlier.Gaps...)
	}
	gaps.Add(now.Gaps...)
	if c.probe {
		now.Cost, err = measureCost(ctx)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		gaps.Missing(host.PartConnectCost, 0, err)
	}
	facts := diagnosed(earlier, now, "/", &gaps)
	return diagnosis(now, facts, host.Distinct(gaps.List())), nil
}

// looks takes one look, or with --interval two; earlier is nil without.
func (c *doctorCommand) looks(ctx context.Context, v *view) (earlier, now *host.State, err error) {
	if c.interval == 0 {
		now, err = v.Look(ctx, v.targets, doctor.Want)
		return nil, now, err
	}
	looks := v.Every(ctx, v.targets, doctor.Want, c.interval)
	for state := range looks.All() {
		if earlier, now = now, state; earlier != nil {
			break
		}
	}
	return earlier, now, looks.Err()
}

// diagnosed are the facts of the looks, with what the files under root say about
// the next boot of the host.
func diagnosed(earlier, now *host.State, root string, gaps *host.Gaps) *doctor.Facts {
	at := slices.IndexFunc(now.Namespaces, func(ns host.Namespace) bool { return ns.Name == port.Host })
	if at < 0 {
		return doctor.FromStates(earlier, now, 0, nil)
	}
	forecast, err := collect.Forecast(root, doctor.BootKeys(), &now.Namespaces[at])
	gaps.Missing(host.PartBootFiles, 0, err)
	if err == nil {
		gaps.Add(forecast.Gaps...)
	}
	return doctor.FromStates(earlier, now, now.Namespaces[at].ID, forecast)
}

func diagnosis(now *host.State, facts *doctor.Facts, gaps []host.Gap) *report.Doctor {
	document := &report.Doctor{
		SchemaVersion: report.SchemaVersion, TakenAt: time.Now().UTC(), Host: now.Host, Kernel: now.Kernel,
		Namespaces: []report.Examined{}, Findings: doctor.Examine(facts), Gaps: gaps,
	}
	for i := range facts.Namespaces {
		ns := &facts.Namespaces[i].Now
		document.Namespaces = append(document.Namespaces, report.Examined{NetNS: ns.ID, Name: ns.Name, Source: ns.Source, Walk: ns.Walk})
	}
	return document
}

// working says what takes its time.
func (c *doctorCommand) working() string {
	what := "examining"
	if c.interval > 0 {
		what += fmt.Sprintf(", two looks %v apart", c.interval)
	}
	if c.probe {
		what += ", measuring connect()"
	}
	return what
}

// failed reports whether a finding is as severe as --fail-on, if that was given.
func (c *doctorCommand) failed(findings []doctor.Finding) bool {
	return c.failOn != "" && len(findings) > 0 && findings[0].Severity.Reaches(c.failOn)
}
