package cli

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io/fs"

	"github.com/spf13/cobra"

	"portrange/internal/collect"
	"portrange/internal/host"
	"portrange/internal/passwd"
	"portrange/internal/port"
	"portrange/internal/report"
)

const socketsLong = `Lists every TCP and UDP socket that holds a local port: protocol, local and
remote address, state, pending timer, user and processes. Sockets that are bound
but not connected are among them. The list is printed while it is read. On a
terminal too narrow for all columns TIMER, USER and PROCESS go, in this order.

Filters: a socket is shown when it passes all that are given; one filter given
several times, or with a list, passes what any of its values passes.

States are spelled as ss, netstat or JSON do (time-wait, TIME_WAIT); connected,
synchronized, bucket and big stand for groups as in ss.`

const socketsExample = `  portrange sockets --in-range --state time-wait
  portrange sockets --remote 10.0.0.0/8 --process haproxy
  portrange sockets --remote :443 --json | jq '.sockets[].local'`

type socketsCommand struct {
	*app
	source    collect.Source
	owners    bool
	states    []string
	locals    []string
	remotes   []string
	processes []string
	inRange   bool
}

func newSockets(a *app) *cobra.Command {
	c := &socketsCommand{app: a}
	cmd := &cobra.Command{
		Use:     "sockets",
		Short:   "List every socket that holds a local port (netstat -anp, ss)",
		Long:    socketsLong,
		Example: socketsExample,
		Args:    noArgs,
		RunE:    c.run,
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&c.states, "state", nil, "only sockets in this `STATE`")
	flags.StringSliceVar(&c.locals, "local", nil, "only with this local `END`: ADDR, ADDR:PORT, :PORT or PREFIX")
	flags.StringSliceVar(&c.remotes, "remote", nil, "only with this remote `END`: ADDR, ADDR:PORT, :PORT or PREFIX")
	flags.StringSliceVar(&c.processes, "process", nil, "only held by this process, `NAME|PID`")
	flags.BoolVar(&c.inRange, "in-range", false, "only with a local port in the port range")
	completeFlag(cmd, "state", stateNames())
	sourceFlag(cmd, &c.source)
	ownersFlag(cmd, &c.owners, true)
	return cmd
}

func (c *socketsCommand) run(cmd *cobra.Command, _ []string) error {
	if len(c.processes) > 0 && !c.owners {
		return errors.New("--process needs the owners, leave --owners=false out")
	}
	wanted, err := newFilter(c.states, c.locals, c.remotes, c.processes, c.inRange)
	if err != nil {
		return err
	}
	v, err := c.open(cmd.Context(), c.source, withOwners(host.WantRows, c.owners))
	if err != nil {
		return err
	}
	return cmp.Or(c.stream(cmd.Context(), v, wanted), v.Close())
}

// rowPrinter prints sockets as they come.
type rowPrinter interface {
	Write(*report.Socket) error
	Close([]host.Gap) error
}

// stream prints the sockets one by one; nothing but gaps is kept.
func (c *socketsCommand) stream(ctx context.Context, v *view, wanted *filter) error {
	if _, onTerminal := terminal(c.Out); !onTerminal { // there the rows show that work goes on
		defer progress(c.Err, "listing sockets")()
	}
	out := bufio.NewWriterSize(c.Out, 64<<10)
	var printer rowPrinter
	if c.json {
		printer = report.NewSocketsJSON(out)
	} else {
		printer = report.NewSocketsText(out, c.netns == collect.AllNamespaces, c.style())
	}
	var gaps host.Gaps
	names, err := passwd.Names()
	if !errors.Is(err, fs.ErrNotExist) { // where there is no file, nobody has a name
		gaps.Missing(host.PartUsers, 0, err)
	}
	gaps.Add(v.gaps...)
	rows := v.Rows(ctx, v.targets, &gaps)
	for row := range rows.All() {
		if !wanted.pass(&row) {
			continue
		}
		if err := printer.Write(socketDocument(&row, names)); err != nil {
			return err
		}
	}
	if err := cmp.Or(rows.Err(), ctx.Err()); err != nil { // the list is not whole, so its end is not printed
		return errors.Join(err, out.Flush())
	}
	missed := orEmpty(gaps.List())
	c.printGaps(missed)
	return errors.Join(printer.Close(missed), out.Flush())
}

func socketDocument(row *collect.Row, names map[uint32]string) *report.Socket {
	s := &row.Socket
	document := &report.Socket{
		NetNS: row.Namespace.ID, Name: row.Namespace.Name,
		Proto: s.Proto.String(), Family: "inet", Local: s.Local.String(), Device: row.Device,
		State: s.State.String(), Inode: s.Inode, Processes: orEmpty(row.Processes),
	}
	if s.Family6 {
		document.Family = "inet6"
	}
	if s.Remote.IsValid() {
		document.Remote = s.Remote.String()
	}
	if s.Timer.Kind != port.TimerOff {
		document.Timer = &report.Timer{
			Kind: s.Timer.Kind.String(), ExpiresMS: s.Timer.Expires.Milliseconds(), Retries: s.Timer.Retries,
		}
	}
	if s.Mini || s.State == port.NewSynRecv { // too small for the kernel to keep a user with it
		return document
	}
	document.UID, document.User = &s.UID, names[s.UID]
	return document
}
