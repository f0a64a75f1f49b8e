package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"portrange/internal/act"
	"portrange/internal/act/emit"
	"portrange/internal/act/journal"
	"portrange/internal/collect"
	"portrange/internal/escape"
	"portrange/internal/report"
)

const setLong = `Moves or widens the local port range, as does
sysctl -w net.ipv4.ip_local_port_range="LOW HIGH", but looks first. It prints
the plan: before and after, and every consequence with its evidence, such as
listeners whose ports come into the range. Then it asks, unless --yes is given;
without a terminal and without --yes a plan with warnings is refused. --yes does
not carry out a plan that leaves no port, or fewer than the fullest pool uses.

The range belongs to a network namespace: --netns reaches into a running
container, and --netns all changes every one. Running connections keep their
ports.

With --persist the range is written to /etc/sysctl.d/zz-portrange.conf, for the
next boot. With --confirm it goes back by itself after that time unless
portrange confirm is run, or Enter is pressed, also when the terminal or the ssh
session ends: the clock is a timer of systemd (systemctl list-timers) or, where
that cannot be had, a process of its own. The file is written only when the
change is confirmed, so a reboot takes an unconfirmed one back too. Until then
no other change is made. portrange undo takes back the last change.

net.ipv4.ip_unprivileged_port_start is never changed: where it is in the way,
the error says what to write, and in which order.

Exit codes: 0 done, or nothing to do; 1 refused or not confirmed, and nothing
was changed; 2 wrong usage, it failed, or another change waits to be settled.`

const setExample = `  portrange set 15000 64001 --dry-run
  portrange set 15000-64001 --reserve --persist --confirm 60s
  portrange set 15000 64001 --netns all
  portrange set 15000 64001 --emit kubernetes`

// changeCommand is what set, reserve add and reserve remove share.
type changeCommand struct {
	*app
	wish   act.Wish
	source collect.Source
	dryRun bool
	yes    bool
	within time.Duration
	format emit.Format
	// pending is set while another change is in the way.
	pending bool
}

func (c *changeCommand) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&c.wish.Persist, "persist", false, "also write it for the next boot")
	flags.BoolVar(&c.wish.FixConflicts, "fix-conflicts", false,
		"with --persist, comment out lines of other files in /etc that override it")
	flags.BoolVar(&c.dryRun, dryRunFlag, false, "print the plan with the changes of files, and change nothing")
	flags.Var((*span)(&c.within), "confirm", "take it back after this `TIME` unless portrange confirm is run")
	flags.BoolVar(&c.yes, "yes", false, "do not ask")
	choiceFlag(cmd, &c.format, "emit", "print the settings in the form of another system, and change nothing",
		emit.Formats()...)
	sourceFlag(cmd, &c.source)
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		var unknown *pflag.NotExistError
		if !errors.As(err, &unknown) {
			return flagError(cmd, err)
		}
		name := unknown.GetSpecifiedName()
		if name != "" && strings.Trim(name, "0123456789") == "" { // -5 was meant to be a port
			return fmt.Errorf("-%s is not a port number from 0 to 65535; see `%s --help`", name, cmd.CommandPath())
		}
		return flagError(cmd, err)
	})
}

func newSet(a *app) *cobra.Command {
	c := &changeCommand{app: a}
	cmd := &cobra.Command{
		Use:     "set LOW HIGH",
		Short:   "Change the local port range, safely",
		Long:    setLong,
		Example: setExample,
		RunE: func(cmd *cobra.Command, args []string) error {
			wanted, err := act.ParseRange(args)
			if err != nil {
				return err
			}
			c.wish.Range = &wanted
			return c.run(cmd, args)
		},
	}
	cmd.Flags().BoolVar(&c.wish.ReserveFound, "reserve", false,
		"also reserve the ports that the plan finds in the way")
	c.flags(cmd)
	return cmd
}

