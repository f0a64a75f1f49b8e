package cli

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"portrange/internal/collect"
	"portrange/internal/host"
	"portrange/internal/port"
)

// filterFlags are the filters as the command line has them.
type filterFlags struct {
	protos, states, locals, remotes, sports, dports, processes, users list

	tcp, udp, ipv4, ipv6, listening, inRange, bindHeld bool
}

func (f *filterFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.Var(&f.protos, "proto", "only of this `PROTOCOL`, tcp or udp")
	flags.BoolVarP(&f.tcp, "tcp", "t", false, "the same as --proto tcp")
	flags.BoolVarP(&f.udp, "udp", "u", false, "the same as --proto udp")
	flags.BoolVarP(&f.ipv4, "ipv4", "4", false, "only sockets of IPv4 (AF_INET)")
	flags.BoolVarP(&f.ipv6, "ipv6", "6", false, "only sockets of IPv6, which can carry IPv4 (AF_INET6)")
	flags.Var(&f.states, "state", "only sockets in this `STATE`")
	flags.BoolVarP(&f.listening, "listening", "l", false, "the same as --state listen,close: listeners, and UDP without a peer")
	flags.Var(&f.locals, "local", "only with this local `END`: ADDR, ADDR:PORT, :PORT or PREFIX; PORT may be LOW-HIGH")
	flags.Var(&f.remotes, "remote", "only with this remote `END`: ADDR, ADDR:PORT, :PORT or PREFIX; PORT may be LOW-HIGH")
	flags.Var(&f.sports, "sport", "only with this local port, `PORT|LOW-HIGH`")
	flags.Var(&f.dports, "dport", "only with this remote port, `PORT|LOW-HIGH`")
	flags.Var(&f.processes, "process", "only held by this process, `NAME|PID`")
	flags.Var(&f.users, "user", "only of this user, `NAME|UID`; TIME_WAIT has none")
	flags.BoolVar(&f.inRange, "in-range", false, "only with a local port in the port range")
	flags.BoolVar(&f.bindHeld, "bind-held", false, "only TCP with a port taken through bind(), which no connect() picks")
	completeFlag(cmd, "state", stateNames())
	completeBy(cmd, "process", func(context.Context) []string {
		names, err := collect.Commands()
		if err != nil {
			return nil
		}
		return names
	})
	completeFlag(cmd, "proto", []string{port.TCP.String(), port.UDP.String()})
}

// filter chooses rows; an empty part of it lets everything pass.
type filter struct {
	protos    map[port.Proto]bool
	families6 map[bool]bool
	states    map[port.State]bool
	locals    []endpoint
	remotes   []endpoint
	sports    []endpoint
	dports    []endpoint
	processes []string
	users     map[uint32]bool

	inRange, bindHeld bool
}

// compile reads the filters. names are those of the users by number.
func (f *filterFlags) compile(names map[uint32]string) (*filter, error) {
	c := &filter{families6: map[bool]bool{}, processes: f.processes, inRange: f.inRange, bindHeld: f.bindHeld}
	states := f.states
	if f.listening {
		states = append(slices.Clone(states), port.Listen.String(), port.Close.String())
	}
	if f.ipv4 || f.ipv6 {
		c.families6[false], c.families6[true] = f.ipv4, f.ipv6
	}
	for _, of := range []struct {
		flag string
		err  error
	}{
		{"proto", c.parseProtos(f)},
		{"state", into(&c.states, parseStates, states)},
		{"local", into(&c.locals, parseEndpoints, f.locals)},
		{"remote", into(&c.remotes, parseEndpoints, f.remotes)},
		{"sport", into(&c.sports, parsePortEnds, f.sports)},
		{"dport", into(&c.dports, parsePortEnds, f.dports)},
		{"user", c.parseUsers(f.users, names)},
	} {
		if of.err != nil {
			return nil, fmt.Errorf("--%s: %w", of.flag, of.err)
		}
	}
	return c, nil
}

