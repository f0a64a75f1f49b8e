package rules

import (
	"fmt"

	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/words"
)

// lostAddress: connections have a local address that the host does not have.
var lostAddress = &Rule{
	Kind: finding.Kind{
		Code: "lost-address", Title: "Sockets on an address that the host does not have",
		Evidence: func(f *finding.Finding) string {
			return fmt.Sprintf("%s of the range in use from %s, which is no address here: packets to it do not arrive, and bind() to it "+
				"fails with EADDRNOTAVAIL, as if no port were left%s", words.Count(f.Values.Int("ports"), "port"), f.Subject.Local, heldBy(f.Values))
		},
	},
	Needs: host.WantSockets | host.WantOwners | host.WantAddresses,
	Namespace: func(p *Place) {
		for _, addr := range p.NS.Foreign {
			ports := judge.PortsFrom(p.NS, addr)
			if ports.Len() == 0 {
				continue
			}
			owners := judge.OwnersFrom(p.NS, addr)
			who := "programs that name it"
			if len(owners) > 0 {
				who = owners[0].Process.String()
			}
			p.add(finding.Warning, finding.Subject{Local: addr.String()},
				withOwners(finding.Values{{Name: "ports", V: ports.Len()}}, owners),
				finding.Action{
					Step: finding.Now, Command: finding.Portrange(p.NS.Ref, "sockets", "--local", addr.String()),
					Text: "lists them: give the address back (ip addr add; a cluster moves it), or have " + who + " use one that is here",
				},
				finding.Action{
					Step: finding.Today,
					Text: "where another host has it for good, end these connections; net.ipv4.ip_nonlocal_bind=1 lets a standby bind it " +
						"before it comes. Sockets of a transparent proxy (IP_TRANSPARENT) are meant so",
				})
		}
	},
}
