package netfilter

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"portrange/internal/host"
)

// nfgenmsg is the length of struct nfgenmsg (linux/netfilter/nfnetlink.h).
const nfgenmsg = 4

// attempts is how often a dump that the kernel marks as interrupted, because
// rules changed meanwhile, is begun anew.
const attempts = 4

// errInterrupted says that rules changed while they were read.
var errInterrupted = errors.New("the rules kept changing while they were read")

// listNFT dumps the rules of all tables at once. github.com/google/nftables
// asks for one chain at a time, and Kubernetes has tens of thousands of those.
func listNFT(ctx context.Context) ([]host.NATRules, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if errors.Is(err, unix.EPROTONOSUPPORT) {
		return nil, nil // a kernel without netfilter
	}
	if err != nil {
		return nil, fmt.Errorf("open netfilter: %w", err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	for range attempts {
		rules, err := dumpNFT(conn)
		switch {
		case errors.Is(err, errInterrupted):
			continue
		case errors.Is(err, unix.EINVAL), errors.Is(err, unix.EOPNOTSUPP):
			return nil, nil // a kernel without nf_tables (nfnetlink_rcv_msg)
		}
		return rules, err
	}
	return nil, errInterrupted
}

func dumpNFT(conn *netlink.Conn) ([]host.NATRules, error) {
	request := netlink.Message{
		Header: netlink.Header{
			Type:  unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETRULE,
			Flags: netlink.Request | netlink.Dump,
		},
		Data: make([]byte, nfgenmsg), // of all families
	}
	if _, err := conn.Send(request); err != nil {
		return nil, fmt.Errorf("ask for nftables rules: %w", err)
	}
	chains := map[host.NATRules]int{}
	interrupted := false
	for message, err := range conn.ReceiveIter() {
		if err != nil {
			return nil, fmt.Errorf("read nftables rules: %w", err)
		}
		interrupted = interrupted || message.Header.Flags&netlink.DumpInterrupted != 0
		chain, rewrites, err := parseRule(message.Data)
		if err != nil {
			return nil, fmt.Errorf("read nftables rules: %w", err)
		}
		if rewrites {
			chains[chain]++
		}
	}
	if interrupted {
		return nil, errInterrupted
	}
	var list []host.NATRules
	for chain, n := range chains {
		chain.Count = n
		list = append(list, chain)
	}
	return list, nil
}

// parseRule reads one NFT_MSG_NEWRULE: the chain it is in, and whether it
// rewrites source addresses.
func parseRule(data []byte) (chain host.NATRules, rewrites bool, err error) {
	if len(data) < nfgenmsg {
		return host.NATRules{}, false, fmt.Errorf("a rule of %d bytes is cut off", len(data))
	}
	chain = host.NATRules{Backend: "nftables", Family: families[data[0]]}
	attributes, err := netlink.NewAttributeDecoder(data[nfgenmsg:])
	if err != nil {
		return host.NATRules{}, false, err
	}
	for attributes.Next() {
		switch attributes.Type() {
		case unix.NFTA_RULE_TABLE:
			chain.Table = attributes.String()
		case unix.NFTA_RULE_CHAIN:
			chain.Chain = attributes.String()
		case unix.NFTA_RULE_EXPRESSIONS:
			attributes.Nested(func(list *netlink.AttributeDecoder) error {
				for list.Next() {
					list.Nested(func(expression *netlink.AttributeDecoder) error {
						found, err := isSourceNAT(expression)
						rewrites = rewrites || found
						return err
					})
				}
				return list.Err()
			})
		}
	}
	if err := attributes.Err(); err != nil {
		return host.NATRules{}, false, err
	}
	return chain, rewrites, nil
}

// isSourceNAT recognises the expressions of nft and, as iptables-nft keeps
// them, the targets of iptables.
func isSourceNAT(expression *netlink.AttributeDecoder) (found bool, err error) {
	name, data := "", []byte(nil)
	for expression.Next() {
		switch expression.Type() {
		case unix.NFTA_EXPR_NAME:
			name = expression.String()
		case unix.NFTA_EXPR_DATA:
			data = expression.Bytes()
		}
	}
	if err := expression.Err(); err != nil {
		return false, err
	}
	switch name {
	case "masq":
		return true, nil
	case "nat":
		return attributeIs(data, unix.NFTA_NAT_TYPE, func(value []byte) bool {
			return len(value) == 4 && binary.BigEndian.Uint32(value) == unix.NFT_NAT_SNAT
		})
	case "target":
		return attributeIs(data, unix.NFTA_TARGET_NAME, func(value []byte) bool { return isTarget(cString(value)) })
	}
	return false, nil
}

// attributeIs reports whether one of the attributes has the type and passes the test.
func attributeIs(data []byte, kind uint16, test func([]byte) bool) (bool, error) {
	attributes, err := netlink.NewAttributeDecoder(data)
	if err != nil {
		return false, err
	}
	is := false
	for attributes.Next() {
		is = is || attributes.Type() == kind && test(attributes.Bytes())
	}
	return is, attributes.Err()
}