func into[T any](parsed *T, parse func([]string) (T, error), texts []string) (err error) {
	*parsed, err = parse(texts)
	return err
}

func (f *filter) parseProtos(flags *filterFlags) error {
	f.protos = map[port.Proto]bool{}
	for _, name := range flags.protos {
		switch strings.ToLower(name) {
		case port.TCP.String():
			f.protos[port.TCP] = true
		case port.UDP.String():
			f.protos[port.UDP] = true
		default:
			return fmt.Errorf("unknown protocol %q, want tcp or udp", name)
		}
	}
	if flags.tcp {
		f.protos[port.TCP] = true
	}
	if flags.udp {
		f.protos[port.UDP] = true
	}
	return nil
}

func (f *filter) parseUsers(users []string, names map[uint32]string) error {
	f.users = map[uint32]bool{}
	for _, user := range users {
		id, err := strconv.ParseUint(user, 10, 32)
		if err == nil {
			f.users[uint32(id)] = true
			continue
		}
		known := false
		for uid, name := range names {
			if name == user {
				f.users[uid], known = true, true
			}
		}
		if !known {
			return fmt.Errorf("/etc/passwd has no user %q; give a user's number, as `id -u` prints it", user)
		}
	}
	return nil
}

func (f *filter) pass(row *collect.Row) bool {
	s := &row.Socket
	return (len(f.protos) == 0 || f.protos[s.Proto]) && (len(f.families6) == 0 || f.families6[s.Family6]) &&
		(len(f.states) == 0 || f.states[s.State]) &&
		matchAny(f.locals, s.Local) && matchAny(f.remotes, s.Remote) &&
		matchAny(f.sports, s.Local) && matchAny(f.dports, s.Remote) &&
		(!f.inRange || row.Range.Contains(s.Local.Port())) &&
		(!f.bindHeld || s.Proto == port.TCP && s.Hold == port.BindHeld) &&
		(len(f.users) == 0 || hasUser(s) && f.users[s.UID]) &&
		(len(f.processes) == 0 || slices.ContainsFunc(row.Processes, func(p host.Process) bool {
			return slices.Contains(f.processes, p.Command) || slices.Contains(f.processes, strconv.Itoa(p.PID))
		}))
}

// hasUser reports whether the kernel keeps a user with the socket: those in TIME_WAIT and
// before accept() are too small.
func hasUser(s *port.Socket) bool { return !s.Mini && s.State != port.NewSynRecv }

// endpoint matches one end of a socket.
type endpoint struct {
	prefix netip.Prefix // the zero Prefix matches every address
	ports  port.Range   // the zero Range matches every port
}

func matchAny(endpoints []endpoint, end netip.AddrPort) bool {
	return len(endpoints) == 0 || end.IsValid() && slices.ContainsFunc(endpoints, func(e endpoint) bool {
		return (!e.prefix.IsValid() || e.prefix.Contains(end.Addr().WithZone(""))) &&
			(e.ports == port.Range{} || e.ports.Contains(end.Port()))
	})
}

// parseEndpoints reads texts such as ADDR, PREFIX, ADDR:PORT, PREFIX:PORT or :PORT,
// where PORT may be LOW-HIGH, * stands for every address and an IPv6 address with a port
// has brackets.
func parseEndpoints(texts []string) ([]endpoint, error) {
	endpoints := make([]endpoint, len(texts))
	for i, text := range texts {
		e := &endpoints[i]
		var err error
		if e.prefix, err = parsePrefix(text); err == nil {
			continue
		}
		host, portText, found := cutPort(text)
		if !found {
			return nil, fmt.Errorf("%q: want ADDR, ADDR:PORT, :PORT or a prefix such as 10.0.0.0/8", text)
		}
		if e.ports, err = parsePorts(portText); err != nil {
			return nil, fmt.Errorf("%q: %w", text, err)
		}
		if host == "" || host == "*" {
			continue
		}
		if e.prefix, err = parsePrefix(host); err != nil {
			return nil, fmt.Errorf("%q: %q is neither an IP address nor a prefix", text, host)
		}
	}
	return endpoints, nil
}

