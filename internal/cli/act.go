package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"portrange/internal/act"
	"portrange/internal/act/clock"
	"portrange/internal/act/journal"
	"portrange/internal/collect"
	"portrange/internal/host"
	"portrange/internal/kernel/netns"
)

// dryRunFlag is the flag of all commands that change something.
const dryRunFlag = "dry-run"

// origin describes a command for the journal and for files.
func (a *app) origin(cmd *cobra.Command, args []string) act.Origin {
	words := append([]string{strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" ")}, args...)
	cmd.Flags().Visit(func(flag *pflag.Flag) {
		if flag.Name == dryRunFlag {
			return // the plan shows what would be written without it
		}
		word := "--" + flag.Name
		if flag.Value.Type() != "bool" {
			word += "=" + flag.Value.String()
		}
		words = append(words, word)
	})
	return act.Origin{Command: shortened(strings.Join(words, " ")), User: a.user(), At: time.Now().UTC()}
}

// shortened keeps a command with a long list readable where it is quoted.
func shortened(command string) string {
	const longest = 200
	if len(command) <= longest {
		return command
	}
	return strings.ToValidUTF8(command[:longest], "") + "…"
}

// user is who runs the program, and who became that through sudo.
func (a *app) user() string {
	name := "user " + strconv.Itoa(os.Getuid())
	if known, err := user.Current(); err == nil {
		name = known.Username
	}
	if before := a.Getenv("SUDO_USER"); before != "" && before != name {
		name += " (sudo by " + before + ")"
	}
	return name
}

// actor opens the door to the host and the journal.
func (a *app) actor(targets ...netns.Namespace) (*act.Actor, *act.System, error) {
	system, err := act.NewSystem(targets...)
	if err != nil {
		return nil, nil, err
	}
	return &act.Actor{Host: system, Journal: journal.Open(journal.Dir), Clock: a.newClock()}, system, nil
}

// newClock starts `portrange revert` in time: through systemd where it runs the
// machine, else as a process of its own.
func (a *app) newClock() act.Clock {
	process := &clock.Detached{Arguments: func(id int, after time.Duration) []string {
		return []string{"revert", strconv.Itoa(id), "--ready", "--after", after.String()}
	}}
	program, err := os.Executable()
	if err != nil || !clock.Running() {
		return process
	}
	timer := &clock.Timer{
		Connect: clock.Connect,
		Command: func(id int) []string { return []string{program, "revert", strconv.Itoa(id)} },
		Needs:   []string{program, journal.Dir},
	}
	return &clock.Fallback{Timer: timer, Detached: process, Instead: func(why error) {
		fmt.Fprintf(a.Err, "portrange: systemd does not watch the clock: %v; a process does instead, "+
			"which takes the change back early if it is ended, as KillUserProcesses= does at logout\n", why)
	}}
}

// survey finds out what a change of the namespaces of --netns would meet.
func (a *app) survey(ctx context.Context, source collect.Source) (act.Facts, *act.Actor, error) {
	state, targets, err := a.look(ctx, source, act.Want, "looking at who needs which port")
	if err != nil {
		return act.Facts{}, nil, err
	}
	actor, system, err := a.actor(targets...)
	if err != nil {
		return act.Facts{}, nil, err
	}
	facts, err := a.facts(state, targets, system)
	if err != nil {
		return facts, nil, err
	}
	facts.Interrupted, err = actor.Interrupted()
	if errors.Is(err, os.ErrPermission) { // whoever may not read the journal may look, not act
		facts.Gaps = append(facts.Gaps, host.Gap{Part: host.PartJournal, Why: err.Error()})
		err = nil
	}
	return facts, actor, err
}

// facts puts the look beside what the files say. The caller's own namespace is
// meant where none was named.
func (a *app) facts(state *host.State, targets []netns.Namespace, system *act.System) (act.Facts, error) {
	own := uint64(0)
	if a.netns == "" {
		own = targets[0].ID
	}
	identify := func(id uint64) (journal.Place, error) {
		at := slices.IndexFunc(targets, func(n netns.Namespace) bool { return n.ID == id })
		return system.Identify(targets[at])
	}
	facts, err := act.FromState(state, own, identify)
	if err != nil {
		return facts, err
	}
	return facts, facts.ReadFiles("/")
}

// refuseNetns is an error for --netns where a change is spoken of as a whole.
func (a *app) refuseNetns(cmd *cobra.Command) error {
	if a.netns == "" {
		return nil
	}
	return fmt.Errorf("%s: it is about the last change, whichever namespaces that was made in; leave out --netns", cmd.Name())
}
