package cli

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"portrange/internal/collect"
	"portrange/internal/host"
	"portrange/internal/port"
)

// filter chooses rows; an empty part of it lets everything pass.
type filter struct {
	states    map[port.State]bool
	locals    []endpoint
	remotes   []endpoint
	processes []string
	inRange   bool
}

func newFilter(states, locals, remotes, processes []string, inRange bool) (*filter, error) {
	f := &filter{processes: processes, inRange: inRange}
	var err error
	if f.states, err = parseStates(states); err != nil {
		return nil, fmt.Errorf("--state: %w", err)
	}
	if f.locals, err = parseEndpoints(locals); err != nil {
		return nil, fmt.Errorf("--local: %w", err)
	}
	if f.remotes, err = parseEndpoints(remotes); err != nil {
		return nil, fmt.Errorf("--remote: %w", err)
	}
	return f, nil
}

func (f *filter) pass(row *collect.Row) bool {
	s := &row.Socket
	return (len(f.states) == 0 || f.states[s.State]) &&
		matchAny(f.locals, s.Local) && matchAny(f.remotes, s.Remote) &&
		(!f.inRange || row.Range.Contains(s.Local.Port())) &&
		(len(f.processes) == 0 || slices.ContainsFunc(row.Processes, func(p host.Process) bool {
			return slices.Contains(f.processes, p.Command) || slices.Contains(f.processes, strconv.Itoa(p.PID))
		}))
}

// endpoint matches one end of a socket.
type endpoint struct {
	prefix netip.Prefix // the zero Prefix matches every address
	port   uint16       // 0 matches every port
}

func matchAny(endpoints []endpoint, end netip.AddrPort) bool {
	return len(endpoints) == 0 || end.IsValid() && slices.ContainsFunc(endpoints, func(e endpoint) bool {
		return (!e.prefix.IsValid() || e.prefix.Contains(end.Addr().WithZone(""))) &&
			(e.port == 0 || e.port == end.Port())
	})
}

// parseEndpoints reads texts such as ADDR, PREFIX, ADDR:PORT, PREFIX:PORT or :PORT,
// where * stands for every address and an IPv6 address with a port has brackets.
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
		if e.port, err = parsePort(portText); err != nil {
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
	if len(names) > 0 && len(chosen) == 0 {
		return nil, errors.New("want a state")
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
