package route

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"portrange/internal/port"
)

// Unsaid is what a [Question] leaves open of a socket although rules may look at it.
type Unsaid struct {
	Mark, TOS bool
	// Source is the address of a socket that the routing cannot be asked about: with
	// IP_TRANSPARENT, an IPv4 address that is not the host's; the zero Addr for none.
	Source netip.Addr
	// Ports are those that the socket may get. The zero Range is for a socket whose
	// way is looked up without its port: connect() of TCP over IPv6 has none yet
	// (tcp_v6_connect, net/ipv6/tcp_ipv6.c).
	Ports port.Range
	// PortLast says that the source address is chosen before the port, and the way
	// looked up again with both: connect() of TCP over IPv4 (ip_route_newports,
	// include/net/route.h). UDP, and whoever is bound first, has its port by then.
	PortLast bool
}

// Ruled is what rules make of a socket by what a [Question] leaves open.
type Ruled struct {
	// Barred are the local ports from which no way leads: connect() fails where it
	// gets one of them.
	Barred *port.Set
	// Moved: there are rules by which a socket leaves from another address.
	Moved bool
	// Stopped: there are rules by which no way is left to a socket.
	Stopped bool
	// Unknown: there are rules that look at what cannot be asked about.
	Unknown bool
}

// Rules tells what hangs on that which the question leaves open. It lists the rules
// (RTM_GETRULE) and asks for the way of a socket that each of them looks for. The
// question itself must have an answer, see [Sources].
func Rules(ctx context.Context, q Question, unsaid Unsaid) (ruled Ruled, err error) {
	err = asking(ctx, q, func(a *asker) error {
		rules, err := a.rules()
		if err != nil {
			return err
		}
		sources, err := a.sources()
		if err != nil {
			return err
		}
		ruled, err = a.heed(rules, unsaid, sources)
		return err
	})
	return ruled, err
}

// rule is what one rule looks at of a socket, beside what a question always tells.
type rule struct {
	mark, mask uint32
	dscp       *uint8 // in the place that it has in IP_TOS
	ports      *port.Range
	other      bool
	// from are the source addresses that the rule looks for, all but those if not is
	// set; the zero Prefix for any.
	from netip.Prefix
	not  bool
}

// looksFor reports whether the rule, for which the source matters, is for sockets on it.
func (r *rule) looksFor(source netip.Addr) bool {
	return source.IsValid() && r.from.IsValid() && r.from.Contains(source) != r.not
}

func (a *asker) rules() ([]rule, error) {
	header := make([]byte, sizeofRuleHeader)
	header[0] = a.family()
	replies, err := a.conn.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.RTM_GETRULE, Flags: netlink.Request | netlink.Dump}, Data: header,
	})
	if errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EOPNOTSUPP) {
		return nil, nil // a kernel without CONFIG_IP_MULTIPLE_TABLES
	}
	if err != nil {
		return nil, fmt.Errorf("list the rules of routing: %w", err)
	}
	rules := make([]rule, len(replies))
	for i, reply := range replies {
		if rules[i], err = parseRule(reply.Data); err != nil {
			return nil, fmt.Errorf("read a rule of routing: %w", err)
		}
	}
	return rules, nil
}

// sizeofRuleHeader is that of struct fib_rule_hdr (include/uapi/linux/fib_rules.h).
const sizeofRuleHeader = 12

// Attributes of newer kernels than package unix knows (include/uapi/linux/fib_rules.h).
const (
	fraDSCP      = 25
	fraFlowlabel = 26
	fraSportMask = 28
	fraDSCPMask  = 30
)

// maxDSCP is the mask of a rule that looks at the whole field (fib_nl2rule_dscp).
const maxDSCP = 63

func parseRule(data []byte) (rule, error) {
	var r rule
	if len(data) < sizeofRuleHeader {
		return r, fmt.Errorf("%d bytes, want %d or more", len(data), sizeofRuleHeader)
	}
	if tos := data[3]; tos != 0 {
		r.dscp = &tos
	}
	r.not = binary.NativeEndian.Uint32(data[8:])&unix.FIB_RULE_INVERT != 0
	attributes, err := netlink.NewAttributeDecoder(data[sizeofRuleHeader:])
	if err != nil {
		return r, err
	}
	for attributes.Next() {
		switch attributes.Type() {
		case unix.FRA_SRC:
			if source, ok := netip.AddrFromSlice(attributes.Bytes()); ok {
				r.from = netip.PrefixFrom(source, int(data[2]))
			}
		case unix.FRA_FWMARK:
			r.mark = attributes.Uint32()
		case unix.FRA_FWMASK:
			r.mask = attributes.Uint32()
		case unix.FRA_SPORT_RANGE:
			attributes.Do(func(b []byte) error {
				if len(b) != 4 {
					return fmt.Errorf("a range of ports of %d bytes", len(b))
				}
				r.ports = &port.Range{Low: binary.NativeEndian.Uint16(b), High: binary.NativeEndian.Uint16(b[2:])}
				return nil
			})
		case fraDSCP:
			dscp := attributes.Uint8() << 2
			r.dscp = &dscp
		case fraSportMask:
			r.other = r.other || attributes.Uint16() != math.MaxUint16
		case fraDSCPMask:
			r.other = r.other || attributes.Uint8() != maxDSCP
		case fraFlowlabel:
			r.other = true
		}
	}
	return r, attributes.Err()
}

