package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"portrange/internal/checkup"
	"portrange/internal/doctor"
	"portrange/internal/judge"
	"portrange/internal/report"
	"portrange/internal/sample"
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
	options  checkup.Options
	sampling sample.Options
	failOn   judge.Severity
	explain  string
}

func newDoctor(a *app) *cobra.Command {
	c := &doctorCommand{app: a, options: checkup.Options{Root: "/"}, sampling: sample.Options{Owners: true, Rows: true}}
	cmd := &cobra.Command{
		Use:     "doctor",
		Short:   "Tell what is wrong with this host, and what to do",
		Long:    doctorLong,
		Example: doctorExample,
		Args:    noArgs,
		RunE:    c.run,
	}
	cmd.Flags().Var((*span)(&c.options.Interval), "interval", "look twice, this `TIME` apart, for rates and forecasts")
	cmd.Flags().BoolVar(&c.options.Probe, "probe", false, "measure what connect() takes, in a private namespace")
	choiceFlag(cmd, &c.failOn, "fail-on", "exit with 1 when a finding is at least this severe", judge.Info, judge.Warning, judge.Critical)
	cmd.Flags().StringVar(&c.explain, "explain", "", "print the page on the findings with this `CODE`, and examine nothing")
	completeFlag(cmd, "explain", doctor.Codes())
	sourceFlag(cmd, &c.sampling)
	return cmd
}

func (c *doctorCommand) run(cmd *cobra.Command, _ []string) error {
	switch {
	case cmd.Flags().Changed("explain"):
		return c.printPage()
	case cmd.Flags().Changed("interval") && c.options.Interval < shortestInterval:
		return fmt.Errorf("--interval %v: want %v or more, such as 5s", c.options.Interval, shortestInterval)
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
	sampler, targets, gaps, err := c.open(ctx, c.sampling)
	if err != nil {
		return nil, err
	}
	defer progress(c.Err, c.working())()
	facts, missed, err := checkup.Run(ctx, sampler, targets, c.options)
	err = cmp.Or(err, sampler.Close())
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("read host name: %w", err)
	}
	return &report.Doctor{
		SchemaVersion: report.SchemaVersion, TakenAt: time.Now().UTC(), Host: host, Kernel: facts.Kernel,
		Findings: doctor.Examine(facts), Gaps: orEmpty(append(gaps, missed...)), Examined: len(facts.Namespaces),
	}, nil
}

// working says what takes its time.
func (c *doctorCommand) working() string {
	what := "examining"
	if c.options.Interval > 0 {
		what += fmt.Sprintf(", two looks %v apart", c.options.Interval)
	}
	if c.options.Probe {
		what += ", measuring connect()"
	}
	return what
}

// failed reports whether a finding is as severe as --fail-on, if that was given.
func (c *doctorCommand) failed(findings []doctor.Finding) bool {
	return c.failOn != "" && len(findings) > 0 && findings[0].Severity.Reaches(c.failOn)
}
