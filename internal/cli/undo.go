package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"portrange/internal/act"
	"portrange/internal/report"
)

const undoLong = `Takes back the last change that portrange made: the running values and the
files are again what they were before. It prints what that means first, and asks
unless --yes is given. The last change may itself be an undo.

What others changed since is shown and stays as it is. A change that was
interrupted is taken back as far as it came; an undo that was interrupted is
finished.

Exit codes: 0 done; 1 refused, and nothing was changed; 2 wrong usage, no change
to take back, or it failed.`

type undoCommand struct {
	*app
	yes    bool
	dryRun bool
}

func newUndo(a *app) *cobra.Command {
	c := &undoCommand{app: a}
	cmd := &cobra.Command{
		Use:     "undo",
		Short:   "Take back the last change",
		Long:    undoLong,
		Example: "  portrange undo --dry-run\n  portrange undo --yes",
		Args:    noArgs,
		RunE:    c.run,
	}
	cmd.Flags().BoolVar(&c.yes, "yes", false, "do not ask")
	cmd.Flags().BoolVar(&c.dryRun, dryRunFlag, false, "print what would be done, and change nothing")
	return cmd
}

func (c *undoCommand) run(cmd *cobra.Command, args []string) error {
	if err := c.refuseNetns(cmd); err != nil {
		return err
	}
	actor, _, err := c.actor()
	if err != nil {
		return err
	}
	undo, err := actor.PlanUndo(c.origin(cmd, args))
	if err != nil {
		return err
	}
	doc := report.NewUndo(undo)
	err = c.preview(!c.yes && !c.dryRun, func(w io.Writer, style report.Style) error {
		return report.WriteUndo(w, doc, style)
	})
	if err != nil {
		return err
	}
	if err := c.decide(cmd.Context(), actor, undo, doc); err != nil {
		return err
	}
	if c.json {
		err = report.WriteJSON(c.Out, doc)
	}
	if err != nil && doc.Outcome == report.Applied {
		return fmt.Errorf("%w; %s is taken back all the same", err, undo.Entry.Title())
	}
	if err == nil && doc.Outcome == report.Refused {
		return exitStatus(ExitFinding)
	}
	return err
}

func (c *undoCommand) decide(ctx context.Context, actor *act.Actor, undo *act.Undo, doc *report.Undo) error {
	if c.dryRun {
		c.say("Nothing was changed: this was --dry-run.")
		return nil
	}
	agreed, err := c.agree(ctx, c.yes, len(undo.Kept) > 0)
	if err != nil || !agreed {
		doc.Outcome = report.Refused
		return err
	}
	if err := c.Interrupt.Hold(ctx, func() error { return actor.Undo(undo) }); err != nil {
		return err
	}
	doc.Outcome = report.Applied
	if undo.Empty() {
		doc.Outcome = report.Nothing
		c.say("Nothing to do: nothing of it held any more. `portrange undo` goes on with the change before it.")
		return nil
	}
	c.say("Done.")
	return nil
}
