package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"portrange/internal/act"
	"portrange/internal/act/journal"
	"portrange/internal/escape"
	"portrange/internal/report"
)

const confirmLong = `Keeps a change that was made with --confirm: it does not go back any more, and
what --persist asked for is written now. Where that fails, the change still
waits, and goes back in time. A confirmation that was interrupted, by a kill or
a crash, is finished.`

func newConfirm(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "confirm",
		Short:   "Keep a change that was made with --confirm",
		Long:    confirmLong,
		Example: "  portrange set 15000 64001 --persist --confirm 60s\n  portrange confirm",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.refuseNetns(cmd); err != nil {
				return err
			}
			actor, _, err := a.actor()
			if err != nil {
				return err
			}
			entry, err := a.confirm(cmd.Context(), actor, 0)
			if err != nil || !a.json {
				return err
			}
			if err := report.WriteJSON(a.Out, report.NewConfirmation(entry)); err != nil {
				return fmt.Errorf("%w; %s is confirmed all the same", err, entry.Title())
			}
			return nil
		},
	}
}

func (a *app) confirm(ctx context.Context, actor *act.Actor, id int) (*journal.Entry, error) {
	var entry *journal.Entry
	err := a.Interrupt.Hold(ctx, func() (err error) {
		entry, err = actor.Confirm(ctx, id)
		return err
	})
	if err == nil {
		fmt.Fprintf(a.Err, "Confirmed: %s holds. `portrange undo` takes it back.\n", escape.Line(entry.Title()))
	}
	return entry, err
}

// awaitEnter waits until the change is confirmed, here or elsewhere, or goes back.
func (c *changeCommand) awaitEnter(ctx context.Context, actor *act.Actor, entry *journal.Entry) error {
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	pressed := make(chan error, 1)
	go func() {
		_, err := c.readLine(waiting)
		pressed <- err
	}()
	settled := make(chan journal.Entry, 1)
	go func() {
		if e, err := actor.Await(waiting, entry); err == nil {
			settled <- e
		}
	}()
	select {
	case err := <-pressed:
		if err == nil {
			_, err = c.confirm(ctx, actor, entry.ID)
			return err
		}
		fmt.Fprintln(c.Err, "\nNot confirmed: it goes back in time, unless `portrange confirm` keeps it.")
		if errors.Is(err, io.EOF) { // the answer was Ctrl-D
			return exitStatus(ExitFinding)
		}
		return err
	case e := <-settled:
		if e.State == journal.Done {
			fmt.Fprintln(c.Err, "Confirmed elsewhere.")
			return nil
		}
		fmt.Fprintf(c.Err, "portrange: %s\n", escape.Line(e.Title()+": "+e.Note))
		return exitStatus(ExitFinding)
	}
}
