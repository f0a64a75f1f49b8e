package route_test

import (
	"net/netip"
	"strings"
	"testing"

	"portrange/internal/kernel/route"
	"portrange/internal/nettest"
	"portrange/internal/port"
)

// opener is a way to open a connection, with what is open to routing by then.
type opener struct {
	kind  nettest.Kind
	local string // bound to, with port 0; empty for not bound
	late  bool   // IP_BIND_ADDRESS_NO_PORT
	open  route.Unsaid
}

var narrow = port.Range{Low: 40000, High: 40011}

func openers() map[string]opener {
	last, first := route.Unsaid{Ports: narrow, PortLast: true}, route.Unsaid{Ports: narrow}
	return map[string]opener{
		"TCP":                     {kind: nettest.TCP4, open: last},
		"TCP from an address":     {kind: nettest.TCP4, local: "10.1.0.1", late: true, open: last},
		"TCP bound":               {kind: nettest.TCP4, local: "0.0.0.0", open: first},
		"TCP bound to an address": {kind: nettest.TCP4, local: "10.1.0.1", open: first},
		"UDP":                     {kind: nettest.UDP4, open: first},
		"UDP from an address":     {kind: nettest.UDP4, local: "10.1.0.1", open: first},
		"TCP6":                    {kind: nettest.TCP6},
		"TCP6 from an address":    {kind: nettest.TCP6, local: "fd01::1", late: true},
		"TCP6 bound":              {kind: nettest.TCP6, local: "::", open: first},
		"UDP6":                    {kind: nettest.UDP6, open: first},
	}
}

func (o *opener) is6() bool { return o.kind == nettest.TCP6 || o.kind == nettest.UDP6 }

func (o *opener) proto() port.Proto {
	if o.kind == nettest.UDP4 || o.kind == nettest.UDP6 {
		return port.UDP
	}
	return port.TCP
}

func (o *opener) question() route.Question {
	q := route.Question{Remote: netip.MustParseAddr("203.0.113.1"), Port: 443, Proto: o.proto()}
	if o.is6() {
		q.Remote = netip.MustParseAddr("fd09::1")
	}
	if addr, err := netip.ParseAddr(o.local); err == nil && !addr.IsUnspecified() {
		q.Source = addr
	}
	return q
}

// dial has connect() get one port, by a range of the socket's own.
func (o *opener) dial(h *nettest.Host, q *route.Question, from uint16) error {
	to := netip.AddrPortFrom(q.Remote, q.Port)
	options := []nettest.Option{nettest.NonBlock(), nettest.LocalRange(from, from)}
	if o.late {
		options = append(options, nettest.BindNoPort())
	}
	var s *nettest.Socket
	var err error
	if o.local == "" {
		s, err = h.Connect(o.kind, to, options...)
	} else {
		s, err = h.BindConnect(o.kind, netip.AddrPortFrom(netip.MustParseAddr(o.local), 0), to, options...)
	}
	if err != nil {
		return err
	}
	return s.Close()
}

// granted are the ports from which connect() finds its way.
func (o *opener) granted(h *nettest.Host, q *route.Question) *port.Set {
	got := &port.Set{}
	for from := range narrow.Set().All() {
		if o.dial(h, q, from) == nil {
			got.Add(from)
		}
	}
	return got
}

func rulesOf(t *testing.T, h *nettest.Host, q route.Question, open route.Unsaid) route.Ruled {
	t.Helper()
	var ruled route.Ruled
	if err := h.Try(func() (err error) {
		ruled, err = route.Rules(t.Context(), q, open)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return ruled
}

// TestLiveBarredPorts: connect() finds its way from all ports of the range but those
// that the rules bar.
func TestLiveBarredPorts(t *testing.T) {
	for _, rule := range []string{
		"sport 40002-40005 table 9", "sport 40011 table 9", "sport 40000-40003 ipproto tcp table 9",
		"sport 30000-50000 dport 80 table 9", "sport 40001-40002 table 7",
	} {
		for name, o := range openers() {
			h := ruledHost(t, "route add unreachable default table 9", "-6 route add unreachable default table 9",
				"rule add "+rule, "-6 rule add "+rule)
			h.Range(narrow.Low, narrow.High)
			q := o.question()
			want := narrow.Set()
			want.Subtract(rulesOf(t, h, q, o.open).Barred)
			if got := o.granted(h, &q); got.String() != want.String() {
				t.Errorf("%s, %s: connect() got %v, want %v", rule, name, got, want)
			}
		}
	}
}

// TestLiveOtherSockets: what rules make of marks and types of service is what
// connect() of a socket with them meets.
func TestLiveOtherSockets(t *testing.T) {
	all := route.Unsaid{Mark: true, TOS: true, Ports: narrow, PortLast: true}
	type want struct{ moved, stopped, movedFrom, stoppedFrom bool } // From: the address is given
	for rule, want := range map[string]want{
		"fwmark 5 table 7":              {moved: true},
		"fwmark 5 table 9":              {stopped: true, stoppedFrom: true},
		"fwmark 5/7 dport 80 table 7":   {},
		"fwmark 5 sport 40003 table 9":  {stopped: true, stoppedFrom: true},
		"not fwmark 0x10/0xf0 table 10": {moved: true},
		"fwmark 0/1 table 10":           {moved: true},
		"tos 0x10 table 7":              {moved: true},
		"dport 443 table 7":             {},
		"sport 40003 table 9":           {},
	} {
		h := ruledHost(t, "route add unreachable default table 9", "route add 203.0.113.0/24 via 10.1.0.9 table 10",
			"route del 203.0.113.0/24", "route add 203.0.113.0/24 via 10.2.0.9", "rule add "+rule)
		if strings.HasSuffix(rule, "table 7") { // which is the other way where the first one is this
			run(t, h, "route replace 203.0.113.0/24 via 10.1.0.9")
		}
		q := route.Question{Remote: netip.MustParseAddr("203.0.113.1"), Port: 443, Proto: port.TCP}
		got := rulesOf(t, h, q, all)
		if got.Moved != want.moved || got.Stopped != want.stopped || got.Unknown {
			t.Errorf("%s: %+v, want %+v", rule, got, want)
		}
		if fixed := rulesOf(t, h, q, route.Unsaid{Ports: narrow, PortLast: true}); fixed.Moved || fixed.Stopped {
			t.Errorf("%s, mark and type of service told: %+v", rule, fixed)
		}
		q.Source = netip.MustParseAddr("10.1.0.1")
		if got := rulesOf(t, h, q, all); got.Moved != want.movedFrom || got.Stopped != want.stoppedFrom {
			t.Errorf("%s, from an address: %+v, want %+v", rule, got, want)
		}
	}
}
