package cli

import (
	"cmp"
	"context"
	"errors"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"portrange/internal/host"
	"portrange/internal/sample"
)

func sourceFlag(cmd *cobra.Command, options *sample.Options) {
	options.Source = sample.Auto
	choiceFlag(cmd, &options.Source, "source", "where sockets are read from: BPF, sock_diag, or BPF where it loads",
		sample.Auto, sample.BPF, sample.Netlink)
}

func ownersFlag(cmd *cobra.Command, options *sample.Options, byDefault bool) {
	cmd.Flags().BoolVar(&options.Owners, "owners", byDefault, "find the processes behind the sockets")
}

// open finds the namespaces of --netns, by way of all processes, and meanwhile
// opens a sampler, for which it reads the kernel's types.
func (a *app) open(ctx context.Context, options sample.Options) (*sample.Sampler, []sample.Namespace, []host.Gap, error) {
	var (
		sampler *sample.Sampler
		opening errgroup.Group
	)
	opening.Go(func() (err error) {
		sampler, err = sample.Open(options)
		return err
	})
	targets, gaps, err := sample.Targets(ctx, a.netns)
	if failed := opening.Wait(); failed != nil {
		return nil, nil, nil, cmp.Or(err, failed)
	}
	if err != nil {
		return nil, nil, nil, errors.Join(err, sampler.Close())
	}
	return sampler, targets, gaps, nil
}

// snapshot reads the namespaces of --netns, and returns them too.
func (a *app) snapshot(ctx context.Context, options sample.Options) (*host.State, []sample.Namespace, error) {
	sampler, targets, gaps, err := a.open(ctx, options)
	if err != nil {
		return nil, nil, err
	}
	defer progress(a.Err, "reading sockets")()
	snapshot, err := sampler.Snapshot(ctx, targets)
	err = cmp.Or(err, sampler.Close())
	if err != nil {
		return nil, nil, err
	}
	snapshot.Gaps = append(gaps, snapshot.Gaps...)
	return snapshot, targets, nil
}
