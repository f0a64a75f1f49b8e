package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"reflect"

	"github.com/spf13/cobra"

	"portrange/internal/collect"
	"portrange/internal/host"
	"portrange/internal/kernel/netns"
	"portrange/internal/port"
	"portrange/internal/report"
)

const leftLong = `Tells how many more connections can be opened to a destination, ADDR:PORT, also
to one never used before. Without --local the kernel's routing says which
source address a connection would take. The name of a host is looked up, in
/etc/hosts and by name servers, and each of its addresses is a line; that of a
service is looked up in /etc/services.

TCP shares local ports between destinations, so the answer holds for this
destination alone. UDP does not: there the answer is what is left for all
destinations together, at the local address given, or, without --local, for a
socket that connects or sends without having been bound. So it is for TCP with
--bind, which asks for a socket that is bound to port 0 before it connects;
with --reuse and net.ipv4.ip_autobind_reuse=1 such sockets share ports, and the
answer is for this destination again.

The other options tell what else the kernel looks at when it chooses a port:
options of the socket, and its user, whom routing rules and SO_REUSEPORT know.
Where rules look at what is not told, such as SO_MARK, the answer says so.`

const leftExample = `  portrange left 10.0.0.5:8080
  portrange left example.org:https
  portrange left '[2001:db8::5]:443' --local 2001:db8::2
  portrange left 10.0.0.5:53 --proto udp
  portrange left 10.0.0.5:8080 --bind --local 10.0.0.2
  portrange left 10.0.0.5:8080 --json | jq .left`

// maxUID is the last user: the number after it means none (chown(2)).
const maxUID = math.MaxUint32 - 1

type leftCommand struct {
	*app
	local       string
	device      string
	proto       string
	bind        bool
	socketRange string
	uid         uint32
	mark        uint32
	tos         uint32
	reuse       bool
	reusePort   bool
	v6only      bool
	transparent bool
	source      collect.Source
	owners      bool
}

func newLeft(a *app) *cobra.Command {
	c := &leftCommand{app: a, proto: port.TCP.String()}
	cmd := &cobra.Command{
		Use:     "left REMOTE",
		Short:   "Tell how many more connections can be opened to a destination",
		Long:    leftLong,
		Example: leftExample,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("left: want one destination ADDR:PORT, such as 10.0.0.5:8080, got %d", len(args))
			}
			return nil
		},
		RunE: c.run,
	}
	textFlag(cmd.Flags(), &c.local, "local", "an IP address", "connect from `ADDR`, else from the address that routing picks")
	textFlag(cmd.Flags(), &c.device, "device", "an interface", "`INTERFACE` or VRF the socket is bound to with SO_BINDTODEVICE")
	choiceFlag(cmd, &c.proto, "proto", "protocol", port.TCP.String(), port.UDP.String())
	cmd.Flags().BoolVar(&c.bind, "bind", false, "the socket is bound to port 0 before it connects")
	textFlag(cmd.Flags(), &c.socketRange, "socket-range", "LOW-HIGH", "the socket has its own range, `LOW-HIGH` (IP_LOCAL_PORT_RANGE)")
	cmd.Flags().BoolVar(&c.reuse, "reuse", false, "the socket has SO_REUSEADDR")
	cmd.Flags().BoolVar(&c.reusePort, "reuseport", false, "the socket has SO_REUSEPORT")
	cmd.Flags().BoolVar(&c.v6only, "v6only", false, "the socket has IPV6_V6ONLY, =false for not (default as net.ipv6.bindv6only says)")
	cmd.Flags().BoolVar(&c.transparent, "transparent", false, "the socket has IP_TRANSPARENT: --local may be any address")
	numberFlag(cmd, &c.uid, "uid", maxUID, "`UID` of the process (default the caller's)")
	numberFlag(cmd, &c.mark, "mark", math.MaxUint32, "the socket has SO_MARK `MARK`, for routing rules with fwmark")
	numberFlag(cmd, &c.tos, "tos", math.MaxUint8, "the socket has IP_TOS or IPV6_TCLASS `TOS`")
	sourceFlag(cmd, &c.source)
	ownersFlag(cmd, &c.owners, false)
	return cmd
}

func (c *leftCommand) run(cmd *cobra.Command, args []string) error {
	ends, err := destinations(cmd.Context(), args[0], c.proto, c.local, net.DefaultResolver.LookupNetIP)
	if err != nil {
		return err
	}
	var questions []question
	for _, end := range ends {
		q, err := c.parse(end, cmd.Flags().Changed)
		if err != nil {
			return err
		}
		questions = append(questions, q)
	}
	state, targets, err := c.look(cmd.Context(), c.source, withOwners(host.WantSockets, c.owners), readingSockets)
	if err != nil {
		return err
	}
	document, err := answer(cmd.Context(), questions, state, targets)
	if err != nil {
		return err
	}
	c.printGaps(document.Gaps)
	if c.json && c.netns != collect.AllNamespaces {
		return report.WriteJSON(c.Out, document.Single())
	}
	return c.print(document, func(w io.Writer, style report.Style) error {
		return report.WriteLeft(w, document, style)
	})
}

// answer asks every question in every namespace. Where no connection can be opened, for
// want of a route or of the device, that is a gap beside the others, an error alone.
// Addresses of one host that share their ports have one answer.
func answer(
	ctx context.Context, questions []question, state *host.State, targets []netns.Namespace,
) (*report.Left, error) {
	document := &report.Left{
		SchemaVersion: report.SchemaVersion,
		Pools:         []report.LeftPool{}, LocalPools: []report.LeftLocal{}, Gaps: orEmpty(state.Gaps),
		Brief: len(questions) > 1,
	}
	byID := make(map[uint64]netns.Namespace, len(targets))
	for _, target := range targets {
		byID[target.ID] = target
	}
	var failures []error
	for i := range state.Namespaces {
		ns := &state.Namespaces[i]
		for j := range questions {
			q := &questions[j]
			if err := q.add(ctx, document, ns, byID[ns.ID]); err != nil {
				failures = append(failures, err)
				document.Gaps = append(document.Gaps, host.Gap{
					Part: host.PartRoute, Object: "ports left to " + q.remote.String(), NetNS: ns.ID, Why: err.Error(),
				})
			}
			if n := len(document.LocalPools); n > 1 && reflect.DeepEqual(document.LocalPools[n-1], document.LocalPools[n-2]) {
				document.LocalPools = document.LocalPools[:n-1]
			}
		}
	}
	if len(document.Pools)+len(document.LocalPools) == 0 {
		return nil, errors.Join(failures...)
	}
	return document, nil
}
