package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"

	"github.com/spf13/cobra"

	"portrange/internal/collect"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/kernel/netns"
	"portrange/internal/port"
	"portrange/internal/report"
)

const leftLong = `Tells how many more connections can be opened to a destination, ADDR:PORT, also
to one never used before. Without --local the kernel's routing says which
source address a connection would take.

TCP shares local ports between destinations, so the answer holds for this
destination alone. UDP does not: there the answer is what is left for all
destinations together, at the local address given, or, without --local, for a
socket that connects or sends without having been bound.`

const leftExample = `  portrange left 10.0.0.5:8080
  portrange left '[2001:db8::5]:443' --local 2001:db8::2
  portrange left 10.0.0.5:53 --proto udp
  portrange left 10.0.0.5:8080 --json | jq .left`

type leftCommand struct {
	*app
	local  string
	device string
	proto  string
	source collect.Source
	owners bool
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
	cmd.Flags().StringVar(&c.local, "local", "", "connect from `ADDR`, else from the address that routing picks")
	cmd.Flags().StringVar(&c.device, "device", "", "`INTERFACE` the socket is bound to with SO_BINDTODEVICE")
	choiceFlag(cmd, &c.proto, "proto", "protocol", port.TCP.String(), port.UDP.String())
	sourceFlag(cmd, &c.source)
	ownersFlag(cmd, &c.owners, false)
	return cmd
}

// question is what left asks in each namespace.
type question struct {
	proto  port.Proto
	remote netip.AddrPort
	local  netip.Addr // the zero Addr where routing shall tell
	device string
}

func (c *leftCommand) parse(text string) (question, error) {
	q := question{proto: port.TCP, device: c.device}
	if c.proto == port.UDP.String() {
		q.proto = port.UDP
	}
	remote, zone, err := parseRemote(text)
	if err != nil {
		return q, err
	}
	q.remote = remote
	if zone != "" && c.device != "" && zone != c.device {
		return q, fmt.Errorf("remote %q lies behind %s, but --device is %s", text, zone, c.device)
	}
	if zone != "" {
		q.device = zone
	}
	if q.proto == port.UDP && c.device != "" {
		return q, errors.New("--device: UDP draws on all devices alike, leave it out")
	}
	if c.local == "" {
		return q, nil
	}
	local, err := netip.ParseAddr(c.local)
	if err != nil {
		return q, fmt.Errorf("--local %q: want an IP address without a port", c.local)
	}
	q.local, _ = cutZone(local)
	if q.local.Is4() != remote.Addr().Is4() {
		return q, fmt.Errorf("--local %s and remote %s: one is IPv4, the other IPv6", q.local, remote.Addr())
	}
	return q, nil
}

func (c *leftCommand) run(cmd *cobra.Command, args []string) error {
	q, err := c.parse(args[0])
	if err != nil {
		return err
	}
	state, targets, err := c.look(cmd.Context(), c.source, withOwners(host.WantSockets, c.owners), readingSockets)
	if err != nil {
		return err
	}
	document, err := q.answer(cmd.Context(), state, targets)
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

// answer asks every namespace. One in which no connection can be opened, for
// want of a route or of the device, is a gap beside the others, an error alone.
func (q *question) answer(ctx context.Context, state *host.State, targets []netns.Namespace) (*report.Left, error) {
	document := &report.Left{
		SchemaVersion: report.SchemaVersion,
		Pools:         []report.LeftPool{}, LocalPools: []report.LeftLocal{}, Gaps: orEmpty(state.Gaps),
	}
	byID := make(map[uint64]netns.Namespace, len(targets))
	for _, target := range targets {
		byID[target.ID] = target
	}
	var failures []error
	for i := range state.Namespaces {
		ns := &state.Namespaces[i]
		if err := q.add(ctx, document, ns, byID[ns.ID]); err != nil {
			failures = append(failures, err)
			document.Gaps = append(document.Gaps, host.Gap{
				Part: host.PartRoute, Object: "ports left to " + q.remote.String(), NetNS: ns.ID, Why: err.Error(),
			})
		}
	}
	if len(document.Pools)+len(document.LocalPools) == 0 {
		return nil, errors.Join(failures...)
	}
	return document, nil
}

// add appends a namespace's answer to the document.
func (q *question) add(ctx context.Context, document *report.Left, ns *host.Namespace, target netns.Namespace) error {
	origin := report.NewOrigin(ns)
	if q.proto == port.UDP {
		if err := q.checkLocal(target, 0); err != nil {
			return err
		}
		local := q.local
		if !local.IsValid() {
			// Unbound, it gets its port before its address, so from the pool of all addresses.
			local = netip.IPv6Unspecified()
			if q.remote.Addr().Is4() {
				local = netip.IPv4Unspecified()
			}
		}
		asker := judge.NewAsker(ns, port.UDP, local)
		pool := judge.LeftLocal(ns, &asker)
		document.LocalPools = append(document.LocalPools, report.LeftLocal{Origin: origin, LocalPool: pool})
		return nil
	}
	tuple := port.Tuple{Proto: port.TCP, Local: q.local, Remote: q.remote}
	var err error
	if q.device != "" {
		if tuple.Device, err = collect.DeviceIndex(target, q.device); err != nil {
			return err
		}
		if ns.Devices == nil {
			ns.Devices = map[uint32]string{}
		}
		ns.Devices[tuple.Device] = q.device // for the verdict, though no socket may be bound to it so far
	}
	if !q.local.IsValid() || q.local.IsUnspecified() {
		tuple.Local, err = collect.SourceAddress(ctx, target, q.remote.Addr(), q.device)
	} else {
		err = q.checkLocal(target, tuple.Device)
	}
	if err != nil {
		return err
	}
	asker := judge.NewAsker(ns, port.TCP, tuple.Local)
	asker.Device = tuple.Device
	document.Pools = append(document.Pools, report.LeftPool{Origin: origin, Pool: judge.Left(ns, &asker, tuple.Remote)})
	return nil
}

// checkLocal tells a local address that the host does not have from one without
// ports: bind() and connect() answer EADDRNOTAVAIL to both.
func (q *question) checkLocal(target netns.Namespace, device uint32) error {
	if !q.local.IsValid() {
		return nil
	}
	if err := collect.CheckLocal(target, q.local, device); err != nil {
		return fmt.Errorf("--local %s: %w; `ip addr` lists those there are", q.local, err)
	}
	return nil
}
