package route

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jsimonetti/rtnetlink/v2"
	"github.com/mdlayher/netlink"
	"github.com/mdlayher/netlink/nltest"
	"golang.org/x/sys/unix"
)

var (
	remote4 = netip.MustParseAddr("192.0.2.1")
	remote6 = netip.MustParseAddr("2001:db8::1")
)

// kernel is a fake one that gives every question the same answer.
func kernel(t *testing.T, answer func(request netlink.Message) ([]netlink.Message, error)) *netlink.Conn {
	t.Helper()
	conn := nltest.Dial(func(requests []netlink.Message) ([]netlink.Message, error) {
		if len(requests) == 0 {
			return nil, nil
		}
		return answer(requests[0])
	})
	t.Cleanup(func() { conn.Close() })
	return conn
}

// reply is a route with some attributes.
func reply(request netlink.Message, kind netlink.HeaderType, attributes ...netlink.Attribute) netlink.Message {
	header := make([]byte, unix.SizeofRtMsg)
	header[0], header[7] = request.Data[0], unix.RTN_UNICAST
	return netlink.Message{
		Header: netlink.Header{Type: kind, Sequence: request.Header.Sequence, PID: nltest.PID},
		Data:   append(header, nltest.MustMarshalAttributes(attributes)...),
	}
}

func source(addr string) netlink.Attribute {
	return netlink.Attribute{Type: unix.RTA_PREFSRC, Data: netip.MustParseAddr(addr).AsSlice()}
}

// plain asks for a socket of which nothing is known, where nothing is spread.
func plain(conn *netlink.Conn, remote netip.Addr) *asker {
	return &asker{conn: conn, Question: Question{Remote: remote}, spreads: func(bool) bool { return false }}
}

func one(sources []netip.Addr, err error) (netip.Addr, error) {
	if err != nil {
		return netip.Addr{}, err
	}
	return sources[0], nil
}

func TestQuestion(t *testing.T) {
	tests := []struct {
		remote netip.Addr
		device uint32
		want   rtnetlink.RouteMessage
	}{
		{remote4, 0, rtnetlink.RouteMessage{
			Family: unix.AF_INET, DstLength: 32, Attributes: rtnetlink.RouteAttributes{Dst: remote4.AsSlice()},
		}},
		{remote6, 3, rtnetlink.RouteMessage{
			Family: unix.AF_INET6, DstLength: 128, Attributes: rtnetlink.RouteAttributes{Dst: remote6.AsSlice(), OutIface: 3},
		}},
	}
	for _, test := range tests {
		var asked netlink.Message
		conn := kernel(t, func(request netlink.Message) ([]netlink.Message, error) {
			asked = request
			return nltest.Error(int(unix.ENETUNREACH), []netlink.Message{request})
		})
		asker := plain(conn, test.remote)
		asker.device = test.device
		_, _ = asker.sources()
		var got rtnetlink.RouteMessage
		if err := got.UnmarshalBinary(asked.Data); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%v (-want +got):\n%s", test.remote, diff)
		}
		if asked.Header.Type != unix.RTM_GETROUTE || asked.Header.Flags != netlink.Request {
			t.Errorf("%v: header %+v", test.remote, asked.Header)
		}
	}
}

