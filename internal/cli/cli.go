package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"portrange/internal/escape"
)

// The exit codes.
const (
	ExitOK          = 0
	ExitFinding     = 1   // a finding at or above the severity asked for
	ExitFailure     = 2   // wrong usage, or nothing could be shown
	ExitInterrupted = 130 // Ctrl-C; 143 is SIGTERM, 129 SIGHUP
)

// Streams are the standard streams and the environment of one run.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
	Getenv   func(string) string
	// Interrupt lets nothing end the run while settings are written; nil where
	// nothing would.
	Interrupt *Interrupt
	// Again is the command that runs the program once more with the same arguments,
	// for what must outlive a crash; empty where it cannot be.
	Again []string
}

// Run runs the command line args, without the program's name, until it is done
// or ctx is, and returns the exit code. Errors are printed here and nowhere else.
func Run(ctx context.Context, args []string, streams Streams) int {
	return perform(ctx, args, &app{Streams: streams})
}

// RunOn is [Run] for commands that take one look (show, left, check): they tell of
// the one that is given, whatever --netns and --source say. Whoever has many
// questions about the same sockets need not read them for each.
func RunOn(ctx context.Context, args []string, streams Streams, seen Seen) int {
	return perform(ctx, args, &app{Streams: streams, seen: &seen})
}

func perform(ctx context.Context, args []string, a *app) int {
	streams := a.Streams
	root := newCommand(a)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var ended exitStatus
	switch {
	case err == nil:
		return ExitOK
	case errors.As(err, &ended):
		return int(ended)
	case ctx.Err() != nil:
		return interrupted(ctx)
	}
	fmt.Fprintln(streams.Err, "portrange: "+escape.Line(err.Error()))
	return ExitFailure
}

// exitStatus ends a run that has said everything with an exit code.
type exitStatus int

// Error is for readers of the code: nobody prints it.
func (s exitStatus) Error() string { return fmt.Sprintf("exit code %d", int(s)) }

const rootLong = `portrange tells how many local ports this host has left towards each
destination, exactly as the kernel counts them. Without a command it shows the
port range, the fullest pools and whether all is well (portrange show).

Data goes to standard output, words to standard error. Colour is used on a
terminal only, and not at all with --no-color or NO_COLOR set.

Exit codes: 0 fine, 1 a finding at or above the severity asked for, 2 wrong
usage or nothing could be shown, 130 ended by Ctrl-C, 143 by SIGTERM (within a
second, but never while settings are written); check has those of a plugin.
What could not be read is named on standard error and in the JSON field gaps; it
does not change the code as long as something could be shown.`

// NewCommand builds the whole command tree. [Run] is what runs it; others take it
// to describe the program.
func NewCommand(streams Streams) *cobra.Command { return newCommand(&app{Streams: streams}) }

func newCommand(a *app) *cobra.Command {
	a.Err = escape.Writer{To: a.Err}
	show := &showCommand{app: a}
	root := &cobra.Command{
		Use:           "portrange",
		Short:         "Tell how many local ports are left to each destination",
		Long:          rootLong,
		Args:          noCommand,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if asked, _ := cmd.Flags().GetBool(versionFlag); asked {
				return printVersion(a)
			}
			return show.run(cmd, args)
		},
	}
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	root.SetFlagErrorFunc(flagError)
	root.CompletionOptions.DisableDefaultCmd = true
	flags := root.PersistentFlags()
	flags.BoolVar(&a.json, "json", false, "print JSON, see portrange help json for the fields")
	textFlag(flags, &a.netns, "netns", "a name, a path, a process id or all",
		"network namespace: `NAME|PATH|PID`, or all for every one (default the caller's)")
	completeBy(root, "netns", namespaces)
	flags.BoolVar(&a.noColor, "no-color", false, "no colour, also on a terminal")
	root.Flags().BoolP(versionFlag, "v", false, "print the version")
	show.flags(root)
	root.AddCommand(newShow(a), newLeft(a), newSockets(a), newSummary(a), newDoctor(a), newCheck(a), newPlan(a),
		newSet(a), newReserve(a), newUndo(a), newConfirm(a), newRevert(a), newBoot(a), newVersion(a), newCompletion(),
		newJSONTopic())
	helpAnswers(root)
	return root
}

// helpAnswers has `help` refuse what is no command, where cobra prints the help
// of the whole.
func helpAnswers(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	help, _, err := root.Find([]string{"help"})
	if err != nil {
		panic("find help: " + err.Error()) // it was added just before
	}
	help.Args = func(_ *cobra.Command, args []string) error {
		found, rest, err := root.Find(args)
		return cmp.Or(err, noCommand(found, rest))
	}
}

// noCommand explains a first word that is no command.
func noCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2
	hint := "`portrange --help` lists the commands"
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return fmt.Errorf("unknown command %q; %s", args[0], hint)
}

// noArgs explains a word too many.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("%s: takes no argument, got %q; see `%s --help`", cmd.Name(), args[0], cmd.CommandPath())
}

func flagError(cmd *cobra.Command, err error) error {
	return fmt.Errorf("%w; see `%s --help`", err, cmd.CommandPath())
}
