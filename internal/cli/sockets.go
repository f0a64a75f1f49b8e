package cli

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
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
synchronized, bucket and big stand for groups as in ss. The letters of ss are
taken too, as in portrange sockets -tlnp.

--count prints the number of sockets alone; --group-by counts them by program,
by systemd unit or container, by remote end or by state, most first. A socket
that several programs have open counts for each. --sort keeps all sockets that
pass in memory; with --limit only about as many as are shown.`

const socketsExample = `  portrange sockets --in-range --state time-wait
  portrange sockets --remote 10.0.0.0/8 --process haproxy
  portrange sockets -tn --dport 8000-8099 --sort timer --limit 20
  portrange sockets --bind-held --in-range --group-by process
  portrange sockets --remote :443 --json | jq '.sockets[].local'`

// What --group-by counts by, and --sort sorts by.
const (
	byProcess = "process"
	byUnit    = "unit"
	byRemote  = "remote"
	byState   = "state"
	byLocal   = "local"
	byUser    = "user"
	byTimer   = "timer"
)

type socketsCommand struct {
	*app
	filters filterFlags
	source  collect.Source
	owners  bool
	count   bool
	groupBy string
	sortBy  string
	limit   limit
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
	c.filters.add(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&c.count, "count", false, "print how many sockets there are, and nothing else")
	choiceFlag(cmd, &c.groupBy, "group-by", "count sockets by this", byProcess, byUnit, byRemote, byState)
	choiceFlag(cmd, &c.sortBy, "sort", "sort by this; timer has those first that fire first",
		byLocal, byRemote, byState, byProcess, byUser, byTimer)
	flags.Var(&c.limit, "limit", "show at most `N` sockets or groups, 0 for all")
	flags.BoolVarP(&c.owners, "owners", "p", true, "find the processes behind the sockets")
	flags.BoolP("numeric", "n", false, "changes nothing, as in ss: addresses and ports are always numbers")
	flags.BoolP("all", "a", false, "changes nothing, as in ss: all states are listed")
	sourceFlag(cmd, &c.source)
	return cmd
}

func (c *socketsCommand) run(cmd *cobra.Command, _ []string) error {
	if err := c.settleOwners(cmd.Flags().Changed("owners")); err != nil {
		return err
	}
	switch {
	case c.count && (c.groupBy != "" || c.sortBy != "" || c.limit > 0):
		return errors.New("--count prints one number: leave --group-by, --sort and --limit out")
	case c.groupBy != "" && c.sortBy != "":
		return errors.New("--group-by lists the largest groups first: leave --sort out")
	case c.filters.bindHeld && c.source == collect.Netlink:
		return errors.New("--bind-held needs BPF: sock_diag does not show how a port was taken; leave --source netlink out")
	}
	var gaps host.Gaps
	names, err := passwd.Names()
	if !errors.Is(err, fs.ErrNotExist) { // where there is no file, nobody has a name
		gaps.Missing(host.PartUsers, 0, err)
	}
	wanted, err := c.filters.compile(names)
	if err != nil {
		return err
	}
	v, err := c.open(cmd.Context(), c.source, withOwners(host.WantRows, c.owners))
	if err != nil {
		return err
	}
	gaps.Add(v.gaps...)
	return cmp.Or(c.stream(cmd.Context(), v, wanted, names, &gaps), v.Close())
}

// settleOwners finds out whether processes are wanted: to search for them takes longer
// than all the rest. given is set where the command line says so.
func (c *socketsCommand) settleOwners(given bool) error {
	var needs string
	switch {
	case len(c.filters.processes) > 0:
		needs = "--process"
	case c.groupBy == byProcess || c.groupBy == byUnit:
		needs = "--group-by " + c.groupBy
	case c.sortBy == byProcess:
		needs = "--sort " + c.sortBy
	}
	if needs != "" && !c.owners {
		return fmt.Errorf("%s needs the owners, leave --owners=false out", needs)
	}
	if !given && needs == "" && (c.count || c.groupBy != "") {
		c.owners = false
	}
	return nil
}

// sink takes the sockets that pass the filters.
type sink interface {
	// take takes one, which it may not keep, and reports whether more are wanted.
	take(*collect.Row) (bool, error)
	// end prints what is still to be printed.
	end([]host.Gap) error
}

// sink makes the one that the flags ask for.
func (c *socketsCommand) sink(out *bufio.Writer, names map[uint32]string) sink {
	switch {
	case c.count:
		return &counter{command: c, out: out}
	case c.groupBy != "":
		return newGrouper(c, out)
	}
	lister := &lister{names: names, limit: int(c.limit)}
	if c.json {
		lister.printer = report.NewSocketsJSON(out)
	} else {
		lister.printer = report.NewSocketsText(out, c.netns == collect.AllNamespaces, c.style())
	}
	if c.sortBy != "" {
		return &sorter{lister: lister, compare: orders[c.sortBy]}
	}
	return lister
}

// stream hands the sockets over one by one.
func (c *socketsCommand) stream(
	ctx context.Context, v *view, wanted *filter, names map[uint32]string, gaps *host.Gaps,
) error {
	streamed := !c.count && c.groupBy+c.sortBy == ""
	if _, onTerminal := terminal(c.Out); !onTerminal || !streamed { // else the rows show that work goes on
		defer progress(c.Err, "listing sockets")()
	}
	out := bufio.NewWriterSize(c.Out, 64<<10)
	to := c.sink(out, names)
	rows := v.Rows(ctx, v.targets, gaps)
	var (
		row   collect.Row // one for all: what an interface is given would be allocated each time
		blind uint64      // the last namespace of which buckets are missing
	)
	for row = range rows.All() {
		s := &row.Socket
		if c.filters.bindHeld && row.Namespace.ID != blind && s.Proto == port.TCP && s.Hold == port.HoldUnknown {
			blind = row.Namespace.ID
			gaps.Add(host.Gap{Part: host.PartBuckets, NetNS: blind,
				Why: "sock_diag does not show which connections called bind(): those are left out; run as root, so that BPF loads"})
		}
		if !wanted.pass(&row) {
			continue
		}
		more, err := to.take(&row)
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}
	if err := cmp.Or(rows.Err(), ctx.Err()); err != nil { // the list is not whole, so its end is not printed
		return errors.Join(err, out.Flush())
	}
	missed := orEmpty(gaps.List())
	c.printGaps(missed)
	return errors.Join(to.end(missed), out.Flush())
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
	if !hasUser(s) {
		return document
	}
	document.UID, document.User = &s.UID, names[s.UID]
	return document
}
