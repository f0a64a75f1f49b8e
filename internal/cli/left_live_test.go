package cli

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"portrange/internal/nettest"
)

// said is what `left` answers.
type said struct {
	Local      string   `json:"local"`
	Left       int      `json:"left"`
	ErrorBound int      `json:"error_bound"`
	Shared     int      `json:"shared"`
	OnlyFewer  bool     `json:"only_fewer"`
	Exact      bool     `json:"exact"`
	Endless    bool     `json:"endless"`
	Perhaps    bool     `json:"perhaps_endless"`
	Doubts     []string `json:"doubts"`
}

func ask(t *testing.T, h *nettest.Host, args ...string) said {
	t.Helper()
	code, stdout, stderr := run(t.Context(), nil, append([]string{"left", "--netns", h.Path(), "--json"}, args...)...)
	if code != ExitOK {
		t.Fatalf("left %v: %s", args, stderr)
	}
	var answer said
	if err := json.Unmarshal([]byte(stdout), &answer); err != nil {
		t.Fatalf("left %v: %v in %s", args, err, stdout)
	}
	return answer
}

// grant opens connections, each tried again and again, until there is no more.
func grant(dial nettest.Dial) int {
	granted := 0
	for failed := 0; failed < 60; failed++ {
		if _, err := dial(); err == nil {
			granted++
			failed = -1
		}
	}
	return granted
}

func compareGranted(t *testing.T, what string, answer said, granted int) {
	t.Helper()
	lowest, highest := answer.Left-answer.ErrorBound, answer.Left+answer.ErrorBound
	switch {
	case answer.Exact:
		lowest, highest = answer.Left, answer.Left
	case answer.OnlyFewer:
		highest = answer.Left
	}
	if granted < lowest || highest < granted {
		t.Errorf("%s: said %+v, granted %d", what, answer, granted)
	}
}

func mark(n int) nettest.Option {
	return func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, n) }
}

// client is an asker as `left` and as the kernel know it.
type client struct {
	args    []string // of left, the destination first
	kind    nettest.Kind
	from    string // where it is bound, with port 0; empty for nowhere
	options []nettest.Option
}

func (c *client) dial(h *nettest.Host) nettest.Dial {
	to := netip.MustParseAddrPort(c.args[0])
	options := append([]nettest.Option{nettest.NonBlock()}, c.options...)
	return func() (*nettest.Socket, error) {
		if c.from == "" {
			return h.Connect(c.kind, to, options...)
		}
		return h.BindConnect(c.kind, netip.AddrPortFrom(netip.MustParseAddr(c.from), 0), to, options...)
	}
}

// twoWays has a destination of each family behind two devices.
func twoWays(t *testing.T, commands ...string) *nettest.Host {
	t.Helper()
	h := nettest.New(t)
	h.Sink("d0", "10.1.0.1/24", "fd01::1/64")
	h.Sink("d1", "10.2.0.1/24", "fd02::1/64")
	h.Range(40000, 40011)
	ip(t, h, append([]string{
		"route add 203.0.113.0/24 via 10.1.0.9", "route add 203.0.113.0/24 via 10.2.0.9 table 7", "route add unreachable default table 9",
		"-6 route add fd09::/64 via fd01::9", "-6 route add fd09::/64 via fd02::9 table 7", "-6 route add unreachable default table 9",
	}, commands...)...)
	return h
}

func ip(t *testing.T, h *nettest.Host, commands ...string) {
	t.Helper()
	for _, command := range commands {
		if out, err := h.Command("ip", strings.Fields(command)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", command, err, out)
		}
	}
}

