package capacity

import (
	"errors"
	"fmt"

	"portrange/internal/host"
	"portrange/internal/port"
)

// lowestPort is the lowest port that a range is widened to: those below belong
// to services (ip-sysctl.rst, ip_unprivileged_port_start).
const lowestPort = 1024

// Ports are what connect() may draw on, for each tuple anew.
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

// PortsOf are the ports of a namespace as it was read.
func PortsOf(ns *host.Namespace) Ports {
	return Ports{
		Range: ns.Settings.Range, Reserved: ns.Settings.Reserved,
		BindHeld: &ns.Usage.BindHeld, Listening: &ns.Usage.Listening,
		UnprivilegedStart: ns.Settings.UnprivilegedStart,
	}
}

// PlainPorts are the ports of a range in which nothing is reserved or bound.
func PlainPorts(r port.Range) Ports {
	return Ports{
		Range: r, Reserved: &port.Set{}, BindHeld: &port.Set{}, Listening: &port.Set{}, UnprivilegedStart: lowestPort,
	}
}

// Check explains why no port is left to connect().
func (p *Ports) Check() error {
	if p.Range.Low == 0 {
		return errors.New("port range starts at port 0: want 1 or more")
	}
	if p.usable().Len() > 0 {
		return nil
	}
	return fmt.Errorf("port range %v: no port is left in it, all are reserved or held by bind()", p.Range)
}

// usable are the ports that connect() may draw.
func (p *Ports) usable() *port.Set {
	set := p.Range.Set()
	set.Subtract(p.Reserved)
	set.Subtract(p.BindHeld)
	return set
}

// Withheld are the ports of the range that connect() passes over.
func (p *Ports) Withheld() *port.Set {
	set := p.Range.Set()
	set.Subtract(p.usable())
	return set
}

// Pool is the ports of one tuple, counted.
type Pool struct {
	Low  uint16 `json:"low"`
	High uint16 `json:"high"`
	Size int    `json:"size"`
	// ReservedInRange and BindHeld are what connect() passes over.
	ReservedInRange int `json:"reserved_in_range"`
	BindHeld        int `json:"bind_held"`
	Usable          int `json:"usable"`
	// Half is how many ports of Usable have the parity of Low, which connect()
	// tries first (__inet_hash_connect, net/ipv4/inet_hashtables.c). Beyond that
	// every connect() walks all of them before it finds a port.
	Half int `json:"half"`
}

// Pool counts the ports of one tuple.
func (p *Ports) Pool() Pool {
	usable, reserved := p.usable(), p.Range.Set()
	reserved.Intersect(p.Reserved)
	held := p.Range.Set().Len() - reserved.Len() - usable.Len()
	return Pool{
		Low: p.Range.Low, High: p.Range.High, Size: p.Range.Size(),
		ReservedInRange: reserved.Len(), BindHeld: held,
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

// widen finds the range next to the present one, never narrower and with ends of
// different parity, whose pool satisfies enough. It takes the ports above first,
// on which few services listen, then those below. Listeners in its way are
// withheld from it, as they will be reserved.
func (p *Ports) widen(enough func(Pool) bool) (Ports, bool) {
	lowest := max(lowestPort, p.UnprivilegedStart)
	lowest += lowest % 2 // 65535 is odd
	wider := *p
	wider.BindHeld = p.Listening
	pool := wider.Pool()
	for !enough(pool) || wider.Range.SameParity() {
		switch {
		case wider.Range.High < 65535:
			wider.Range.High++
			pool.add(&wider, wider.Range.High)
		case int(wider.Range.Low) > lowest:
			wider.Range.Low--
			pool.Half = pool.Usable - pool.Half // the other parity is tried first now
			pool.add(&wider, wider.Range.Low)
		default:
			return wider, false
		}
	}
	return wider, true
}

// add counts one more port at an end of the range.
func (pool *Pool) add(ports *Ports, p uint16) {
	pool.Low, pool.High = ports.Range.Low, ports.Range.High
	pool.Size++
	switch {
	case ports.Reserved.Contains(p):
		pool.ReservedInRange++
	case ports.BindHeld.Contains(p):
		pool.BindHeld++
	default:
		pool.Usable++
		if p%2 == pool.Low%2 {
			pool.Half++
		}
	}
}

// unreserved are the listeners in the range that ip_local_reserved_ports does not name.
func (p *Ports) unreserved() *port.Set {
	set := p.Listening.Clone()
	set.Subtract(p.Reserved)
	set.Intersect(p.Range.Set())
	return set
}
