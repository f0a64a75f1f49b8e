package cli

import (
	"cmp"
	"context"
	"errors"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"portrange/internal/collect"
	"portrange/internal/host"
	"portrange/internal/kernel/netns"
)

func sourceFlag(cmd *cobra.Command, source *collect.Source) {
	*source = collect.Auto
	choiceFlag(cmd, source, "source", "where sockets are read from: BPF, sock_diag, or BPF where it loads",
		collect.Auto, collect.BPF, collect.Netlink)
}

func ownersFlag(cmd *cobra.Command, owners *bool, byDefault bool) {
	cmd.Flags().BoolVar(owners, "owners", byDefault, "find the processes behind the sockets")
}

// withOwners is what is wanted, owners where they were asked for.
func withOwners(want host.Want, owners bool) host.Want {
	if owners {
		want |= host.WantOwners
	}
	return want
}

// view is a collector with what it is to look at.
type view struct {
	*collect.Collector
	targets []netns.Namespace
	gaps    []host.Gap // of finding the targets
}

// open finds the namespaces of --netns, by way of all processes, and meanwhile
// opens a collector, for which it reads the kernel's types.
func (a *app) open(ctx context.Context, source collect.Source, want host.Want) (*view, error) {
	var (
		v       view
		opening errgroup.Group
	)
	opening.Go(func() (err error) {
		v.Collector, err = collect.Open(ctx, collect.Options{Source: source, Root: "/"}, want)
		return err
	})
	var err error
	v.targets, v.gaps, err = collect.Targets(ctx, a.netns)
	if failed := opening.Wait(); failed != nil {
		return nil, cmp.Or(err, failed)
	}
	if err != nil {
		return nil, errors.Join(err, v.Close())
	}
	return &v, nil
}

// Seen is a look at network namespaces that was taken before.
type Seen struct {
	State   *host.State
	Targets []netns.Namespace
}

// look reads what is wanted of the namespaces of --netns, and returns them too.
func (a *app) look(ctx context.Context, source collect.Source, want host.Want, what string) (*host.State, []netns.Namespace, error) {
	if a.seen != nil {
		return a.seen.State, a.seen.Targets, nil
	}
	v, err := a.open(ctx, source, want)
	if err != nil {
		return nil, nil, err
	}
	defer progress(a.Err, what)()
	state, err := v.Look(ctx, v.targets, want)
	err = cmp.Or(err, v.Close())
	if err != nil {
		return nil, nil, err
	}
	state.Gaps = append(v.gaps, state.Gaps...)
	return state, v.targets, nil
}

// readingSockets says what takes its time in most looks.
const readingSockets = "reading sockets"