// TestLiveLeftByLocalPort: rules that look at the local port.
func TestLiveLeftByLocalPort(t *testing.T) {
	nettest.NeedRoot(t)
	clients := map[string]client{
		"TCP":               {[]string{"203.0.113.1:80"}, nettest.TCP4, "", nil},
		"TCP from":          {[]string{"203.0.113.1:80", "--local", "10.1.0.1"}, nettest.TCP4, "10.1.0.1", []nettest.Option{nettest.BindNoPort()}},
		"TCP bound":         {[]string{"203.0.113.1:80", "--bind"}, nettest.TCP4, "0.0.0.0", nil},
		"TCP bound, reuse":  {[]string{"203.0.113.1:80", "--bind", "--reuse"}, nettest.TCP4, "0.0.0.0", []nettest.Option{nettest.ReuseAddr()}},
		"TCP of 40004-5":    {[]string{"203.0.113.1:80", "--socket-range", "40004-40005"}, nettest.TCP4, "", []nettest.Option{nettest.LocalRange(40004, 40005)}},
		"UDP":               {[]string{"203.0.113.1:80", "--proto", "udp"}, nettest.UDP4, "", nil},
		"TCP6":              {[]string{"[fd09::1]:80"}, nettest.TCP6, "", nil},
		"TCP6 bound":        {[]string{"[fd09::1]:80", "--bind", "--local", "fd01::1"}, nettest.TCP6, "fd01::1", nil},
		"UDP6 from":         {[]string{"[fd09::1]:80", "--proto", "udp", "--local", "fd01::1"}, nettest.UDP6, "fd01::1", nil},
		"TCP6, mapped IPv4": {[]string{"[::ffff:203.0.113.1]:80"}, nettest.TCP6, "", nil},
	}
	for rule, doubted := range map[string]bool{
		"sport 40001 table 9": true, "sport 40002-40004 table 9": true,
		"sport 40002-40004 table 7": false, "sport 40001 dport 81 table 9": false,
	} {
		for name, c := range clients {
			h := twoWays(t, "rule add "+rule, "-6 rule add "+rule)
			answer := ask(t, h, c.args...)
			compareGranted(t, rule+", "+name, answer, grant(c.dial(h)))
			looked := doubted && name != "TCP6" && !(name == "TCP of 40004-5" && rule == "sport 40001 table 9")
			if answer.Exact == looked || looked != slices.Contains(answer.Doubts, "local-port") {
				t.Errorf("%s, %s: %+v", rule, name, answer)
			}
		}
	}
}

// TestLiveLeftByMark: rules that look at what left does not know, unless told.
func TestLiveLeftByMark(t *testing.T) {
	nettest.NeedRoot(t)
	plain := client{[]string{"203.0.113.1:80"}, nettest.TCP4, "", nil}
	from := client{[]string{"203.0.113.1:80", "--local", "10.1.0.1"}, nettest.TCP4, "10.1.0.1", []nettest.Option{nettest.BindNoPort()}}
	told := client{[]string{"203.0.113.1:80", "--mark", "0x5", "--tos", "0"}, nettest.TCP4, "", []nettest.Option{mark(5)}}
	udp := client{[]string{"203.0.113.1:80", "--proto", "udp"}, nettest.UDP4, "", nil}
	for _, tt := range []struct {
		rule   string
		client client
		local  string
		exact  bool
	}{
		{"fwmark 5 table 7", plain, "10.1.0.1", false},
		{"fwmark 5 table 7", from, "10.1.0.1", true},
		{"fwmark 5 table 9", from, "10.1.0.1", false},
		{"fwmark 5 table 7", told, "10.2.0.1", true},
		{"fwmark 5 table 7", udp, "0.0.0.0", true},
		{"fwmark 5 table 9", udp, "0.0.0.0", false},
		{"fwmark 5 dport 81 table 7", plain, "10.1.0.1", true},
		{"tos 0x10 table 7", plain, "10.1.0.1", false},
		{"tos 0x10 table 7", told, "10.1.0.1", true},
		{"not fwmark 5 table 7", plain, "10.2.0.1", false},
	} {
		h := twoWays(t, "rule add "+tt.rule)
		answer := ask(t, h, tt.client.args...)
		compareGranted(t, tt.rule, answer, grant(tt.client.dial(h)))
		if answer.Local != tt.local || answer.Exact != tt.exact || tt.exact == slices.Contains(answer.Doubts, "rules") {
			t.Errorf("%s, %v: %+v, want %+v", tt.rule, tt.client.args, answer, tt)
		}
	}
}

