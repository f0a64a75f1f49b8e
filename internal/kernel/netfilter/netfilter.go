package netfilter

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"slices"

	"golang.org/x/sys/unix"

	"portrange/internal/host"
)

// SourceNAT lists the chains with rules that rewrite source addresses. What
// could not be read is a gap.
func SourceNAT(ctx context.Context) ([]host.NATRules, []host.Gap) {
	var found []host.NATRules
	var gaps []host.Gap
	for _, backend := range []struct {
		what, hint string
		list       func(context.Context) ([]host.NATRules, error)
	}{
		{"nftables rules", "run as root or with CAP_NET_ADMIN", listNFT},
		{"iptables-legacy rules", "run as root", listLegacy},
	} {
		rules, err := backend.list(ctx)
		if err != nil {
			why := err.Error()
			if errors.Is(err, fs.ErrPermission) {
				why += "; " + backend.hint
			}
			gaps = append(gaps, host.Gap{Part: host.PartNAT, Object: backend.what, Why: why})
		}
		found = append(found, rules...)
	}
	slices.SortFunc(found, func(a, b host.NATRules) int { return cmp.Compare(a.String(), b.String()) })
	return found, gaps
}

var families = map[uint8]string{
	unix.NFPROTO_INET: "inet", unix.NFPROTO_IPV4: "ip", unix.NFPROTO_ARP: "arp",
	unix.NFPROTO_NETDEV: "netdev", unix.NFPROTO_BRIDGE: "bridge", unix.NFPROTO_IPV6: "ip6",
}
