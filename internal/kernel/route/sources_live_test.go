package route_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"portrange/internal/kernel/route"
	"portrange/internal/nettest"
	"portrange/internal/port"
)

const stranger = 1000

// ruledHost has two ways to everywhere, and rules that choose between them.
func ruledHost(t *testing.T, rules ...string) *nettest.Host {
	t.Helper()
	h := nettest.New(t)
	h.Sink("sink0", "10.1.0.1/24", "fd01::1/64")
	h.Sink("sink1", "10.2.0.1/24", "fd02::1/64")
	run(t, h, "route add 203.0.113.0/24 via 10.1.0.9", "route add 203.0.113.0/24 via 10.2.0.9 table 7",
		"-6 route add fd09::/64 via fd01::9", "-6 route add fd09::/64 via fd02::9 table 7")
	run(t, h, rules...)
	return h
}

func run(t *testing.T, h *nettest.Host, commands ...string) {
	t.Helper()
	for _, command := range commands {
		if out, err := h.Command("ip", strings.Fields(command)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", command, err, out)
		}
	}
}

// TestLiveRulesLookAtTheSocket asks for each kind of socket, and compares with
// where connect() goes.
func TestLiveRulesLookAtTheSocket(t *testing.T) {
	uid := func(n uint32) *uint32 { return &n }
	for _, rule := range []string{"ipproto tcp", "ipproto udp", "dport 443", "dport 440-450 ipproto tcp", "uidrange 1000-1000", "fwmark 5"} {
		h := ruledHost(t, "rule add "+rule+" table 7", "-6 rule add "+rule+" table 7")
		for _, q := range []route.Question{
			{Port: 443, Proto: port.TCP}, {Port: 80, Proto: port.TCP}, {Port: 443, Proto: port.UDP}, {Port: 80, Proto: port.UDP},
			{Port: 443, Proto: port.TCP, UID: uid(stranger)}, {Port: 443, Proto: port.TCP, Mark: 5},
		} {
			for _, remote := range []string{"203.0.113.1", "fd09::1"} {
				q.Remote = netip.MustParseAddr(remote)
				want := sourceOf(t, h, q)
				got := sources(t, h, q)
				if !slices.Equal(got, []netip.Addr{want}) {
					t.Errorf("%s: %+v: %v; connect() took %v", rule, q, got, want)
				}
			}
		}
	}
}

