package judge

import (
	"errors"
	"fmt"

	"portrange/internal/host"
	"portrange/internal/port"
)

// lowestPort is the lowest port that a range is widened to: those below belong
// to services (ip-sysctl.rst, ip_unprivileged_port_start).
const lowestPort = 1024

// highestPort is the end of every range.
const highestPort = 65535

// Ports are the ports of one network namespace by who may draw on them.
type Ports struct {
	Range    port.Range
	Reserved *port.Set // ip_local_reserved_ports
	// BindHeld are ports taken through bind(), wherever they lie.
	BindHeld *port.Set
	// Listening are those of BindHeld with a listener: they will still be taken
	// when the range is another one.
	Listening *port.Set
	// UnprivilegedStart is ip_unprivileged_port_start, below which the kernel
	// lets no range begin.
	UnprivilegedStart int
}

// PortsOf are the ports of a namespace as it was read. Its sockets must have been.
func PortsOf(ns *host.Namespace) Ports {
	ports := PortsUnder(&ns.Settings)
	ports.BindHeld, ports.Listening = &ns.Usage.BindHeld, &ns.Usage.Listening
	return ports
}

// PortsUnder are the ports that settings give, as if no socket held one.
func PortsUnder(settings *host.Settings) Ports {
	return Ports{
		Range: settings.Range, Reserved: settings.Reserved, BindHeld: &port.Set{}, Listening: &port.Set{},
		UnprivilegedStart: settings.UnprivilegedStart,
	}
}

// PlainPorts are the ports of a range in which nothing is reserved or bound.
func PlainPorts(r port.Range) Ports {
	return PortsUnder(&host.Settings{Range: r, Reserved: &port.Set{}, UnprivilegedStart: lowestPort})
}

// Check explains why no port is left to connect().
func (p *Ports) Check() error {
	if p.Range.Low == 0 {
		return errors.New("port range starts at port 0: want 1 or more")
	}
	if p.Usable().Len() > 0 {
		return nil
	}
	return fmt.Errorf("port range %v: no port is left in it, all are reserved or held by bind()", p.Range)
}

// Open are the ports of the range that are not reserved: what the kernel may
// hand out to bind() and to UDP (inet_is_local_reserved_port).
func (p *Ports) Open() *port.Set { return p.Range.Without(p.Reserved) }

// Usable are the open ports that are not bind-held: what connect() may draw
// (__inet_hash_connect, net/ipv4/inet_hashtables.c).
func (p *Ports) Usable() *port.Set {
	set := p.Open()
	set.Subtract(p.BindHeld)
	return set
}

// Bound are the open ports that are bind-held.
func (p *Ports) Bound() *port.Set {
	set := p.Open()
	set.Intersect(p.BindHeld)
	return set
}

// Withheld are the ports of the range that connect() passes over.
func (p *Ports) Withheld() *port.Set { return p.Range.Without(p.Usable()) }

// Unreserved are the listeners in the range that ip_local_reserved_ports does not name.
func (p *Ports) Unreserved() *port.Set {
	set := p.Listening.Clone()
	set.Intersect(p.Open())
	return set
}

// Count is the ports of one tuple, counted.
type Count struct {
	Low             uint16 `json:"low" doc:"lowest port of the range"`
	High            uint16 `json:"high" doc:"highest port, part of the range"`
	Size            int    `json:"size" doc:"number of ports, both ends included"`
	ReservedInRange int    `json:"reserved_in_range" doc:"reserved ports that lie in the range"`
	BindHeld        int    `json:"bind_held" doc:"ports of the range, not reserved, that are taken through bind()"`
	Usable          int    `json:"usable" doc:"size - reserved_in_range - bind_held"`
	// Half is how many ports of Usable have the parity of Low, which connect()
	// tries first (__inet_hash_connect, net/ipv4/inet_hashtables.c). Beyond that
	// every connect() walks all of them before it finds a port.
	Half int `json:"half" doc:"usable ports of the parity that connect() tries first; beyond them it gets slow"`
}

// Count counts the ports of one tuple.
func (p *Ports) Count() Count {
	open, usable := p.Open(), p.Usable()
	return Count{
		Low: p.Range.Low, High: p.Range.High, Size: p.Range.Size(),
		ReservedInRange: p.Range.Size() - open.Len(), BindHeld: open.Len() - usable.Len(),
		Usable: usable.Len(), Half: countParity(usable, p.Range.Low),
	}
}

func countParity(ports *port.Set, like uint16) int {
	n := 0
	for p := range ports.All() {
		if p%2 == like%2 {
			n++
		}
	}
	return n
}

// Widen finds the range next to the present one, never narrower and with ends of
// different parity, whose ports satisfy enough. It takes the ports above first,
// on which few services listen, then those below. Listeners in its way are
// withheld from it, as they will be reserved.
func (p *Ports) Widen(enough func(Count) bool) (Ports, bool) {
	lowest := max(lowestPort, p.UnprivilegedStart)
	lowest += lowest % 2 // 65535 is odd
	wider := *p
	wider.BindHeld = p.Listening
	count := wider.Count()
	for !enough(count) || wider.Range.SameParity() {
		switch {
		case wider.Range.High < highestPort:
			wider.Range.High++
			count.add(&wider, wider.Range.High)
		case int(wider.Range.Low) > lowest:
			wider.Range.Low--
			count.Half = count.Usable - count.Half // the other parity is tried first now
			count.add(&wider, wider.Range.Low)
		default:
			return wider, false
		}
	}
	return wider, true
}

// add counts one more port at an end of the range.
func (c *Count) add(ports *Ports, p uint16) {
	c.Low, c.High = ports.Range.Low, ports.Range.High
	c.Size++
	switch {
	case ports.Reserved.Contains(p):
		c.ReservedInRange++
	case ports.BindHeld.Contains(p):
		c.BindHeld++
	default:
		c.Usable++
		if p%2 == c.Low%2 {
			c.Half++
		}
	}
}

// The range that is worth having leaves the ports below to services. Its ends
// are of different parity.
const (
	wideLow  = 15000
	wideHigh = 64001
)

// Wider is the range that a busy namespace is better off with, and whether that
// is wider than the one it has.
func Wider(now port.Range) (port.Range, bool) {
	wide := port.Range{Low: min(now.Low, wideLow), High: max(now.High, wideHigh)}
	if wide == now {
		return now, false
	}
	return EvenOut(wide), true
}

// EvenOut is the range next to r whose ends differ in parity: one port more at
// the high end where there is one, else one fewer at the low end. The kernel
// scans the range in two passes, one for each parity, and rounds its length down
// to an even number: of an odd length it can miss one port.
func EvenOut(r port.Range) port.Range {
	switch {
	case !r.SameParity():
		return r
	case r.High < highestPort:
		return port.Range{Low: r.Low, High: r.High + 1}
	}
	return port.Range{Low: max(r.Low, 1) + 1, High: r.High}
}
