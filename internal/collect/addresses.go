package collect

import (
	"errors"
	"net/netip"
	"slices"

	"portrange/internal/host"
	"portrange/internal/kernel/netns"
	"portrange/internal/kernel/route"
	"portrange/internal/port"
)

// foreign tries which local addresses of sockets a socket can be bound to. Those of
// sockets on a device are left out: they may be addresses of a VRF or link-local ones.
func (p *pass) foreign(s *site) {
	if !p.want.Has(host.WantAddresses) || s.ns.Usage == nil {
		return
	}
	seen := map[netip.Addr]bool{}
	for local := range s.ns.Usage.Locals {
		if local.Device == 0 && local.L3Mdev == 0 && !local.Addr.IsUnspecified() && !local.Addr.IsLinkLocalUnicast() && !local.Addr.IsMulticast() {
			seen[local.Addr] = true
		}
	}
	err := within(s.target, func(*netns.Handle) (failed error) {
		for addr := range seen {
			switch err := route.Bindable(port.TCP, addr, 0); {
			case errors.Is(err, route.ErrNotLocal):
				s.ns.Foreign = append(s.ns.Foreign, addr)
			case err != nil && failed == nil:
				failed = err
			}
		}
		return failed
	})
	p.gaps.Missing(host.PartAddresses, s.ns.ID, err)
	slices.SortFunc(s.ns.Foreign, netip.Addr.Compare)
}
