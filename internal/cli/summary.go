package cli

import (
	"io"

	"github.com/spf13/cobra"

	"portrange/internal/collect"
	"portrange/internal/host"
	"portrange/internal/report"
)

const summaryLong = `Prints the totals by protocol and state that ss -s prints, from the same kernel
counters, and how many local TCP ports are bound, which ss -s no longer tells.`

func newSummary(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "summary",
		Short:   "Print totals by state and protocol (ss -s)",
		Long:    summaryLong,
		Example: "  portrange summary\n  portrange summary --netns all --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// Which sockets have a port sock_diag tells to everybody.
			state, _, err := a.look(cmd.Context(), collect.Netlink, host.WantTotals, "counting sockets")
			if err != nil {
				return err
			}
			document := &report.Summary{
				SchemaVersion: report.SchemaVersion, Namespaces: []host.Totals{}, Gaps: orEmpty(state.Gaps),
			}
			for i := range state.Namespaces {
				if totals := state.Namespaces[i].Totals; totals != nil {
					document.Namespaces = append(document.Namespaces, *totals)
				}
			}
			a.printGaps(document.Gaps)
			return a.print(document, func(w io.Writer, style report.Style) error {
				return report.WriteSummary(w, document, style)
			})
		},
	}
}