// crowded is [twoWays] with sockets of both protocols on several addresses, so that
// no two pools have as many ports left.
func crowded(t *testing.T, commands ...string) *nettest.Host {
	t.Helper()
	h := twoWays(t, commands...)
	h.AddrOn("d0", "fe80::1/64")
	for i, held := range []struct {
		kind nettest.Kind
		addr string
		n    int
	}{{nettest.UDP4, "10.1.0.1", 1}, {nettest.UDP4, "10.2.0.1", 1}, {nettest.UDP6, "fe80::1%d0", 2}, {nettest.TCP6, "fe80::1%d0", 1}, {nettest.TCP4, "10.1.0.1", 2}} {
		for range held.n {
			if _, err := h.Bind(held.kind, netip.AddrPortFrom(netip.MustParseAddr(held.addr), 0)); err != nil {
				t.Fatalf("%d: %v", i, err)
			}
		}
	}
	return h
}

// TestLiveLeftToMoreDestinations: those that take an interface from elsewhere, the
// mapped ones of a socket on ::, and groups.
func TestLiveLeftToMoreDestinations(t *testing.T) {
	nettest.NeedRoot(t)
	d0, late := nettest.Device("d0"), nettest.BindNoPort()
	for _, c := range []client{
		{[]string{"[fe80::9]:53", "--device", "d0"}, nettest.TCP6, "", []nettest.Option{d0}},
		{[]string{"[fe80::9]:53", "--device", "d0", "--proto", "udp"}, nettest.UDP6, "", []nettest.Option{d0}},
		{[]string{"[fe80::9]:53", "--local", "fe80::1%d0"}, nettest.TCP6, "fe80::1%d0", []nettest.Option{late}},
		{[]string{"[fe80::9]:53", "--local", "fe80::1%d0", "--proto", "udp"}, nettest.UDP6, "fe80::1%d0", nil},
		{[]string{"[::ffff:203.0.113.1]:80", "--local", "::"}, nettest.TCP6, "::", []nettest.Option{late}},
		{[]string{"[::ffff:203.0.113.1]:80", "--local", "::", "--bind"}, nettest.TCP6, "::", nil},
		{[]string{"[::ffff:203.0.113.1]:80", "--local", "::", "--proto", "udp"}, nettest.UDP6, "::", nil},
		{[]string{"224.0.0.5:9", "--proto", "udp"}, nettest.UDP4, "", nil},
		{[]string{"224.0.0.5:9", "--proto", "udp", "--local", "10.1.0.1"}, nettest.UDP4, "10.1.0.1", nil},
		{[]string{"224.0.0.5:9", "--proto", "udp", "--local", "10.2.0.1", "--device", "d1"}, nettest.UDP4, "10.2.0.1", []nettest.Option{nettest.Device("d1")}},
		{[]string{"[ff02::1%d0]:9", "--proto", "udp"}, nettest.UDP6, "", nil},
		{[]string{"[ff02::1]:9", "--proto", "udp", "--device", "d0"}, nettest.UDP6, "", []nettest.Option{d0}},
		{[]string{"[ff05::1]:9", "--proto", "udp", "--device", "d0"}, nettest.UDP6, "", []nettest.Option{d0}},
		{[]string{"[::ffff:224.0.0.5]:9", "--proto", "udp"}, nettest.UDP6, "", nil},
	} {
		h := crowded(t, "route add 224.0.0.0/4 dev d0")
		answer := ask(t, h, c.args...)
		if compareGranted(t, strings.Join(c.args, " "), answer, grant(c.dial(h))); !answer.Exact {
			t.Errorf("%v: %+v, want an exact answer", c.args, answer)
		}
	}
}

