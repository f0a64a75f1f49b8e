package rules_test

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"portrange/internal/finding"
	"portrange/internal/kernel/limits"
	"portrange/internal/nettest"
	"portrange/internal/words"
)

// tracked is a clinic whose connections netfilter tracks.
func newTracked(t *testing.T, rules string) *clinic {
	t.Helper()
	c := newClinic(t)
	if out, err := c.Command("nft", rules).CombinedOutput(); err != nil {
		t.Fatalf("nft: %v\n%s", err, out)
	}
	return c
}

// refused begins a connection whose first packet netfilter drops.
func (c *clinic) refused() { c.must(c.Connect(nettest.TCP4, service, nettest.NonBlock())) }

func TestFullTableOfConnections(t *testing.T) {
	c := newTracked(t, "add table ip f; add chain ip f out { type filter hook output priority 0; }; add rule ip f out ct state new accept")
	c.must(c.Listen(nettest.TCP4, service))
	c.connect(1)
	found, _ := c.examine()
	absentCodes(t, found, "conntrack-near-full", "conntrack-drops")

	table := c.fillTable()
	c.refused()
	found, _ = c.examine()
	contains(t, severity(t, found, "conntrack-near-full", finding.Critical), words.Thousands(int(table))+" of "+words.Thousands(int(table))+" entries")
	contains(t, severity(t, found, "conntrack-drops", finding.Warning), "dropped for want of room in the table, 0 because")
}

func TestSourceNATWithoutPorts(t *testing.T) {
	c := newTracked(t, "add table ip nat; add chain ip nat out { type nat hook postrouting priority 100; }; "+
		"add rule ip nat out ip protocol tcp snat to 10.0.0.1:50000-50004")
	c.must(c.Listen(nettest.TCP4, service))
	c.connect(5)
	c.refused()
	found, _ := c.examine()
	contains(t, severity(t, found, "conntrack-drops", finding.Info), "0 packets dropped for want of room", "because another entry had their ports")
	contains(t, find(t, found, "source-nat"), "5 connections tracked")
	absentCodes(t, found, "conntrack-near-full", "pool-near-full")
}

// fillTable fills the namespace's table with established connections, which the
// kernel evicts for no newcomer, and returns its size.
func (c *clinic) fillTable() (size uint64) {
	c.t.Helper()
	c.Do(func() {
		table, err := limits.ReadConntrack()
		if err != nil {
			c.t.Fatal(err)
		}
		size = table.Max
		conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
		if err != nil {
			c.t.Fatal(err)
		}
		defer conn.Close()
		const batch = 256
		for from := table.Count; from < size; from += batch {
			var entries []netlink.Message
			for i := from; i < min(from+batch, size); i++ {
				entries = append(entries, entry(c.t, i))
			}
			if _, err := conn.SendMessages(entries); err != nil {
				c.t.Fatal(err)
			}
		}
	})
	return size
}

// The messages and attributes of linux/netfilter/nfnetlink_conntrack.h.
const (
	newEntry = unix.NFNL_SUBSYS_CTNETLINK << 8

	ctaTupleOrig, ctaTupleReply, ctaStatus, ctaProtoInfo, ctaTimeout = 1, 2, 3, 4, 7

	ctaTupleIP, ctaTupleProto                   = 1, 2
	ctaSource, ctaDestination                   = 1, 2
	ctaProtoNumber, ctaFromPort, ctaToPort      = 1, 2, 3
	ctaProtoInfoTCP, ctaTCPState                = 1, 1
	established, confirmedAssuredSeenReply, day = 3, 1<<3 | 1<<2 | 1<<1, 86400
)

// entry is the message that makes netfilter track connection number i.
func entry(t *testing.T, i uint64) netlink.Message {
	t.Helper()
	const perAddress = 60000
	from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i / perAddress >> 8), byte(i / perAddress)}), uint16(1024+i%perAddress))
	to := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 2, 0, 1}), 80)
	attributes := netlink.NewAttributeEncoder()
	attributes.ByteOrder = binary.BigEndian
	attributes.Nested(ctaTupleOrig, tuple(from, to))
	attributes.Nested(ctaTupleReply, tuple(to, from))
	attributes.Uint32(ctaStatus, confirmedAssuredSeenReply)
	attributes.Nested(ctaProtoInfo, func(info *netlink.AttributeEncoder) error {
		info.Nested(ctaProtoInfoTCP, func(tcp *netlink.AttributeEncoder) error {
			tcp.Uint8(ctaTCPState, established)
			return nil
		})
		return nil
	})
	attributes.Uint32(ctaTimeout, day)
	data, err := attributes.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return netlink.Message{
		Header: netlink.Header{Type: newEntry, Flags: netlink.Request | netlink.Create | netlink.Excl},
		Data:   append([]byte{unix.AF_INET, unix.NFNETLINK_V0, 0, 0}, data...),
	}
}

func tuple(from, to netip.AddrPort) func(*netlink.AttributeEncoder) error {
	return func(t *netlink.AttributeEncoder) error {
		t.Nested(ctaTupleIP, func(ip *netlink.AttributeEncoder) error {
			ip.Bytes(ctaSource, from.Addr().AsSlice())
			ip.Bytes(ctaDestination, to.Addr().AsSlice())
			return nil
		})
		t.Nested(ctaTupleProto, func(proto *netlink.AttributeEncoder) error {
			proto.Uint8(ctaProtoNumber, unix.IPPROTO_TCP)
			proto.Uint16(ctaFromPort, from.Port())
			proto.Uint16(ctaToPort, to.Port())
			return nil
		})
		return nil
	}
}
