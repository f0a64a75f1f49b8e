package nettest

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/jsimonetti/rtnetlink/v2"
	"github.com/jsimonetti/rtnetlink/v2/driver"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

const (
	loopback      = "lo"
	loopbackIndex = 1
)

// prepare readies the calling thread's fresh namespace: lo is up, and listeners
// may hold a full port range of connections that nobody accepted. TIME_WAIT lasts:
// on a loaded machine a FIN is sent twice, its second acknowledgement meets no
// socket any more, and the RST in answer would end TIME_WAIT (RFC 1337).
func prepare() error {
	if err := setFlags(loopback, unix.IFF_UP); err != nil {
		return fmt.Errorf("bring up %s: %w", loopback, err)
	}
	return errors.Join(
		writeSysctl("net.core.somaxconn", "65535"),
		writeSysctl("net.ipv4.tcp_rfc1337", "1"),
	)
}

// setFlags uses ioctl, which takes a tenth of the time of a netlink connection.
func setFlags(device string, flags uint16) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq(device)
	if err != nil {
		return err
	}
	request.SetUint16(flags)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request)
}

// withNetlink runs fn with a routing netlink connection of the namespace.
func (n *Namespace) withNetlink(fn func(*rtnetlink.Conn) error) error {
	return n.Do(func() error {
		conn, err := rtnetlink.Dial(nil)
		if err != nil {
			return err
		}
		return errors.Join(fn(conn), conn.Close())
	})
}

// AddAddrs gives addresses to a device: "10.0.0.1", "10.0.0.1/24", "fd00::1". A
// whole prefix given to lo makes each of its addresses local. IPv6 addresses
// are usable at once, without duplicate address detection.
func (n *Namespace) AddAddrs(device string, addrs ...string) error {
	return n.withNetlink(func(conn *rtnetlink.Conn) error {
		index, err := deviceIndex(device)
		if err != nil {
			return err
		}
		for _, addr := range addrs {
			prefix, err := parsePrefix(addr)
			if err != nil {
				return err
			}
			if err := conn.Address.New(addressMessage(index, prefix)); err != nil {
				return fmt.Errorf("add %s to %s: %w", addr, device, err)
			}
			if err := awaitLocal(conn, prefix.Addr(), index); err != nil {
				return err
			}
		}
		return nil
	})
}

// awaitLocal waits until the address is routed to the host itself. The kernel
// does that for IPv6 on a work queue (addrconf_dad_work, net/ipv6/addrconf.c).
// A link-local address may be another device's too, and one of a VRF is in a table
// that only its devices lead to.
func awaitLocal(conn *rtnetlink.Conn, addr netip.Addr, device uint32) error {
	if addr.Is4() {
		return nil
	}
	question := &rtnetlink.RouteMessage{
		Family:     unix.AF_INET6,
		DstLength:  uint8(addr.BitLen()),
		Attributes: rtnetlink.RouteAttributes{Dst: net.IP(addr.AsSlice())},
	}
	if device != loopbackIndex {
		question.Attributes.OutIface = device
	}
	return await(fmt.Sprintf("route to own address %s", addr), func() (bool, error) {
		routes, err := conn.Route.Get(question)
		if errors.Is(err, unix.ENETUNREACH) {
			return false, nil
		}
		return err == nil && len(routes) > 0 && routes[0].Type == unix.RTN_LOCAL, err
	})
}

func parsePrefix(addr string) (netip.Prefix, error) {
	if strings.Contains(addr, "/") {
		return netip.ParsePrefix(addr)
	}
	host, err := netip.ParseAddr(addr)
	return netip.PrefixFrom(host, host.BitLen()), err
}

func addressMessage(index uint32, prefix netip.Prefix) *rtnetlink.AddressMessage {
	ip := net.IP(prefix.Addr().AsSlice())
	message := &rtnetlink.AddressMessage{
		Family:       family(prefix.Addr()),
		PrefixLength: uint8(prefix.Bits()),
		Index:        index,
		Attributes:   &rtnetlink.AddressAttributes{Address: ip, Local: ip},
	}
	if prefix.Addr().Is6() {
		message.Attributes.Flags = unix.IFA_F_NODAD
	}
	return message
}

