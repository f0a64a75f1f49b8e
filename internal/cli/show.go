package cli

import (
	"io"
	"slices"

	"github.com/spf13/cobra"

	"portrange/internal/collect"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/port"
	"portrange/internal/report"
	"portrange/internal/rules"
)

const showLong = `Shows the local port range and, for each TCP destination that uses ports of it,
how many are used and left: the fullest pools first. A pool is what one local
address may use towards one remote address and port. Below stands what is
shared by all destinations (bind() to port 0, and UDP) where it is a tenth full
or more, then what is wrong, and one line that says whether all is well.

JSON holds all pools unless --limit is given.`

const showExample = `  portrange
  portrange show --sort left --limit 0
  portrange show --netns all --json
  portrange show --netns lb1 --owners=false`

// textPools is how many pools text shows unless --limit says otherwise.
const textPools = 10

// showCommand is `portrange show`, and portrange without a command.
type showCommand struct {
	*app
	limit  limit
	sort   judge.Order
	proto  string
	source collect.Source
	owners bool
}

func newShow(a *app) *cobra.Command {
	c := &showCommand{app: a}
	cmd := &cobra.Command{
		Use:     "show",
		Short:   "Show how full the range is, towards whom, and who holds it",
		Long:    showLong,
		Example: showExample,
		Args:    noArgs,
		RunE:    c.run,
	}
	c.flags(cmd)
	return cmd
}

func (c *showCommand) flags(cmd *cobra.Command) {
	c.limit, c.sort = textPools, judge.ByUsed
	cmd.Flags().Var(&c.limit, "limit", "pools to show, 0 for all")
	choiceFlag(cmd, &c.sort, "sort", "most used, fewest left or largest share first",
		judge.ByUsed, judge.ByLeft, judge.ByRatio)
	choiceFlag(cmd, &c.proto, "proto", "only pools of one protocol", port.TCP.String(), port.UDP.String())
	sourceFlag(cmd, &c.source)
	ownersFlag(cmd, &c.owners, true)
}

func (c *showCommand) run(cmd *cobra.Command, _ []string) error {
	state, _, err := c.look(cmd.Context(), c.source, withOwners(host.WantSockets, c.owners), readingSockets)
	if err != nil {
		return err
	}
	own, unread := unsettled()
	state.Gaps = append(state.Gaps, unread...)
	document := report.NewShow(state, append(own, rules.Pools(state)...))
	document.Proto = c.proto
	for i := range document.Namespaces {
		shown := &document.Namespaces[i]
		if c.proto != "" {
			shown.Pools = slices.DeleteFunc(shown.Pools, func(p judge.Pool) bool { return p.Proto != c.proto })
			shown.LocalPools = slices.DeleteFunc(shown.LocalPools, func(p judge.LocalPool) bool { return p.Proto != c.proto })
			shown.Findings = slices.DeleteFunc(shown.Findings, func(f report.Finding) bool {
				return f.Subject.Proto != "" && f.Subject.Proto != c.proto
			})
		}
		judge.SortPools(shown.Pools, c.sort)
		if c.json && cmd.Flags().Changed("limit") && c.limit > 0 {
			shown.Pools = shown.Pools[:min(len(shown.Pools), int(c.limit))]
		}
	}
	c.printGaps(document.Gaps)
	return c.print(document, func(w io.Writer, style report.Style) error {
		return report.WriteShow(w, document, int(c.limit), style)
	})
}