// parsePortEnds reads ports, each PORT or LOW-HIGH, as ends with any address.
func parsePortEnds(texts []string) (endpoints []endpoint, err error) {
	for _, text := range texts {
		ports, err := parsePorts(strings.TrimPrefix(text, ":")) // as ss writes them
		if err != nil {
			return nil, err
		}
		endpoints = append(endpoints, endpoint{ports: ports})
	}
	return endpoints, nil
}

// parsePorts reads PORT or LOW-HIGH.
func parsePorts(text string) (port.Range, error) {
	lowText, highText, isRange := strings.Cut(text, "-")
	low, err := parsePort(lowText)
	if err != nil {
		return port.Range{}, err
	}
	if !isRange {
		return port.Range{Low: low, High: low}, nil
	}
	high, err := parsePort(highText)
	if err == nil && high < low {
		err = fmt.Errorf("%q is no range of ports, the first one is the higher", text)
	}
	return port.Range{Low: low, High: high}, err
}

// parsePrefix reads a prefix, or an address as the prefix that holds it alone.
func parsePrefix(text string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return netip.Prefix{}, err
		}
		addr = addr.WithZone("").Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	if addr := prefix.Addr(); addr.Is4In6() && prefix.Bits() >= 96 {
		prefix = netip.PrefixFrom(addr.Unmap(), prefix.Bits()-96)
	}
	return prefix.Masked(), nil
}

// stateGroups are names for several states, as ss has them (ss(8), STATE-FILTER).
var stateGroups = map[string][]port.State{
	"synchronized": {port.Established, port.SynRecv, port.NewSynRecv, port.FinWait1, port.FinWait2,
		port.TimeWait, port.CloseWait, port.LastAck, port.Closing},
	"connected": {port.Established, port.SynSent, port.SynRecv, port.NewSynRecv, port.FinWait1, port.FinWait2,
		port.TimeWait, port.CloseWait, port.LastAck, port.Closing},
	"bucket": {port.TimeWait, port.SynRecv, port.NewSynRecv},
	"big": {port.Established, port.SynSent, port.FinWait1, port.FinWait2, port.Close, port.CloseWait, port.LastAck,
		port.Listen, port.Closing, port.BoundInactive},
	"synrecv": {port.SynRecv, port.NewSynRecv}, // a request socket is in SYN_RECV to all but the kernel
	"synrcv":  {port.SynRecv, port.NewSynRecv},
	// Other spellings of ss and netstat.
	"estab": {port.Established}, "listening": {port.Listen},
	"closed": {port.Close}, "unconn": {port.Close}, "unconnected": {port.Close},
}

func parseStates(names []string) (map[port.State]bool, error) {
	chosen := map[port.State]bool{}
	for _, name := range names {
		squeezed := squeeze(name)
		if squeezed == "all" {
			return nil, nil
		}
		states := stateGroups[squeezed]
		for state := port.Established; int(state) < port.States; state++ {
			if states == nil && squeeze(state.String()) == squeezed {
				states = []port.State{state}
			}
		}
		if states == nil {
			return nil, fmt.Errorf("unknown state %q, want one of %s", name, strings.Join(stateNames(), ", "))
		}
		for _, state := range states {
			chosen[state] = true
		}
	}
	return chosen, nil
}

// squeeze makes the spellings of ss, netstat and JSON equal: fin-wait-1,
// FIN_WAIT1 and fin_wait1.
func squeeze(name string) string {
	return strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(name))
}

func stateNames() []string {
	names := make([]string, 0, port.States)
	for state := port.Established; int(state) < port.States; state++ {
		if state != port.NewSynRecv { // shown with syn-recv
			names = append(names, strings.ReplaceAll(state.String(), "_", "-"))
		}
	}
	return append(names, "all", "connected", "synchronized", "bucket", "big")
}