func sources(t *testing.T, h *nettest.Host, q route.Question) []netip.Addr {
	t.Helper()
	var got []netip.Addr
	err := h.Try(func() (err error) {
		got, err = route.Sources(t.Context(), q)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func sourceOf(t *testing.T, h *nettest.Host, q route.Question) netip.Addr {
	t.Helper()
	kinds := map[bool]nettest.Kind{false: nettest.TCP4, true: nettest.TCP6}
	if q.Proto == port.UDP {
		kinds = map[bool]nettest.Kind{false: nettest.UDP4, true: nettest.UDP6}
	}
	options := []nettest.Option{nettest.NonBlock(), func(fd int) error {
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(q.Mark))
	}}
	if q.UID != nil {
		options = append(options, nettest.Owner(int(*q.UID)))
	}
	s, err := h.Connect(kinds[q.Remote.Is6()], netip.AddrPortFrom(q.Remote, q.Port), options...)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	local, err := s.Local()
	if err != nil {
		t.Fatal(err)
	}
	return local.Addr()
}

// TestLiveMultipath: whatever connect() takes is among the sources, and where
// there is one it takes no other.
func TestLiveMultipath(t *testing.T) {
	for i, policy := range []string{"0", "1", "2", "3", "1"} {
		h := nettest.New(t)
		objects := []string{"1", "0"}[i/4] // what a route with nexthop objects tells of itself
		h.Sink("sink0", "10.1.0.1/24", "10.3.0.1/24", "fd01::1/64")
		h.Sink("sink1", "10.2.0.1/24", "fd02::1/64")
		run(t, h, "route add 203.0.113.0/24 nexthop via 10.1.0.9 nexthop via 10.2.0.9 weight 2 nexthop via 10.3.0.9",
			"route add 198.51.100.0/24 src 10.2.0.1 nexthop via 10.1.0.9 nexthop via 10.2.0.9",
			"-6 route add fd09::/64 nexthop via fd01::9 nexthop via fd02::9",
			"nexthop add id 1 via 10.1.0.9 dev sink0", "nexthop add id 2 via 10.2.0.9 dev sink1", "nexthop add id 10 group 1/2",
			"route add 192.0.2.0/25 nhid 10", "route add 192.0.2.128/25 nhid 2")
		h.Sysctl("net.ipv4.nexthop_compat_mode", objects)
		h.Sysctl("net.ipv4.fib_multipath_hash_policy", policy)
		h.Sysctl("net.ipv6.fib_multipath_hash_policy", policy)
		for _, remote := range []string{"203.0.113.1", "203.0.113.2", "198.51.100.1", "192.0.2.1", "192.0.2.129", "fd09::1", "fd09::2"} {
			for _, proto := range []port.Proto{port.TCP, port.UDP} {
				q := route.Question{Remote: netip.MustParseAddr(remote), Port: 80, Proto: proto}
				got := sources(t, h, q)
				var taken []netip.Addr
				for range 40 {
					if source := sourceOf(t, h, q); !slices.Contains(taken, source) {
						taken = append(taken, source)
					}
				}
				for _, source := range taken {
					if !slices.Contains(got, source) {
						t.Errorf("policy %s, %v to %s: %v; connect() took %v", policy, proto, remote, got, taken)
					}
				}
				if policy == "1" && len(got) != len(taken) {
					t.Errorf("policy %s, %v to %s: %v; connect() took %v only", policy, proto, remote, got, taken)
				}
			}
		}
	}
}

// TestLiveRulesLookAtTheSource: connect() of IPv6 chooses an address where no way
// leads without one, and does not look again at the way that it has.
func TestLiveRulesLookAtTheSource(t *testing.T) {
	for name, commands := range map[string][]string{
		"rules":           {"-6 rule add from fd01::/64 table 9", "-6 rule add from fd02::/64 table 9", "-6 route add default via fd02::9 table 9"},
		"a rule for TCP":  {"-6 rule add from fd00::/8 ipproto tcp table 9", "-6 route add default via fd02::9 table 9"},
		"a rule for user": {"-6 rule add from fd00::/8 uidrange 1000-1000 table 9", "-6 route add default via fd02::9 table 9"},
		"a route":         {"-6 route add default from fd01::/64 via fd01::9"},
		"another's route": {"-6 route add default from fd00:7::/64 via fd01::9"},
		"one is barred":   {"-6 rule add from fd01::1 prohibit", "-6 route add default via fd01::9"},
	} {
		h := nettest.New(t)
		h.Sink("sink0", "fd01::1/64")
		h.Sink("sink1", "fd02::1/64")
		run(t, h, commands...)
		for _, uid := range []uint32{0, stranger} {
			q := route.Question{Remote: netip.MustParseAddr("2001:db8::1"), Port: 443, Proto: port.TCP, UID: &uid}
			var got []netip.Addr
			err := h.Try(func() (err error) {
				got, err = route.Sources(t.Context(), q)
				return err
			})
			s, refused := h.Connect(nettest.TCP6, netip.AddrPortFrom(q.Remote, q.Port), nettest.NonBlock(), nettest.Owner(int(uid)))
			if refused != nil {
				if !errors.Is(err, route.ErrNoSource) {
					t.Errorf("%s, user %d: %v, %v; connect() says %v", name, uid, got, err, refused)
				}
				continue
			}
			if want, localErr := s.Local(); localErr != nil || err != nil || !slices.Equal(got, []netip.Addr{want.Addr()}) {
				t.Errorf("%s, user %d: %v, %v; connect() took %v, %v", name, uid, got, err, want, localErr)
			}
		}
	}
}

// TestLiveNoPlaceToConnectTo: connect() says no, and so do we.
func TestLiveNoPlaceToConnectTo(t *testing.T) {
	h := nettest.New(t)
	h.Sink("sink0", "10.1.0.1/24", "fd01::1/64")
	run(t, h, "route add 224.0.0.0/4 dev sink0")
	for _, test := range []struct {
		remote string
		proto  port.Proto
		refuse bool
	}{
		{"10.1.0.255", port.TCP, true}, {"10.1.0.255", port.UDP, true},
		{"224.1.1.1", port.TCP, true}, {"224.1.1.1", port.UDP, false}, {"ff0e::1%sink0", port.TCP, true},
		{"10.1.0.254", port.TCP, false},
	} {
		remote := netip.MustParseAddr(test.remote)
		err := h.Try(func() error {
			_, err := route.Sources(t.Context(), route.Question{Remote: remote, Port: 53, Proto: test.proto})
			return err
		})
		if refused := errors.Is(err, route.ErrRefused); refused != test.refuse || err != nil && !refused {
			t.Errorf("%v to %s: %v", test.proto, test.remote, err)
		}
		kinds := map[port.Proto][2]nettest.Kind{port.TCP: {nettest.TCP4, nettest.TCP6}, port.UDP: {nettest.UDP4, nettest.UDP6}}
		kind := kinds[test.proto][0]
		if remote.Is6() {
			kind = kinds[test.proto][1]
		}
		if _, err := h.Connect(kind, netip.AddrPortFrom(remote, 53), nettest.NonBlock()); (err != nil) != test.refuse {
			t.Errorf("%v to %s: connect() says %v", test.proto, test.remote, err)
		}
	}
}

// TestLiveBoundSocket asks from an address: whether a connection gets away from
// there, also where routing alone chose it.
func TestLiveBoundSocket(t *testing.T) {
	h := ruledHost(t, "route add unreachable default table 9", "rule add from 10.1.0.1 dport 80 table 9", "-6 route add unreachable default")
	for _, tt := range []struct {
		source, remote string
		port           uint16
		want           string // the source, empty where there is no way
	}{
		{"10.1.0.1", "203.0.113.1", 443, "10.1.0.1"},
		{"10.2.0.1", "203.0.113.1", 80, "10.2.0.1"},
		{"10.1.0.1", "203.0.113.1", 80, ""},
		{"", "203.0.113.1", 80, ""},
		{"10.1.0.1", "198.51.100.1", 443, ""},
		{"127.0.0.1", "203.0.113.1", 443, ""},
		{"fd02::1", "fd09::1", 80, "fd02::1"},
		{"fd01::1", "2001:db8::1", 80, ""},
	} {
		q := route.Question{Remote: netip.MustParseAddr(tt.remote), Port: tt.port, Proto: port.TCP}
		if tt.source != "" {
			q.Source = netip.MustParseAddr(tt.source)
		}
		var got []netip.Addr
		err := h.Try(func() (err error) {
			got, err = route.Sources(t.Context(), q)
			return err
		})
		if (err == nil) != (tt.want != "") || err == nil && got[0].String() != tt.want {
			t.Errorf("%+v: %v, %v; want %q", tt, got, err, tt.want)
		}
		if connects(t, h, q) != (tt.want != "") {
			t.Errorf("%+v: the kernel's connect() disagrees", tt)
		}
	}
}

// connects reports whether connect() finds a way.
func connects(t *testing.T, h *nettest.Host, q route.Question) bool {
	t.Helper()
	kind, from := nettest.TCP4, q.Source
	if q.Remote.Is6() {
		kind = nettest.TCP6
	}
	if !from.IsValid() {
		from = netip.IPv4Unspecified()
	}
	s, err := h.BindConnect(kind, netip.AddrPortFrom(from, 0), netip.AddrPortFrom(q.Remote, q.Port), nettest.NonBlock())
	if err != nil {
		return false
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return true
}
