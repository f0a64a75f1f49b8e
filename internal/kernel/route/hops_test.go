package route

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/mdlayher/netlink"
	"github.com/mdlayher/netlink/nltest"
	"golang.org/x/sys/unix"
)

func TestParseObject(t *testing.T) {
	object := func(attributes ...netlink.Attribute) []byte {
		return append(make([]byte, sizeofNextHop), nltest.MustMarshalAttributes(attributes)...)
	}
	for name, tt := range map[string]struct {
		data    []byte
		own     hop
		members []uint32
		err     string
	}{
		"nothing":       {object(), hop{}, nil, ""},
		"a device":      {object(ofBytes(unix.NHA_OIF, 5, 5, 5, 5)), hop{device: 0x05050505}, nil, ""},
		"a gateway":     {object(ofBytes(unix.NHA_GATEWAY, 10, 1, 0, 9)), hop{gateway: netip.MustParseAddr("10.1.0.9")}, nil, ""},
		"a group":       {object(ofBytes(unix.NHA_GROUP, 1, 1, 1, 1, 0, 0, 0, 0, 2, 2, 2, 2, 9, 0, 0, 0)), hop{}, []uint32{0x01010101, 0x02020202}, ""},
		"half a member": {object(ofBytes(unix.NHA_GROUP, 1, 1, 1, 1)), hop{}, nil, "part of a member"},
		"half a header": {make([]byte, sizeofNextHop-1), hop{}, nil, "7 bytes, want 8"},
		"half a device": {object(ofBytes(unix.NHA_OIF, 5)), hop{}, nil, "not a uint32"},
		"cut":           {append(object(), 200, 0, 1, 0), hop{}, nil, "attribute"},
	} {
		own, members, err := parseObject(tt.data)
		if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: %v, want %q", name, err, tt.err)
		}
		if err == nil && (own != tt.own || !slices.Equal(members, tt.members)) {
			t.Errorf("%s: %+v, %v; want %+v, %v", name, own, members, tt.own, tt.members)
		}
	}
}
