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
	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/port"
	"portrange/internal/report"
	"portrange/internal/rules"
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
  portrange doctor --explain
  portrange doctor --explain bind-before-connect
  portrange doctor --json | jq -r '.findings[].code'`

// shortestInterval is the least time from which a rate means something.
const shortestInterval = 100 * time.Millisecond

type doctorCommand struct {
	*app
	interval time.Duration
	probe    bool
	source   collect.Source
	failOn   finding.Severity
	explain  string
}

func newDoctor(a *app) *cobra.Command {
	c := &doctorCommand{app: a}
	cmd := &cobra.Command{
		Use:     "doctor",
		Short:   "Tell what is wrong with this host, and what to do",
		Long:    doctorLong,
		Example: doctorExample,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && c.explain == explainAll { // --explain CODE, as the flag does without a value
				c.explain = args[0]
				return nil
			}
			return noArgs(cmd, args)
		},
		RunE: c.run,
	}
	cmd.Flags().Var((*span)(&c.interval), "interval", "look twice, this `TIME` apart, for rates and forecasts")
	cmd.Flags().BoolVar(&c.probe, "probe", false, "measure what connect() takes, in a private namespace")
	choiceFlag(cmd, &c.failOn, "fail-on", "exit with 1 when a finding is at least this severe",
		finding.Info, finding.Warning, finding.Critical)
	cmd.Flags().StringVar(&c.explain, "explain", "",
		"print the page on the findings with this `CODE`, or on a program named in an action, and examine nothing; "+
			"without a code list them all")
	cmd.Flags().Lookup("explain").NoOptDefVal = explainAll
	explained := cobra.FixedCompletions(append(rules.Codes(), rules.Programs()...), cobra.ShellCompDirectiveNoFileComp)
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if c.explain != explainAll || len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return explained(cmd, args, begun)
	}
	completeFlag(cmd, "explain", append(rules.Codes(), rules.Programs()...))
	sourceFlag(cmd, &c.source)
	return cmd
}

func (c *doctorCommand) run(cmd *cobra.Command, _ []string) error {
	switch {
	case c.explain == explainAll:
		return c.listCodes()
	case cmd.Flags().Changed("explain"):
		page, err := rules.Explain(c.explain)
		if err != nil {
			return err
		}
		_, err = io.WriteString(c.Out, page)
		return err
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
	if err != nil || c.failOn == "" || len(document.Findings) == 0 {
		return err
	}
	if worst := document.Findings[0]; worst.Severity.Reaches(c.failOn) {
		return exitStatus(ExitFinding)
	}
	return nil
}

// explainAll is what --explain means without a code.
const explainAll = "all"

// listCodes prints every code with what it says is wrong.
func (c *doctorCommand) listCodes() error {
	codes := rules.Codes()
	widest := len(slices.MaxFunc(codes, func(a, b string) int { return cmp.Compare(len(a), len(b)) }))
	for _, rule := range rules.All() {
		if _, err := fmt.Fprintf(c.Out, "%-*s  %s\n", widest, rule.Code, rule.Title); err != nil {
			return fmt.Errorf("write the codes: %w", err)
		}
	}
	return nil
}

func (c *doctorCommand) examine(ctx context.Context) (*report.Doctor, error) {
	v, err := c.open(ctx, c.source, rules.Needs())
	if err != nil {
		return nil, err
	}
	doing := "examining"
	if c.interval > 0 {
		doing += fmt.Sprintf(", two looks %v apart", c.interval)
	}
	if c.probe {
		doing += ", measuring connect()"
	}
	defer progress(c.Err, doing)()
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
	facts := &rules.Facts{Now: now, Earlier: earlier}
	forecast(facts, &gaps)
	found, unread := unsettled()
	gaps.Add(unread...)
	now.Gaps = host.Distinct(gaps.List())
	if earlier == nil {
		found = append(found, rules.Examine(facts)...)
	} else {
		found = append(found, sinceEarlier(facts)...)
	}
	finding.Sort(found)
	return report.NewDoctor(time.Now().UTC(), now, found), nil
}

// forecast adds what the files say about the next boot of the host.
func forecast(facts *rules.Facts, gaps *host.Gaps) {
	at := slices.IndexFunc(facts.Now.Namespaces, func(ns host.Namespace) bool { return ns.Name == port.Host })
	if at < 0 {
		return
	}
	ns := &facts.Now.Namespaces[at]
	report, err := collect.Forecast("/", rules.BootKeys(), ns)
	gaps.Missing(host.PartBootFiles, 0, err)
	if err == nil {
		gaps.Add(report.Gaps...)
		facts.Boot, facts.Booted = report, ns.ID
	}
}

// sinceEarlier examines both looks, so that what stood at the first one is known
// to stand since then.
func sinceEarlier(facts *rules.Facts) []finding.Finding {
	first := *facts
	first.Now, first.Earlier = facts.Earlier, nil
	var tracker finding.Tracker
	tracker.Update(facts.Earlier.TakenAt, rules.Examine(&first))
	facts.Standing = &tracker
	return tracker.Update(facts.Now.TakenAt, rules.Examine(facts))
}

// looks takes one look, or with --interval two; earlier is nil without.
func (c *doctorCommand) looks(ctx context.Context, v *view) (earlier, now *host.State, err error) {
	if c.interval == 0 {
		now, err = v.Look(ctx, v.targets, rules.Needs())
		return nil, now, err
	}
	looks := v.Every(ctx, v.targets, rules.Needs(), c.interval)
	for state := range looks.All() {
		if earlier, now = now, state; earlier != nil {
			break
		}
	}
	return earlier, now, looks.Err()
}