// heed asks for what the rules tell apart. sources is the answer to the question.
func (a *asker) heed(rules []rule, unsaid Unsaid, sources []netip.Addr) (Ruled, error) {
	ruled := Ruled{Barred: &port.Set{}}
	for i := range rules {
		ruled.Unknown = ruled.Unknown || rules[i].other || rules[i].looksFor(unsaid.Source)
		if err := a.vary(&ruled, &rules[i], unsaid, sources); err != nil {
			return ruled, err
		}
	}
	if !unsaid.PortLast {
		return ruled, a.bar(ruled.Barred, rules, unsaid.Ports)
	}
	for _, source := range sources {
		if err := a.from(source).bar(ruled.Barred, rules, unsaid.Ports); err != nil {
			return ruled, err
		}
	}
	return ruled, nil
}

// vary asks for a socket of another mark or type of service than the question's,
// such that the rule does to it what it does not do to the question's.
func (a *asker) vary(ruled *Ruled, r *rule, unsaid Unsaid, sources []netip.Addr) error {
	other := *a
	if unsaid.Mark {
		other.Mark = r.telling()
	}
	if unsaid.TOS && r.dscp != nil {
		if other.TOS = *r.dscp; other.TOS == 0 {
			other.TOS = someTOS
		}
	}
	if other.Mark == a.Mark && other.TOS == a.TOS {
		return nil
	}
	found, err := other.sources()
	if err == nil && r.ports != nil && unsaid.Ports.Contains(r.ports.Low) {
		if unsaid.PortLast {
			other = *other.from(found[0])
		}
		other.SourcePort = r.ports.Low
		_, err = other.sources()
	}
	if failed(err) {
		return err
	}
	ruled.Stopped = ruled.Stopped || err != nil
	ruled.Moved = ruled.Moved || err == nil && !slices.Equal(found, sources)
	return nil
}

// someTOS is a type of service that is not 0.
const someTOS = 1 << 2

// telling is a mark that the rule tells from 0: the one that it looks for, or one
// that it does not look for where that is 0. Without marks in the rule it is 0.
func (r *rule) telling() uint32 {
	if r.mark != 0 {
		return r.mark
	}
	return r.mask & -r.mask
}

// from asks for a socket that sits on the address.
func (a *asker) from(source netip.Addr) *asker {
	bound := *a
	bound.Source = source
	return &bound
}

// bar adds the ports from which there is no way. The rules cut the range into
// spans that are treated alike, so one port of each is asked for.
func (a *asker) bar(barred *port.Set, rules []rule, ports port.Range) error {
	for _, span := range spans(rules, ports) {
		from := *a
		from.SourcePort = span.Low
		_, err := from.sources()
		if failed(err) {
			return err
		}
		if err != nil {
			barred.AddRange(span.Low, span.High)
		}
	}
	return nil
}

// spans are the parts of the range that the rules tell apart; none where no rule
// looks at ports of the range.
func spans(rules []rule, ports port.Range) []port.Range {
	var starts []uint16
	for i := range rules {
		if r := rules[i].ports; r != nil && r.Low <= ports.High && r.High >= ports.Low {
			starts = append(starts, max(r.Low, ports.Low))
			if r.High < ports.High {
				starts = append(starts, r.High+1)
			}
		}
	}
	if starts == nil {
		return nil
	}
	slices.Sort(starts)
	starts = slices.Compact(append([]uint16{ports.Low}, starts...))
	parts := make([]port.Range, len(starts))
	for i, start := range starts {
		parts[i] = port.Range{Low: start, High: ports.High}
		if i > 0 {
			parts[i-1].High = start - 1
		}
	}
	return parts
}

// failed reports whether there is no answer; that there is no way is one.
func failed(err error) bool {
	return err != nil && !errors.Is(err, ErrNoSource) && !errors.Is(err, ErrRefused)
}