func family(addr netip.Addr) uint8 {
	if addr.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

func deviceIndex(name string) (uint32, error) {
	device, err := net.InterfaceByName(name)
	if err != nil {
		return 0, fmt.Errorf("find device %s: %w", name, err)
	}
	return uint32(device.Index), nil
}

// AddSink makes a device that swallows what is sent through it, so that a
// connect() there stays in SYN_SENT. It is one end of a veth pair that asks for
// no link addresses: its frames bear an address that the other end ignores.
// Unlike a dummy device, every kernel with containers has it.
func (n *Namespace) AddSink(name string) error {
	if err := Join(n, n, name, name+"-peer"); err != nil {
		return err
	}
	return n.Do(func() error { return setFlags(name, unix.IFF_UP|unix.IFF_NOARP) })
}

// AddVRF makes a VRF (Documentation/networking/vrf.rst) with a routing table of
// its own. The error wraps unix.EOPNOTSUPP where the kernel has none.
func (n *Namespace) AddVRF(name string, table uint32) error {
	err := n.withNetlink(func(conn *rtnetlink.Conn) error {
		encoder := netlink.NewAttributeEncoder()
		encoder.Uint32(unix.IFLA_VRF_TABLE, table)
		data, err := encoder.Encode()
		if err != nil {
			return err
		}
		return conn.Link.New(&rtnetlink.LinkMessage{Attributes: &rtnetlink.LinkAttributes{
			Name: name, Info: &rtnetlink.LinkInfo{Kind: "vrf", Data: &rtnetlink.LinkData{Name: "vrf", Data: data}},
		}})
	})
	if err != nil {
		return fmt.Errorf("create VRF %s: %w", name, err)
	}
	return n.Do(func() error { return setFlags(name, unix.IFF_UP) })
}

// SetMaster puts a device into a VRF. It loses its IPv6 addresses.
func (n *Namespace) SetMaster(device, master string) error {
	return n.withNetlink(func(conn *rtnetlink.Conn) error {
		index, err := deviceIndex(device)
		if err != nil {
			return err
		}
		to, err := deviceIndex(master)
		if err != nil {
			return err
		}
		err = conn.Link.Set(&rtnetlink.LinkMessage{Index: index, Attributes: &rtnetlink.LinkAttributes{Master: &to}})
		if err != nil {
			return fmt.Errorf("put %s into %s: %w", device, master, err)
		}
		return nil
	})
}

// AddRoute sends dst through a device. A valid source is the address that the
// kernel prefers there (ip route ... src).
func (n *Namespace) AddRoute(dst netip.Prefix, device string, source netip.Addr) error {
	return n.withNetlink(func(conn *rtnetlink.Conn) error {
		index, err := deviceIndex(device)
		if err != nil {
			return err
		}
		return conn.Route.Add(&rtnetlink.RouteMessage{
			Family:    family(dst.Addr()),
			DstLength: uint8(dst.Bits()),
			Table:     unix.RT_TABLE_MAIN,
			Protocol:  unix.RTPROT_STATIC,
			Scope:     unix.RT_SCOPE_LINK,
			Type:      unix.RTN_UNICAST,
			Attributes: rtnetlink.RouteAttributes{
				Dst: dst.Masked().Addr().AsSlice(), Src: source.AsSlice(), OutIface: index,
			},
		})
	})
}

// Join connects two namespaces by a veth pair, one end in each. Both ends are up
// and carry packets when it returns.
func Join(a, b *Namespace, deviceA, deviceB string) error {
	err := a.withNetlink(func(conn *rtnetlink.Conn) error {
		peer := &rtnetlink.LinkMessage{Attributes: &rtnetlink.LinkAttributes{
			Name: deviceB, NetNS: rtnetlink.NetNSForFD(uint32(b.file.Fd())),
		}}
		return conn.Link.New(&rtnetlink.LinkMessage{Attributes: &rtnetlink.LinkAttributes{
			Name: deviceA, Info: &rtnetlink.LinkInfo{Kind: "veth", Data: &driver.Veth{PeerInfo: peer}},
		}})
	})
	if err != nil {
		return fmt.Errorf("create veth pair %s, %s: %w", deviceA, deviceB, err)
	}
	return errors.Join(
		a.Do(func() error { return setFlags(deviceA, unix.IFF_UP) }),
		b.Do(func() error { return setFlags(deviceB, unix.IFF_UP) }),
		a.awaitCarrier(deviceA),
		b.awaitCarrier(deviceB),
	)
}

// awaitCarrier waits for the kernel's link watcher, which puts a device into
// service after its peer came up; packets sent before are dropped.
func (n *Namespace) awaitCarrier(device string) error {
	return n.withNetlink(func(conn *rtnetlink.Conn) error {
		index, err := deviceIndex(device)
		if err != nil {
			return err
		}
		return await("carrier of "+device, func() (bool, error) {
			link, err := conn.Link.Get(index)
			return err == nil && link.Attributes.OperationalState == rtnetlink.OperStateUp, err
		})
	})
}

// patience bounds every wait for the kernel; nothing waits that long unless
// something is broken.
const patience = 10 * time.Second

// await asks until the answer is yes: a few times at once, as what it waits for
// is usually microseconds away, then every millisecond.
func await(what string, ready func() (bool, error)) error {
	deadline := time.Now().Add(patience)
	for try := 0; ; try++ {
		if ok, err := ready(); ok || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("wait for %s: not there after %v", what, patience)
		}
		if try > 100 {
			time.Sleep(time.Millisecond)
		}
	}
}
