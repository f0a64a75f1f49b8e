package cli

import (
	"context"
	"fmt"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"portrange/internal/act/clock"
	"portrange/internal/escape"
)

type revertCommand struct {
	*app
	after time.Duration
	ready bool
}

// newRevert is what the clock of --confirm runs.
func newRevert(a *app) *cobra.Command {
	c := &revertCommand{app: a}
	cmd := &cobra.Command{
		Use:    "revert ID",
		Short:  "Take a change back unless it was confirmed",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.Interrupt.Hold(context.WithoutCancel(cmd.Context()), func() error { return c.run(cmd, args) })
		},
	}
	cmd.Flags().DurationVar(&c.after, "after", 0, "wait that `TIME` first")
	cmd.Flags().BoolVar(&c.ready, "ready", false, "say on file descriptor 3 that it waits")
	return cmd
}

// run takes the change back also when it is told to end before the time: who
// asked for --confirm wants it back rather than forgotten. It needs nothing but
// itself from the moment it says that it waits.
func (c *revertCommand) run(cmd *cobra.Command, args []string) error {
	id, err := strconv.Atoi(args[0])
	if err != nil {
		return fmt.Errorf("revert: %q is not the number of a change", args[0])
	}
	actor, _, err := c.actor()
	if err != nil {
		return err
	}
	entry, err := actor.Journal.Recall(id)
	if err != nil {
		return err
	}
	signal.Ignore(syscall.SIGHUP) // follows SIGTERM when systemd ends a session
	if c.ready {
		clock.Ready()
	}
	waiting, stop := context.WithTimeout(cmd.Context(), c.after)
	defer stop()
	if _, err = actor.Await(waiting, &entry); err == nil {
		return nil
	}
	actor.Strike(cmd.Context(), &entry, func(err error) {
		fmt.Fprintln(c.Err, "portrange: "+escape.Line(err.Error()))
		clock.Syslog(err.Error())
	})
	return nil
}
