package route

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// hop is a next hop: a device, and a gateway behind it where there is one.
type hop struct {
	device  uint32
	gateway netip.Addr
}

// hops are those of the route to the destination. Where nexthop_compat_mode is 0, a
// route names the nexthop object that it uses and tells no more (fib_dump_info,
// net/ipv4/fib_semantics.c).
func (a *asker) hops() ([]hop, error) {
	replies, err := a.replies(a.Remote, 0, fibMatch)
	if err != nil {
		return nil, err
	}
	route, err := answer(replies)
	if err != nil {
		return nil, fmt.Errorf("ask for the next hops to %v: %w", a.Remote, err)
	}
	var hops []hop
	for _, next := range route.Attributes.Multipath {
		gateway, _ := netip.AddrFromSlice(next.Gateway)
		hops = append(hops, hop{next.Hop.IfIndex, gateway})
	}
	if hops != nil {
		return hops, nil
	}
	id, err := objectOf(replies[0].Data)
	if err != nil || id == 0 {
		return nil, err
	}
	return a.object(id, true)
}

// rtaNextHop is RTA_NH_ID (include/uapi/linux/rtnetlink.h).
const rtaNextHop = 30

// objectOf is the nexthop object of a route, 0 for none.
func objectOf(data []byte) (id uint32, err error) {
	attributes, err := netlink.NewAttributeDecoder(data[unix.SizeofRtMsg:])
	if err != nil {
		return 0, fmt.Errorf("read a route: %w", err)
	}
	for attributes.Next() {
		if attributes.Type() == rtaNextHop {
			id = attributes.Uint32()
		}
	}
	return id, attributes.Err()
}

// sizeofNextHop is that of struct nhmsg, sizeofMember of struct nexthop_grp
// (include/uapi/linux/nexthop.h).
const (
	sizeofNextHop = 8
	sizeofMember  = 8
)

// object asks for a nexthop object (RTM_GETNEXTHOP). A group has members, which are
// no groups.
func (a *asker) object(id uint32, group bool) ([]hop, error) {
	encoder := netlink.NewAttributeEncoder()
	encoder.Uint32(unix.NHA_ID, id)
	attributes, err := encoder.Encode()
	if err != nil {
		return nil, err
	}
	replies, err := a.conn.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.RTM_GETNEXTHOP, Flags: netlink.Request},
		Data:   append(make([]byte, sizeofNextHop), attributes...),
	})
	if err != nil {
		return nil, fmt.Errorf("ask for nexthop object %d: %w", id, err)
	}
	if len(replies) != 1 {
		return nil, fmt.Errorf("ask for nexthop object %d: %d replies, want one", id, len(replies))
	}
	own, members, err := parseObject(replies[0].Data)
	if err != nil {
		return nil, fmt.Errorf("read nexthop object %d: %w", id, err)
	}
	if members == nil || !group {
		return []hop{own}, nil
	}
	var hops []hop
	for _, member := range members {
		of, err := a.object(member, false)
		if err != nil {
			return nil, err
		}
		hops = append(hops, of...)
	}
	return hops, nil
}

func parseObject(data []byte) (own hop, members []uint32, err error) {
	if len(data) < sizeofNextHop {
		return own, nil, fmt.Errorf("%d bytes, want %d or more", len(data), sizeofNextHop)
	}
	attributes, err := netlink.NewAttributeDecoder(data[sizeofNextHop:])
	if err != nil {
		return own, nil, err
	}
	for attributes.Next() {
		switch attributes.Type() {
		case unix.NHA_OIF:
			own.device = attributes.Uint32()
		case unix.NHA_GATEWAY:
			own.gateway, _ = netip.AddrFromSlice(attributes.Bytes())
		case unix.NHA_GROUP:
			attributes.Do(func(b []byte) error {
				if len(b)%sizeofMember != 0 {
					return errors.New("a group with part of a member")
				}
				for ; len(b) > 0; b = b[sizeofMember:] {
					members = append(members, binary.NativeEndian.Uint32(b))
				}
				return nil
			})
		}
	}
	return own, members, attributes.Err()
}
