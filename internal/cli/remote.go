package cli

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// parseRemote reads a destination, ADDR:PORT. The zone of a link-local address
// comes back apart: to the kernel it is a device.
func parseRemote(text string) (remote netip.AddrPort, device string, err error) {
	if addr, addrErr := netip.ParseAddr(text); addrErr == nil {
		bare := addr.String()
		if addr.Is6() {
			bare = "[" + bare + "]"
		}
		return netip.AddrPort{}, "", fmt.Errorf("remote %q has no port: write it as %s:PORT", text, bare)
	}
	host, portText, found := cutPort(text)
	if !found {
		return netip.AddrPort{}, "", fmt.Errorf("remote %q: want ADDR:PORT, such as 10.0.0.5:8080 or [::1]:443", text)
	}
	number, err := parsePort(portText)
	if err != nil {
		return netip.AddrPort{}, "", fmt.Errorf("remote %q: %w", text, err)
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.AddrPort{}, "", fmt.Errorf("remote %q: %q is no IP address "+
			"(`getent ahosts NAME` lists those of a name)", text, host)
	}
	switch bare := addr.Unmap(); {
	case bare.IsUnspecified():
		err = fmt.Errorf("%s is no destination; connect() takes it for loopback, so give 127.0.0.1 or ::1", addr)
	case bare == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		err = fmt.Errorf("%s is no address of one host", addr)
	}
	if err != nil {
		return netip.AddrPort{}, "", fmt.Errorf("remote %q: %w", text, err)
	}
	addr, device = cutZone(addr)
	return netip.AddrPortFrom(addr, number), device, nil
}

// needsInterface reports whether an address means something on one interface only
// (__ipv6_addr_needs_scope_id, include/net/ipv6.h).
func needsInterface(addr netip.Addr) bool {
	return addr.Is6() && (addr.IsLinkLocalUnicast() || addr.IsLinkLocalMulticast() || addr.IsInterfaceLocalMulticast())
}

// checkZone refuses an interface of an address that needs none: bind() and connect()
// pass over it (__inet6_bind, net/ipv6/af_inet6.c; tcp_v6_connect, net/ipv6/tcp_ipv6.c).
func checkZone(addr netip.Addr, zone string) error {
	if zone == "" || needsInterface(addr) {
		return nil
	}
	return fmt.Errorf("the kernel passes over the interface of an address that is not link-local: "+
		"leave out %%%s, or give --device %s for a socket that is bound to it", zone, zone)
}

// cutPort splits host:port at the last colon and takes the brackets off an IPv6 host.
func cutPort(text string) (host, portText string, found bool) {
	at := strings.LastIndexByte(text, ':')
	if at < 0 {
		return text, "", false
	}
	host = text[:at]
	if inner, bracketed := strings.CutPrefix(host, "["); bracketed {
		if host, bracketed = strings.CutSuffix(inner, "]"); !bracketed {
			return text, "", false
		}
	}
	return host, text[at+1:], true
}

func parsePort(text string) (uint16, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is no port, want a number from 1 to 65535", text)
	}
	return uint16(n), nil
}

// cutZone normalises an address as sockets carry it: IPv4-mapped as IPv4, the zone apart.
func cutZone(addr netip.Addr) (netip.Addr, string) {
	return addr.WithZone("").Unmap(), addr.Zone()
}
