package cli

import (
	"errors"
	"io"

	"github.com/spf13/cobra"

	"portrange/internal/boot"
	"portrange/internal/collect"
	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/report"
)

const bootLong = `Tells what the port settings will be after a reboot: the value that
systemd-sysctl, sysctl --system (procps) and tuned would each set, from which
line of which file, which lines come to nothing, and whether the running value
differs (drift). The range, the reserved ports, ip_unprivileged_port_start,
tcp_tw_reuse, tcp_fin_timeout and tcp_max_tw_buckets are looked at.

With --root the file system of an image or a chroot is examined instead; then
there is nothing running to compare with.`

func newBoot(a *app) *cobra.Command {
	root := "/"
	cmd := &cobra.Command{
		Use:     "boot",
		Short:   "Tell which values hold after a reboot, and which file says so",
		Long:    bootLong,
		Example: "  portrange boot\n  portrange boot --root /mnt/image --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.netns != "" {
				return errors.New("boot: files in sysctl.d set the host's values; leave out --netns")
			}
			var (
				running *host.Namespace // what the files are compared with
				unread  []host.Gap
				own     []finding.Finding
			)
			if root == "/" {
				const settingsAlone = 0
				state, _, err := a.look(cmd.Context(), collect.Auto, settingsAlone, "reading settings")
				switch {
				case err == nil:
					running = &state.Namespaces[0]
				case cmd.Context().Err() != nil:
					return err
				default:
					unread = append(unread, host.Gap{Part: host.PartSettings, Why: err.Error()})
				}
				var gaps []host.Gap
				own, gaps = unsettled()
				unread = append(unread, gaps...)
			}
			forecast, err := collect.Forecast(root, boot.Keys(), running)
			if err != nil {
				return err
			}
			forecast.Gaps = append(forecast.Gaps, unread...)
			doc := report.NewBoot(forecast, own)
			a.printGaps(doc.Gaps)
			return a.print(doc, func(w io.Writer, style report.Style) error { return report.WriteBoot(w, doc, style) })
		},
	}
	textFlag(cmd.Flags(), &root, "root", "a directory", "take `DIR` for /")
	return cmd
}