func TestAnswer(t *testing.T) {
	unknown := netlink.Attribute{Type: 200, Data: []byte{1, 2, 3, 4}}
	short := netlink.Attribute{Type: unix.RTA_PREFSRC, Data: []byte{10, 0}}
	tests := []struct {
		name   string
		remote netip.Addr
		answer func(netlink.Message) []netlink.Message
		want   string
		err    string
	}{
		{"IPv4", remote4, func(r netlink.Message) []netlink.Message {
			return []netlink.Message{reply(r, unix.RTM_NEWROUTE, source("10.0.0.2"))}
		}, "10.0.0.2", ""},
		{"IPv6 among attributes nobody knows", remote6, func(r netlink.Message) []netlink.Message {
			return []netlink.Message{reply(r, unix.RTM_NEWROUTE, unknown, source("fd00::2"), unknown)}
		}, "fd00::2", ""},
		{"no source", remote4, func(r netlink.Message) []netlink.Message {
			return []netlink.Message{reply(r, unix.RTM_NEWROUTE, unknown)}
		}, "", "ask for the route to 192.0.2.1: no source address; the device it leads through has none"},
		{"another family", remote4, func(r netlink.Message) []netlink.Message {
			return []netlink.Message{reply(r, unix.RTM_NEWROUTE, source("fd00::2"))}
		}, "", "ask for the route to 192.0.2.1: read the reply: the source fd00::2 is of another family"},
		{"another message", remote4, func(r netlink.Message) []netlink.Message {
			return []netlink.Message{reply(r, unix.RTM_NEWADDR, source("10.0.0.2"))}
		}, "", "want one route"},
		{"a short address", remote4, func(r netlink.Message) []netlink.Message {
			return []netlink.Message{reply(r, unix.RTM_NEWROUTE, short)}
		}, "", "invalid IP address length: 2"},
		{"a short header", remote4, func(r netlink.Message) []netlink.Message {
			m := reply(r, unix.RTM_NEWROUTE)
			m.Data = m.Data[:unix.SizeofRtMsg-1]
			return []netlink.Message{m}
		}, "", "too short"},
		{"cut off in an attribute", remote4, func(r netlink.Message) []netlink.Message {
			m := reply(r, unix.RTM_NEWROUTE, source("10.0.0.2"))
			m.Data = m.Data[:len(m.Data)-2]
			return []netlink.Message{m}
		}, "", "read the reply"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			conn := kernel(t, func(r netlink.Message) ([]netlink.Message, error) { return test.answer(r), nil })
			got, err := one(plain(conn, test.remote).sources())
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("%v, %v; want %s", got, err, test.err)
				}
				return
			}
			if err != nil || got.String() != test.want {
				t.Errorf("%v, %v; want %s", got, err, test.want)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	tests := []struct {
		errno    unix.Errno
		noSource bool
		want     string
	}{
		{unix.ENETUNREACH, true, "no source address to 192.0.2.1: there is no route (see ip route get 192.0.2.1)"},
		{unix.EHOSTUNREACH, true, "no source address to 192.0.2.1: the route is of type unreachable (see ip route get 192.0.2.1)"},
		{unix.EACCES, true, "no source address to 192.0.2.1: the route is of type prohibit (see ip route get 192.0.2.1)"},
		{unix.EINVAL, true, "no source address to 192.0.2.1: the route is of type blackhole (see ip route get 192.0.2.1)"},
		{unix.ENOBUFS, false, "ask for the route to 192.0.2.1: netlink receive: no buffer space available"},
		{unix.EPERM, false, "ask for the route to 192.0.2.1: netlink receive: operation not permitted"},
	}
	for _, test := range tests {
		conn := kernel(t, func(r netlink.Message) ([]netlink.Message, error) {
			return nltest.Error(int(test.errno), []netlink.Message{r})
		})
		_, err := plain(conn, remote4).sources()
		if err == nil || err.Error() != test.want || errors.Is(err, ErrNoSource) != test.noSource {
			t.Errorf("got  %v\nwant %s", err, test.want)
		}
	}
}

func TestDestinationIsWhereConnectGoes(t *testing.T) {
	tests := map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "0.0.0.0": "127.0.0.1",
		"::": "::1", "::ffff:0.0.0.0": "127.0.0.1", "fe80::1%eth0": "fe80::1%eth0",
	}
	for remote, want := range tests {
		if got := destination(netip.MustParseAddr(remote)); got.String() != want {
			t.Errorf("%s: %v, want %s", remote, got, want)
		}
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Source(ctx, remote4, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func FuzzAnswer(f *testing.F) {
	request := netlink.Message{Data: []byte{unix.AF_INET}}
	f.Add(reply(request, unix.RTM_NEWROUTE, source("10.0.0.2")).Data)
	f.Add(reply(request, unix.RTM_NEWROUTE, source("fd00::2")).Data)
	f.Add(binary.NativeEndian.AppendUint32(make([]byte, unix.SizeofRtMsg), 4))
	f.Fuzz(func(t *testing.T, data []byte) {
		route, err := answer([]netlink.Message{{Header: netlink.Header{Type: unix.RTM_NEWROUTE}, Data: data}})
		if err != nil {
			return
		}
		objectOf(data)
		got, err := sourceOf(&route, remote4)
		if (err == nil) != got.Is4() {
			t.Errorf("%v, %v", got, err)
		}
	})
}