// TestLiveLeftWithoutWay: bind() to port 0 gives ports where connect() has no way.
func TestLiveLeftWithoutWay(t *testing.T) {
	nettest.NeedRoot(t)
	for _, tt := range []struct {
		args []string
		kind nettest.Kind
		at   string
	}{
		{[]string{"198.51.100.1:80", "--bind"}, nettest.TCP4, "0.0.0.0:0"},
		{[]string{"198.51.100.1:80", "--bind", "--local", "10.1.0.1"}, nettest.TCP4, "10.1.0.1:0"},
		{[]string{"[2001:db8::1]:80", "--bind"}, nettest.TCP6, "[::]:0"},
		{[]string{"198.51.100.1:80", "--bind", "--proto", "udp"}, nettest.UDP4, "0.0.0.0:0"},
	} {
		h := crowded(t)
		answer := ask(t, h, tt.args...)
		at := netip.MustParseAddrPort(tt.at)
		granted, _ := nettest.Fill(func() (*nettest.Socket, error) { return h.Bind(tt.kind, at) })
		if answer.Left != granted || answer.Exact || !slices.Contains(answer.Doubts, "no-route") {
			t.Errorf("%v: said %+v, granted %d", tt.args, answer, granted)
		}
	}
	h := crowded(t)
	for _, args := range [][]string{{"198.51.100.1:80"}, {"198.51.100.1:80", "--proto", "udp"}, {"10.1.0.255:80", "--bind"}} {
		if code, _, stderr := run(t.Context(), nil, append([]string{"left", "--netns", h.Path()}, args...)...); code != ExitFailure {
			t.Errorf("%v: exit code %d, %s; connect() gets no port there", args, code, stderr)
		}
	}
}

// TestLiveLeftThroughNetlink: what sock_diag does not show may make the number too
// high, and leaves open whether sockets share.
func TestLiveLeftThroughNetlink(t *testing.T) {
	nettest.NeedRoot(t)
	h := twoWays(t)
	for _, c := range []client{
		{[]string{"203.0.113.2:80"}, nettest.TCP4, "", nil},
		{[]string{"203.0.113.3:80"}, nettest.TCP4, "", nil},
		{[]string{"203.0.113.4:80"}, nettest.TCP4, "10.1.0.1", nil},
	} {
		hold(t, h, 2, c)
	}
	c := client{[]string{"203.0.113.1:80", "--source", "netlink"}, nettest.TCP4, "", nil}
	answer := ask(t, h, c.args...)
	if compareGranted(t, "TCP", answer, grant(c.dial(h))); !answer.OnlyFewer || answer.ErrorBound == 0 || answer.Left != 12 {
		t.Errorf("TCP: %+v, want 12 or fewer", answer)
	}
	for _, shares := range []bool{true, false} {
		h := twoWays(t)
		reuse := client{[]string{"203.0.113.1:80", "--proto", "udp", "--local", "10.1.0.1", "--reuse", "--source", "netlink"}, nettest.UDP4, "10.1.0.1", nil}
		reuse.options = []nettest.Option{nettest.ReuseAddr()}
		for p := uint16(40000); p <= 40011; p++ { // by itself the kernel would share some
			options := []nettest.Option{}
			if shares {
				options = reuse.options
			}
			if _, err := h.Bind(reuse.kind, netip.AddrPortFrom(netip.MustParseAddr(reuse.from), p), options...); err != nil {
				t.Fatal(err)
			}
		}
		answer := ask(t, h, reuse.args...)
		_, err := reuse.dial(h)()
		if answer.Left != 0 || !answer.Perhaps || answer.Endless || answer.Exact || answer.OnlyFewer || (err == nil) != shares {
			t.Errorf("UDP, shared %v: said %+v; bind() says %v", shares, answer, err)
		}
	}
}

// TestLeftFromAForeignAddress: rules that look for the address of a socket with
// IP_TRANSPARENT cannot be asked about, where it is not the host's.
func TestLeftFromAForeignAddress(t *testing.T) {
	h := nettest.New(t)
	h.Sink("sink0", "10.1.0.1/24")
	h.Range(40000, 40019)
	out, err := h.Command("ip", "rule", "add", "from", "203.0.113.0/28", "prohibit").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	to := netip.MustParseAddrPort("10.1.0.9:80")
	for local, want := range map[string]bool{"203.0.113.9": false, "203.0.113.99": true, "10.1.0.1": true} {
		answer := ask(t, h, to.String(), "--transparent", "--local", local)
		granted := grant(func() (*nettest.Socket, error) {
			from := netip.AddrPortFrom(netip.MustParseAddr(local), 0)
			return h.BindConnect(nettest.TCP4, from, to, nettest.NonBlock(), nettest.BindNoPort(), nettest.Transparent(nettest.TCP4))
		})
		if compareGranted(t, "from "+local, answer, granted); answer.Exact != want {
			t.Errorf("from %s: %+v, granted %d", local, answer, granted)
		}
	}
}
