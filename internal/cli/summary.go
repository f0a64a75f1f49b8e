package cli

import (
	"io"

	"github.com/spf13/cobra"

	"portrange/internal/report"
	"portrange/internal/sample"
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
			document, err := a.summary(cmd)
			if err != nil {
				return err
			}
			a.printGaps(document.Gaps)
			return a.print(document, func(w io.Writer, style report.Style) error {
				return report.WriteSummary(w, document, style)
			})
		},
	}
}

func (a *app) summary(cmd *cobra.Command) (*report.Summary, error) {
	targets, gaps, err := sample.Targets(cmd.Context(), a.netns)
	if err != nil {
		return nil, err
	}
	defer progress(a.Err, "counting sockets")()
	totals, more, err := sample.Summary(cmd.Context(), targets)
	if err != nil {
		return nil, err
	}
	return &report.Summary{
		SchemaVersion: report.SchemaVersion, Namespaces: orEmpty(totals), Gaps: orEmpty(append(gaps, more...)),
	}, nil
}
