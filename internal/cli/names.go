package cli

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// lookupTime bounds the questions to name servers.
const lookupTime = 10 * time.Second

// lookup finds the addresses of a host's name.
type lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)

// destinations are what REMOTE means, each ADDR:PORT: the text itself, or where it has
// the name of a host, one for each of its addresses; of those only the family of local,
// where that is an address. The name of a service (services(5)) gives way to its port.
// What is neither an address nor a name is left for [parseRemote] to explain.
func destinations(ctx context.Context, text, proto, local string, find lookup) ([]string, error) {
	host, service, found := cutPort(text)
	if _, err := netip.ParseAddr(text); err == nil || !found {
		return []string{text}, nil
	}
	portText, err := servicePort(ctx, proto, service)
	if err != nil {
		return nil, fmt.Errorf("remote %q: %w", text, err)
	}
	if !isName(host) {
		return []string{strings.TrimSuffix(text, service) + portText}, nil
	}
	if _, err := parsePort(portText); err != nil {
		return nil, fmt.Errorf("remote %q: %w", text, err)
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	addrs, err := find(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("remote %q: %w; give an address", text, err)
	}
	from, localErr := netip.ParseAddr(local)
	var ends []string
	for _, addr := range addrs {
		addr = addr.Unmap()
		end := net.JoinHostPort(addr.String(), portText)
		if (localErr != nil || from.Is4() == addr.Is4()) && !slices.Contains(ends, end) {
			ends = append(ends, end)
		}
	}
	if len(ends) == 0 {
		return nil, fmt.Errorf("remote %q: %s has no address of the family of --local %s", text, host, local)
	}
	return ends, nil
}

// isName reports whether text can be the name of a host: letters, digits, hyphens,
// underscores and points, and not what looks like an IPv4 address.
func isName(text string) bool {
	letters := false
	for _, r := range text {
		switch {
		case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z':
			letters = true
		case r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.':
		default:
			return false
		}
	}
	return letters
}

// servicePort is the number of a port as text; a number, or nothing, is left as it is.
func servicePort(ctx context.Context, proto, service string) (string, error) {
	if !isName(service) {
		return service, nil
	}
	number, err := net.DefaultResolver.LookupPort(ctx, proto, service)
	if err != nil {
		return "", fmt.Errorf("%q is no port, want a number from 1 to 65535 or a service that /etc/services has for %s",
			service, proto)
	}
	return strconv.Itoa(number), nil
}