func (c *changeCommand) run(cmd *cobra.Command, args []string) error {
	switch { // what makes no sense together
	case cmd.Flags().Changed("confirm") && c.within < time.Second:
		return fmt.Errorf("--confirm %v: want a second or more, such as 60s", c.within)
	case c.wish.FixConflicts && !c.wish.Persist:
		return errors.New("--fix-conflicts: other files matter only with --persist")
	case c.format != "" && (c.wish.Persist || c.within > 0):
		return errors.New("--emit changes nothing: leave out --persist and --confirm")
	case c.format != "" && c.json:
		return errors.New("--emit prints the form of another system: leave out --json")
	}
	c.wish.Origin = c.origin(cmd, args)
	look, actor, err := c.survey(cmd.Context(), c.source)
	if err != nil {
		return err
	}
	u := look.Unsettled
	if c.pending = u != nil && u.Standing.Pending(); c.pending && !c.dryRun && c.format == "" {
		return u.Err()
	}
	plan, err := act.NewPlan(c.wish, look)
	if err != nil {
		return err
	}
	if c.format == "" {
		return c.carryOut(cmd.Context(), actor, plan)
	}
	var settings []emit.Setting
	for _, value := range plan.Values() {
		settings = append(settings, emit.Setting(value))
	}
	return emit.Write(c.Out, c.format, settings)
}

func (c *changeCommand) carryOut(ctx context.Context, actor *act.Actor, plan *act.Plan) error {
	doc := report.NewChange(plan)
	c.printGaps(doc.Gaps)
	err := c.preview(!c.yes && !c.dryRun, func(w io.Writer, style report.Style) error {
		return report.WriteChange(w, doc, style)
	})
	if err != nil {
		return err
	}
	entry, err := c.decide(ctx, actor, plan, doc)
	if err != nil {
		return err
	}
	if c.json {
		err = report.WriteJSON(c.Out, doc)
	}
	switch {
	case err != nil && entry != nil:
		return fmt.Errorf("%w; %s is applied all the same: %s", err, entry.Title(), whatNow(entry))
	case err != nil:
		return err
	case doc.Outcome == report.Refused:
		return exitStatus(ExitFinding)
	case doc.Outcome != report.Waiting:
		return nil
	}
	how := "`portrange confirm` keeps it"
	_, onTerminal := terminal(c.In)
	if onTerminal {
		how = "Enter, or `portrange confirm` elsewhere, keeps it"
	}
	fmt.Fprintf(c.Err, "Done: change %d, until %s. %s; otherwise it goes back.\n",
		entry.ID, entry.Deadline.Local().Format(time.DateTime), how)
	if !onTerminal {
		return nil
	}
	return c.awaitEnter(ctx, actor, entry)
}

// whatNow says how a change that is applied is taken back.
func whatNow(entry *journal.Entry) string {
	if entry.Deadline != nil {
		return "it goes back at " + entry.Deadline.Local().Format(time.DateTime) + " unless `portrange confirm` keeps it"
	}
	return "`portrange undo` takes it back"
}

// decide carries the plan out where it may be, and notes what became of it.
func (c *changeCommand) decide(
	ctx context.Context, actor *act.Actor, plan *act.Plan, doc *report.Change,
) (*journal.Entry, error) {
	switch {
	case plan.Empty() && !c.pending: // of what is going to go back it is not said
		doc.Outcome = report.Nothing
		c.say("Nothing to do: everything is so already.")
		return nil, nil
	case c.dryRun:
		c.say("Nothing was changed: this was --dry-run.")
		return nil, nil
	}
	starves := plan.Starves()
	if starves != nil && c.yes {
		doc.Outcome = report.Refused
		fmt.Fprintf(c.Err, "portrange: nothing was changed: %s; reserve fewer ports or take a wider range, "+
			"or answer the question without --yes\n", escape.Line(starves.Error()))
		return nil, nil
	}
	agreed, err := c.agree(ctx, c.yes, starves != nil || plan.Warns())
	if err != nil || !agreed {
		doc.Outcome = report.Refused
		return nil, err
	}
	var entry *journal.Entry
	err = c.Interrupt.Hold(ctx, func() (err error) {
		entry, err = actor.Apply(plan, c.within)
		return err
	})
	if err != nil {
		return nil, err
	}
	if entry.Note != "" {
		c.say("portrange: %s", escape.Line(entry.Note))
	}
	doc.Change, doc.RevertsAt = entry.ID, entry.Deadline
	doc.Outcome = report.Applied
	if entry.Deadline != nil {
		doc.Outcome = report.Waiting
		return entry, nil
	}
	c.say("Done: change %d. `portrange undo` takes it back.", entry.ID)
	return entry, nil
}
