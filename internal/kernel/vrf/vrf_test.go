package vrf

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/jsimonetti/rtnetlink/v2"
	"github.com/mdlayher/netlink"
	"github.com/mdlayher/netlink/nltest"
	"golang.org/x/sys/unix"

	"portrange/internal/nettest"
)

// link is a device of the fake kernel.
type link struct {
	index, master uint32
	kind          string
}

func (l link) message(t *testing.T) netlink.Message {
	t.Helper()
	encoder := netlink.NewAttributeEncoder()
	if l.kind != "" {
		encoder.Nested(unix.IFLA_LINKINFO, func(e *netlink.AttributeEncoder) error {
			e.String(unix.IFLA_INFO_KIND, l.kind)
			return nil
		})
	}
	if l.master != 0 {
		encoder.Uint32(unix.IFLA_MASTER, l.master)
	}
	attributes, err := encoder.Encode()
	if err != nil {
		t.Fatal(err)
	}
	header, err := (&rtnetlink.LinkMessage{Index: l.index}).MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return netlink.Message{Header: netlink.Header{Type: unix.RTM_NEWLINK}, Data: append(header, attributes...)}
}

// dial is a kernel that filters as rtnl_dump_ifinfo does: by a kind it knows.
func dial(t *testing.T, knows bool, links []link) *netlink.Conn {
	t.Helper()
	conn := nltest.Dial(func(requests []netlink.Message) ([]netlink.Message, error) {
		var asked rtnetlink.LinkMessage
		if err := asked.UnmarshalBinary(requests[0].Data); err != nil {
			return nil, err
		}
		var replies []netlink.Message
		for _, l := range links {
			filter := asked.Attributes
			if filter.Info != nil && knows && l.kind != filter.Info.Kind || filter.Master != nil && l.master != *filter.Master {
				continue
			}
			replies = append(replies, l.message(t))
		}
		replies = append(replies, netlink.Message{Header: netlink.Header{Type: netlink.Done, Flags: netlink.Multi}})
		for i := range replies {
			replies[i].Header.Sequence, replies[i].Header.PID = requests[0].Header.Sequence, nltest.PID
		}
		return nltest.Multipart(replies)
	})
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestMasters(t *testing.T) {
	plain := []link{{index: 1}, {index: 2, kind: "veth"}, {index: 3, kind: "bridge"}, {index: 4, master: 3, kind: "veth"}}
	withVRFs := append(plain,
		link{index: 5, kind: "vrf"}, link{index: 6, master: 5, kind: "veth"}, link{index: 7, master: 5},
		link{index: 8, kind: "vrf"}, link{index: 9, master: 8, kind: "bridge"}, link{index: 10, master: 9, kind: "veth"})
	for _, tt := range []struct {
		name  string
		knows bool
		links []link
		want  map[uint32]uint32
	}{
		{"a kernel without VRFs", false, plain, nil},
		{"none", true, plain, nil},
		{"two", true, withVRFs, map[uint32]uint32{5: 5, 6: 5, 7: 5, 8: 8, 9: 8}},
	} {
		got, err := read(dial(t, tt.knows, tt.links))
		if err != nil || !maps.Equal(got, tt.want) || (got == nil) != (tt.want == nil) {
			t.Errorf("%s: %v, %v; want %v", tt.name, got, err, tt.want)
		}
	}
}

func TestRefusal(t *testing.T) {
	conn := nltest.Dial(func(requests []netlink.Message) ([]netlink.Message, error) {
		return nltest.Error(int(unix.EPERM), requests)
	})
	defer conn.Close()
	if _, err := read(conn); !errors.Is(err, unix.EPERM) || !strings.HasPrefix(err.Error(), "ask for VRFs: ") {
		t.Errorf("error %v", err)
	}
}

func TestLiveMasters(t *testing.T) {
	h := nettest.New(t)
	h.Sink("sink0", "10.1.0.1/24")
	masters := func() (got map[uint32]uint32) {
		h.Do(func() {
			var err error
			if got, err = Masters(); err != nil {
				t.Error(err)
			}
		})
		return got
	}
	if got := masters(); got != nil {
		t.Errorf("no VRF: %v", got)
	}
	err := h.AddVRF("blue", 10)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return // this kernel has no VRFs, and none was found
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := h.SetMaster("sink0", "blue"); err != nil {
		t.Fatal(err)
	}
	if got := masters(); len(got) != 2 {
		t.Errorf("a VRF with one device: %v", got)
	}
}
