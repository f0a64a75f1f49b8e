package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"portrange/internal/act"
	"portrange/internal/collect"
	"portrange/internal/port"
	"portrange/internal/report"
)

const reserveLong = `Reserved ports (net.ipv4.ip_local_reserved_ports) are never picked by connect()
and by bind() to port 0; a program that binds one by number gets it. PORTS are
ports and ranges, as 8080,9148-9150. The kernel replaces its list whole: add and
remove keep the rest of it.`

func newReserve(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "reserve",
		Short: "Keep ports from being picked automatically",
		Long:  reserveLong,
		Example: "  portrange reserve add 8080,9148-9150 --persist\n" +
			"  portrange reserve remove 8080\n  portrange reserve list",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return fmt.Errorf("%s: want add, remove or list, got %q", cmd.Name(), args[0])
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	list := &cobra.Command{
		Use:   "list",
		Short: "Print the reserved ports",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			const settingsAlone = 0
			state, _, err := a.look(cmd.Context(), collect.Auto, settingsAlone, "reading settings")
			if err != nil {
				return err
			}
			doc := report.NewReserved(state.Namespaces, orEmpty(state.Gaps))
			a.printGaps(doc.Gaps)
			return a.print(doc, func(w io.Writer, style report.Style) error { return report.WriteReserved(w, doc, style) })
		},
	}
	cmd.AddCommand(
		newReserveChange(a, "add PORTS", "Reserve ports",
			func(wish *act.Wish, ports *port.Set) { wish.Add = ports }),
		newReserveChange(a, "remove PORTS", "Reserve ports no longer",
			func(wish *act.Wish, ports *port.Set) { wish.Remove = ports }),
		list,
	)
	return cmd
}

func newReserveChange(a *app, use, short string, wish func(*act.Wish, *port.Set)) *cobra.Command {
	c := &changeCommand{app: a}
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Long:  reserveLong,
		RunE: func(cmd *cobra.Command, args []string) error {
			ports, err := act.ParsePorts(args)
			if err != nil {
				return err
			}
			wish(&c.wish, ports)
			return c.run(cmd, args)
		},
	}
	c.flags(cmd)
	return cmd
}
