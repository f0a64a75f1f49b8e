// Package vrf reads which devices belong to a VRF, a "layer 3 master device"
// (Documentation/networking/vrf.rst).
//
// A TCP socket bound to such a device looks for its port in a bind table of the
// VRF's own, and meets the connections of the VRF's device as well as those of its
// own one. The package knows membership, for the network namespace of the calling
// thread; what follows from it is package judge's.
package vrf

import (
	"fmt"

	"github.com/jsimonetti/rtnetlink/v2"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// kind is how rtnetlink calls a VRF (vrf_link_ops, drivers/net/vrf.c).
const kind = "vrf"

// Masters returns the index of the VRF of each device that belongs to one, the
// VRFs' own devices included (l3mdev_master_ifindex_rcu, net/l3mdev/l3mdev.c). It
// is nil where there is no VRF, which the kernel finds out without listing the
// devices, if it knows VRFs at all.
func Masters() (map[uint32]uint32, error) {
	conn, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		return nil, fmt.Errorf("open netlink socket for VRFs: %w", err)
	}
	defer conn.Close()
	return read(conn)
}

func read(conn *netlink.Conn) (map[uint32]uint32, error) {
	links, err := list(conn, &rtnetlink.LinkAttributes{Info: &rtnetlink.LinkInfo{Kind: kind}})
	if err != nil {
		return nil, err
	}
	var masters map[uint32]uint32
	for _, link := range links {
		if info := link.Attributes.Info; info == nil || info.Kind != kind {
			continue // a kernel that does not know the kind lists all devices
		}
		if masters == nil {
			masters = map[uint32]uint32{}
		}
		masters[link.Index] = link.Index
		if err := addSlaves(conn, masters, link.Index); err != nil {
			return nil, err
		}
	}
	return masters, nil
}

// addSlaves asks for the devices of one VRF. A bridge in a VRF has slaves of its
// own, which are the bridge's.
func addSlaves(conn *netlink.Conn, masters map[uint32]uint32, master uint32) error {
	links, err := list(conn, &rtnetlink.LinkAttributes{Master: &master})
	for _, link := range links {
		if of := link.Attributes.Master; of != nil && *of == master {
			masters[link.Index] = master
		}
	}
	return err
}

// list dumps the devices that the kernel's filter lets through (rtnl_dump_ifinfo,
// net/core/rtnetlink.c).
func list(conn *netlink.Conn, filter *rtnetlink.LinkAttributes) ([]rtnetlink.LinkMessage, error) {
	body, err := (&rtnetlink.LinkMessage{Attributes: filter}).MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("ask for VRFs: %w", err)
	}
	replies, err := conn.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.RTM_GETLINK, Flags: netlink.Request | netlink.Dump},
		Data:   body,
	})
	if err != nil {
		return nil, fmt.Errorf("ask for VRFs: %w", err)
	}
	links := make([]rtnetlink.LinkMessage, len(replies))
	for i, reply := range replies {
		if err := links[i].UnmarshalBinary(reply.Data); err != nil {
			return nil, fmt.Errorf("read the list of VRFs: %w", err)
		}
		if links[i].Attributes == nil {
			links[i].Attributes = &rtnetlink.LinkAttributes{}
		}
	}
	return links, nil
}
