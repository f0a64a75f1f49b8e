package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
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
	"portrange/internal/passwd"
	"portrange/internal/port"
	"portrange/internal/rules"
)

// dryRunFlag is the flag of all commands that change something.
const dryRunFlag = "dry-run"

// origin describes a command for the journal and for files, and who runs it: the
// user, and who became that through sudo.
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
	const longest = 200 // a command with a long list stays readable where it is quoted
	command := strings.Join(words, " ")
	if len(command) > longest {
		command = strings.ToValidUTF8(command[:longest], "") + "…"
	}
	name := "user " + strconv.Itoa(os.Getuid())
	names, _ := passwd.Names() // without, the number says it
	if known := names[uint32(os.Getuid())]; known != "" {
		name = known
	}
	if before := a.Getenv("SUDO_USER"); before != "" && before != name {
		name += " (sudo by " + before + ")"
	}
	return act.Origin{Command: command, User: name, At: time.Now().UTC()}
}

// actor opens the door to the host and the journal. Its clock starts `portrange
// revert` in time: through systemd where it runs the machine, else as a process
// of its own.
func (a *app) actor(targets ...netns.Namespace) (*act.Actor, *act.System, error) {
	system, err := act.NewSystem(targets...)
	if err != nil {
		return nil, nil, err
	}
	process := &clock.Detached{Arguments: func(id int, after time.Duration) []string {
		return []string{"revert", strconv.Itoa(id), "--ready", "--after", after.String()}
	}}
	actor := &act.Actor{Host: system, Journal: openJournal(), Clock: process}
	program, err := os.Executable()
	if err != nil || !clock.Running() {
		return actor, system, nil
	}
	timer := &clock.Timer{
		Connect: clock.Connect,
		Command: func(id int) []string { return []string{program, "revert", strconv.Itoa(id)} },
		Needs: func(id int) []string {
			return []string{program, journal.Dir, actor.Journal.CopyOf(id)}
		},
	}
	actor.Clock = &clock.Fallback{Timer: timer, Detached: process, Instead: func(why error) {
		fmt.Fprintf(a.Err, "portrange: systemd does not watch the clock: %v; a process does instead, "+
			"which takes the change back early if it is ended, as KillUserProcesses= does at logout\n", why)
	}}
	return actor, system, nil
}

func openJournal() *journal.Journal { return journal.Open(journal.Dir).WithCopies(journal.Copies) }

// survey finds out what a change of the namespaces of --netns would meet.
func (a *app) survey(ctx context.Context, source collect.Source) (act.Look, *act.Actor, error) {
	state, targets, err := a.look(ctx, source, rules.ChangeNeeds(), "looking at who needs which port")
	if err != nil {
		return act.Look{}, nil, err
	}
	actor, system, err := a.actor(targets...)
	if err != nil {
		return act.Look{}, nil, err
	}
	look := act.Look{State: state, Places: map[uint64]journal.Place{}, Every: a.netns == collect.AllNamespaces}
	for i := range state.Namespaces {
		// Files apply at boot to the host's namespace, else to the caller's own where
		// no other was named, as within a container.
		if ns := &state.Namespaces[i]; ns.Name == port.Host || a.netns == "" {
			look.Booted = ns.ID
			break
		}
	}
	for _, target := range targets {
		if state.Find(target.ID) == nil {
			continue // it could not be read
		}
		switch look.Places[target.ID], err = system.Identify(target); {
		case errors.Is(err, netns.ErrGone) && look.Every:
			state.Namespaces = slices.DeleteFunc(state.Namespaces, func(ns host.Namespace) bool { return ns.ID == target.ID })
			state.Gaps = append(state.Gaps, host.Gap{Part: host.PartSettings, NetNS: target.ID, Why: err.Error()})
		case err != nil:
			return look, nil, err
		}
	}
	if look.Booted != 0 {
		if look.Files, err = act.ReadFiles("/"); err != nil {
			return look, nil, err
		}
	}
	look.Unsettled, err = actor.Unsettled()
	if errors.Is(err, os.ErrPermission) { // whoever may not read the journal may look, not act
		state.Gaps = append(state.Gaps, host.Gap{Part: host.PartJournal, Why: err.Error()})
		err = nil
	}
	return look, actor, err
}

// refuseNetns is an error for --netns where a change is spoken of as a whole.
func (a *app) refuseNetns(cmd *cobra.Command) error {
	if a.netns == "" {
		return nil
	}
	return fmt.Errorf("%s: it is about the last change, whichever namespaces that was made in; leave out --netns",
		cmd.Name())
}
