package route

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mdlayher/netlink"
	"github.com/mdlayher/netlink/nltest"
	"golang.org/x/sys/unix"

	"portrange/internal/port"
)

// ruleMessage is a rule with a type of service and some attributes.
func ruleMessage(tos uint8, attributes ...netlink.Attribute) []byte {
	header := make([]byte, sizeofRuleHeader)
	header[0], header[3] = unix.AF_INET, tos
	return append(header, nltest.MustMarshalAttributes(attributes)...)
}

func ofBytes(kind uint16, data ...byte) netlink.Attribute {
	return netlink.Attribute{Type: kind, Data: data}
}

func TestParseRule(t *testing.T) {
	tos, dscp := uint8(0x10), uint8(0)
	for name, tt := range map[string]struct {
		data []byte
		want rule
		err  string
	}{
		"all":            {ruleMessage(0), rule{}, ""},
		"tos":            {ruleMessage(tos), rule{dscp: &tos}, ""},
		"DSCP 0":         {ruleMessage(0, ofBytes(fraDSCP, 0), ofBytes(fraDSCPMask, maxDSCP)), rule{dscp: &dscp}, ""},
		"part of DSCP":   {ruleMessage(0, ofBytes(fraDSCPMask, maxDSCP-1)), rule{other: true}, ""},
		"part of a port": {ruleMessage(0, ofBytes(fraSportMask, 0xff, 0)), rule{other: true}, ""},
		"all of a port":  {ruleMessage(0, ofBytes(fraSportMask, 0xff, 0xff)), rule{}, ""},
		"flow label":     {ruleMessage(0, ofBytes(fraFlowlabel, 0, 0, 0, 1)), rule{other: true}, ""},
		"source": {
			append([]byte{unix.AF_INET, 0, 24}, ruleMessage(0, ofBytes(unix.FRA_SRC, 10, 1, 0, 0))[3:]...),
			rule{from: netip.MustParsePrefix("10.1.0.0/24")}, "",
		},
		"all but some": {
			append(binary.NativeEndian.AppendUint32(ruleMessage(0)[:8], unix.FIB_RULE_INVERT), ruleMessage(0)[12:]...),
			rule{not: true}, "",
		},
		"mark":            {ruleMessage(0, ofBytes(unix.FRA_FWMARK, 5, 5, 5, 5)), rule{mark: 0x05050505}, ""},
		"mask":            {ruleMessage(0, ofBytes(unix.FRA_FWMASK, 1, 1, 1, 1)), rule{mask: 0x01010101}, ""},
		"ports":           {ruleMessage(0, ofBytes(unix.FRA_SPORT_RANGE, 7, 7, 8, 8)), rule{ports: &port.Range{Low: 0x0707, High: 0x0808}}, ""},
		"remote ports":    {ruleMessage(0, ofBytes(unix.FRA_DPORT_RANGE, 7, 7, 8, 8)), rule{}, ""},
		"half a range":    {ruleMessage(0, ofBytes(unix.FRA_SPORT_RANGE, 7, 7)), rule{}, "a range of ports of 2 bytes"},
		"half a header":   {make([]byte, sizeofRuleHeader-1), rule{}, "11 bytes, want 12"},
		"half a mark":     {ruleMessage(0, ofBytes(unix.FRA_FWMARK, 1)), rule{}, "not a uint32"},
		"cut attributes":  {append(ruleMessage(0), 200, 0, 1, 0), rule{}, "attribute"},
		"nobody knows it": {ruleMessage(0, ofBytes(200, 1, 2, 3)), rule{}, ""},
	} {
		got, err := parseRule(tt.data)
		if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: %v, want %q", name, err, tt.err)
		}
		if err != nil {
			continue
		}
		if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(rule{}), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestTelling(t *testing.T) {
	for r, want := range map[rule]uint32{
		{}: 0, {mark: 5, mask: 0xff}: 5, {mask: 0xf0}: 0x10, {mask: 0xffffffff}: 1, {mark: 0x80000000, mask: 0x80000000}: 0x80000000,
	} {
		if got := r.telling(); got != want {
			t.Errorf("%+v: %#x, want %#x", r, got, want)
		}
	}
}

func TestSpans(t *testing.T) {
	within := port.Range{Low: 100, High: 199}
	for name, tt := range map[string]struct {
		ports []port.Range
		want  []port.Range
	}{
		"none":            {nil, nil},
		"below and above": {[]port.Range{{Low: 1, High: 99}, {Low: 200, High: 300}}, nil},
		"around":          {[]port.Range{{Low: 1, High: 65535}}, []port.Range{within}},
		"the first":       {[]port.Range{{Low: 100, High: 100}}, []port.Range{{Low: 100, High: 100}, {Low: 101, High: 199}}},
		"the last":        {[]port.Range{{Low: 199, High: 199}}, []port.Range{{Low: 100, High: 198}, {Low: 199, High: 199}}},
		"two":             {[]port.Range{{Low: 110, High: 119}, {Low: 50, High: 114}}, []port.Range{{Low: 100, High: 109}, {Low: 110, High: 114}, {Low: 115, High: 119}, {Low: 120, High: 199}}},
	} {
		rules := []rule{{mark: 1}}
		for i := range tt.ports {
			rules = append(rules, rule{ports: &tt.ports[i]})
		}
		if diff := cmp.Diff(tt.want, spans(rules, within)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestNoRules: a kernel without rules says so in one of two ways; what it says
// otherwise is an error.
func TestNoRules(t *testing.T) {
	for errno, want := range map[unix.Errno]bool{unix.EAFNOSUPPORT: true, unix.EOPNOTSUPP: true, unix.EPERM: false} {
		conn := kernel(t, func(netlink.Message) ([]netlink.Message, error) { return nil, errno })
		rules, err := plain(conn, remote4).rules()
		if (err == nil) != want || len(rules) > 0 {
			t.Errorf("%v: %v, %v", errno, rules, err)
		}
	}
}
