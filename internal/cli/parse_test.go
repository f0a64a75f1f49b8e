package cli

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"portrange/internal/collect"
	"portrange/internal/host"
	"portrange/internal/judge"
	"portrange/internal/port"
)

func TestParseRemote(t *testing.T) {
	tests := []struct{ text, want, device string }{
		{"10.0.0.5:8080", "10.0.0.5:8080", ""},
		{"[::1]:443", "[::1]:443", ""},
		{"[::ffff:10.0.0.5]:1", "10.0.0.5:1", ""},
		{"[fe80::1%eth0]:65535", "[fe80::1]:65535", "eth0"},
	}
	for _, test := range tests {
		got, device, err := parseRemote(test.text)
		if err != nil || got.String() != test.want || device != test.device {
			t.Errorf("parseRemote(%q) = %v, %q, %v; want %s, %q", test.text, got, device, err, test.want, test.device)
		}
	}
}

func TestParseRemoteExplains(t *testing.T) {
	tests := []struct{ text, hint string }{
		{"10.0.0.5", "write it as 10.0.0.5:PORT"},
		{"::1", "write it as [::1]:PORT"},
		{"10.0.0.5:0", "1 to 65535"},
		{"10.0.0.5:70000", "1 to 65535"},
		{"10.0.0.5:-1", "1 to 65535"},
		{"10.0.0.5:", "1 to 65535"},
		{"10.0.0.5:http", "1 to 65535"},
		{"example.org:80", "`getent ahosts NAME`"},
		{":80", "no IP address"},
		{"", "want ADDR:PORT"},
		{"example.org", "want ADDR:PORT"},
		{"[::1:80", "want ADDR:PORT"},
		{"0.0.0.0:80", "127.0.0.1"},
		{"[::]:80", "::1"},
		{"[::ffff:0.0.0.0]:80", "127.0.0.1"},
		{"255.255.255.255:80", "no address of one host"},
		{"[::ffff:255.255.255.255]:80", "no address of one host"},
	}
	for _, test := range tests {
		_, _, err := parseRemote(test.text)
		if err == nil || !strings.Contains(err.Error(), test.hint) {
			t.Errorf("parseRemote(%q): error %v, want one that says %q", test.text, err, test.hint)
		}
	}
}

// TestRemoteOfTheSocket: which destinations go with a socket.
func TestRemoteOfTheSocket(t *testing.T) {
	const needs, tcp, families = "needs its interface", "TCP does not connect", "one is IPv4"
	const zone = "passes over the interface"
	for _, tt := range []struct {
		remote  string
		command leftCommand
		err     string // empty for none
	}{
		{"[fe80::1]:80", leftCommand{proto: "tcp"}, needs},
		{"[fe80::1]:80", leftCommand{proto: "tcp", device: "eth0"}, ""},
		{"[fe80::1]:80", leftCommand{proto: "tcp", local: "fe80::2%eth0"}, ""},
		{"[fe80::1]:80", leftCommand{proto: "tcp", local: "fe80::2"}, needs},
		{"[ff02::1]:80", leftCommand{proto: "udp"}, needs},
		{"[ff01::1]:80", leftCommand{proto: "udp"}, needs},
		{"[ff02::1%eth0]:80", leftCommand{proto: "udp"}, ""},
		{"[ff05::1]:80", leftCommand{proto: "udp"}, ""},
		{"[ff05::1%eth0]:80", leftCommand{proto: "udp"}, zone},
		{"[fd00::5%eth0]:80", leftCommand{proto: "tcp"}, zone},
		{"[fd00::5]:80", leftCommand{proto: "tcp", local: "fd00::2%eth0"}, zone},
		{"[ff05::1]:80", leftCommand{proto: "tcp"}, tcp},
		{"224.0.0.5:80", leftCommand{proto: "udp"}, ""},
		{"224.0.0.5:80", leftCommand{proto: "tcp"}, tcp},
		{"[::ffff:10.0.0.5]:80", leftCommand{proto: "tcp", local: "::"}, ""},
		{"[::ffff:10.0.0.5]:80", leftCommand{proto: "tcp", local: "::1"}, families},
		{"10.0.0.5:80", leftCommand{proto: "tcp", local: "::"}, families},
		{"[fd00::5]:80", leftCommand{proto: "tcp", local: "0.0.0.0"}, families},
	} {
		_, err := tt.command.parse(tt.remote, noFlag)
		if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s, %+v: %v, want %q", tt.remote, tt.command, err, tt.err)
		}
	}
}

// TestNumbersExplain: what is no number gets an answer in words.
func TestNumbersExplain(t *testing.T) {
	for flag, most := range map[string]string{"uid": "4294967294", "mark": "4294967295", "tos": "255"} {
		for _, value := range []string{"-1", "4294967296", "x", ""} {
			_, _, stderr := run(t.Context(), nil, "left", "10.0.0.5:80", "--"+flag+"="+value)
			if !strings.Contains(stderr, "want a whole number from 0 to "+most) || strings.Contains(stderr, "strconv") {
				t.Errorf("--%s=%s: %s", flag, value, stderr)
			}
		}
	}
	_, _, stderr := run(t.Context(), nil, "left", "10.0.0.5:80", "--uid", "4294967295")
	if !strings.Contains(stderr, "to 4294967294") {
		t.Errorf("the user after the last one: %s", stderr)
	}
}

func TestParseLocal(t *testing.T) {
	v4, v6 := netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("2001:db8::5")
	tests := []struct {
		text   string
		remote netip.Addr
		want   string // empty for an error
	}{
		{"10.0.0.2", v4, "10.0.0.2"},
		{"::ffff:10.0.0.2", v4, "10.0.0.2"},
		{"fe80::2%eth0", v6, "fe80::2"},
		{"::1", v4, ""},
		{"10.0.0.2", v6, ""},
		{"10.0.0.2:80", v4, ""},
		{"lo", v4, ""},
	}
	for _, test := range tests {
		command := leftCommand{proto: "tcp", local: test.text}
		got, err := command.parse(netip.AddrPortFrom(test.remote, 80).String(), noFlag)
		if (err == nil) != (test.want != "") || err == nil && got.local.String() != test.want {
			t.Errorf("--local %q towards %s: %v, %v; want %q", test.text, test.remote, got.local, err, test.want)
		}
	}
}

func noFlag(string) bool { return false }

func TestQuestion(t *testing.T) {
	given := func(names ...string) func(string) bool {
		return func(name string) bool { return slices.Contains(names, name) }
	}
	own := port.Range{Low: 40000, High: 40100}
	for name, tt := range map[string]struct {
		command leftCommand
		given   func(string) bool
		remote  string
		want    judge.Asker
		fault   string
	}{
		"plain":      {leftCommand{proto: "tcp"}, noFlag, "10.0.0.5:80", judge.Asker{Proto: port.TCP}, ""},
		"IPv6":       {leftCommand{proto: "tcp"}, noFlag, "[::1]:80", judge.Asker{Proto: port.TCP, Family6: true}, ""},
		"mapped":     {leftCommand{proto: "udp"}, noFlag, "[::ffff:10.0.0.5]:53", judge.Asker{Proto: port.UDP, Family6: true}, ""},
		"mapped own": {leftCommand{proto: "udp", local: "::ffff:0.0.0.0"}, noFlag, "10.0.0.5:53", judge.Asker{Proto: port.UDP, Family6: true}, ""},
		"reuse":      {leftCommand{proto: "udp", reuse: true}, noFlag, "10.0.0.5:53", judge.Asker{Proto: port.UDP, Reuse: true}, ""},
		"reuseport":  {leftCommand{proto: "udp", reusePort: true}, noFlag, "10.0.0.5:53", judge.Asker{Proto: port.UDP, ReusePort: true}, ""},
		"user":       {leftCommand{proto: "tcp", uid: 33}, given("uid"), "10.0.0.5:80", judge.Asker{Proto: port.TCP, UID: 33}, ""},
		"own range": {leftCommand{proto: "tcp", socketRange: "40000-40100"}, noFlag, "10.0.0.5:80",
			judge.Asker{Proto: port.TCP, SocketRange: &own}, ""},
		"one end": {leftCommand{proto: "tcp", socketRange: "40000-0"}, noFlag, "10.0.0.5:80",
			judge.Asker{Proto: port.TCP, SocketRange: &port.Range{Low: 40000}}, ""},
		"no range":       {leftCommand{proto: "tcp", socketRange: "40000"}, noFlag, "10.0.0.5:80", judge.Asker{}, "--socket-range"},
		"backwards":      {leftCommand{proto: "tcp", socketRange: "40100-40000"}, noFlag, "10.0.0.5:80", judge.Asker{}, "EINVAL"},
		"V6ONLY on IPv4": {leftCommand{proto: "udp", v6only: true}, given("v6only"), "10.0.0.5:80", judge.Asker{}, "--v6only"},
	} {
		q, err := tt.command.parse(tt.remote, tt.given)
		if tt.fault != "" {
			if err == nil || !strings.Contains(err.Error(), tt.fault) {
				t.Errorf("%s: error %v, want one that says %q", name, err, tt.fault)
			}
			continue
		}
		if !tt.given("uid") {
			tt.want.UID = uint32(os.Getuid())
		}
		if diff := cmp.Diff(tt.want, q.plain, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
}

// TestAskerOfANamespace gives a socket IPV6_V6ONLY as the namespace does, unless told.
func TestAskerOfANamespace(t *testing.T) {
	yes, no := true, false
	for name, tt := range map[string]struct {
		remote     string
		v6only     *bool
		bindV6Only bool
		want       bool
	}{
		"usual":              {"[::1]:53", nil, false, false},
		"bindv6only":         {"[::1]:53", nil, true, true},
		"told":               {"[::1]:53", &yes, false, true},
		"told not":           {"[::1]:53", &no, true, false},
		"it is to send IPv4": {"[::ffff:10.0.0.5]:53", nil, true, false},
	} {
		command := leftCommand{proto: "udp"}
		q, err := command.parse(tt.remote, noFlag)
		if err != nil {
			t.Fatal(err)
		}
		q.v6only = tt.v6only
		ns := host.Namespace{Settings: host.Settings{BindV6Only: tt.bindV6Only}}
		if asker := q.asker(&ns, q.unbound(), 7); asker.V6Only != tt.want || asker.Local != netip.IPv6Unspecified() || asker.Device != 7 {
			t.Errorf("%s: %+v, want V6Only %t", name, asker, tt.want)
		}
	}
}

func TestSocketRange(t *testing.T) {
	for text, want := range map[string]*port.Range{
		"40000-40999": {Low: 40000, High: 40999}, "40007-0": {Low: 40007}, "0-40007": {High: 40007},
		"40999-40000": nil, "40000-40000": {Low: 40000, High: 40000}, "40000": nil, "40000-65536": nil, "-1-2": nil, "": nil, "a-b": nil,
	} {
		got, err := parseSocketRange(text)
		if (err == nil) != (want != nil) || err == nil && *got != *want {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
}

// TestV6OnlyOfTheNamespace refuses IPv4 to a socket that has IPV6_V6ONLY unasked.
func TestV6OnlyOfTheNamespace(t *testing.T) {
	no := false
	for name, tt := range map[string]struct {
		remote     string
		bindV6Only bool
		v6only     *bool
		refused    bool
	}{
		"mapped": {"[::ffff:10.0.0.5]:53", true, nil, true}, "told not": {"[::ffff:10.0.0.5]:53", true, &no, false},
		"not set": {"[::ffff:10.0.0.5]:53", false, nil, false}, "IPv4": {"10.0.0.5:53", true, nil, false}, "IPv6": {"[::1]:53", true, nil, false},
	} {
		command := leftCommand{proto: "udp"}
		q, err := command.parse(tt.remote, noFlag)
		if err != nil {
			t.Fatal(err)
		}
		q.v6only = tt.v6only
		if err := q.reaches(&host.Namespace{Settings: host.Settings{BindV6Only: tt.bindV6Only}}); (err != nil) != tt.refused {
			t.Errorf("%s: %v, want refused %t", name, err, tt.refused)
		}
	}
}

func TestUDPWithoutLocalDrawsOnAllAddresses(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.5:53": "0.0.0.0", "[2001:db8::5]:53": "::", "[::ffff:10.0.0.5]:53": "::",
	} {
		command := leftCommand{proto: "udp"}
		q, err := command.parse(text, noFlag)
		if got := q.unbound(); err != nil || got.String() != want {
			t.Errorf("towards %s: %s, %v; want %s", text, got, err, want)
		}
	}
}

func row(state port.State, local, remote string) *collect.Row {
	s := port.Socket{Proto: port.TCP, State: state, Local: netip.MustParseAddrPort(local)}
	if remote != "" {
		s.Remote = netip.MustParseAddrPort(remote)
	}
	return &collect.Row{
		Socket: s, Range: port.DefaultRange,
		Processes: []host.Process{{PID: 812, Command: "haproxy"}, {PID: 813, Command: "haproxy"}},
	}
}

func TestFilter(t *testing.T) {
	connection := row(port.Established, "10.0.0.2:40000", "10.0.0.5:8080")
	listener := row(port.Listen, "[::]:22", "")
	request := row(port.NewSynRecv, "10.0.0.2:22", "10.0.0.9:50000")
	held, six := row(port.Established, "10.0.0.2:40001", "10.0.0.5:8080"), row(port.Established, "[::1]:40000", "[::1]:80")
	held.Socket.Hold, held.Socket.UID, six.Socket.Family6 = port.BindHeld, 33, true
	linkLocal := row(port.Established, "[fe80::2]:40000", "[fe80::1%eth0]:80")
	tests := []struct {
		name                               string
		states, locals, remotes, processes []string
		inRange                            bool
		more                               filterFlags
		row                                *collect.Row
		want                               bool
	}{
		{name: "nothing asked", row: connection, want: true},
		{name: "state", states: []string{"estab"}, row: connection, want: true},
		{name: "other state", states: []string{"time-wait", "LISTEN"}, row: connection},
		{name: "all states", states: []string{"listen", "all"}, row: connection, want: true},
		{name: "request sockets are in SYN_RECV", states: []string{"SYN_RECV"}, row: request, want: true},
		{name: "connected", states: []string{"connected"}, row: listener},
		{name: "remote address", remotes: []string{"10.0.0.5"}, row: connection, want: true},
		{name: "remote end", remotes: []string{"10.0.0.5:8080"}, row: connection, want: true},
		{name: "other port", remotes: []string{"10.0.0.5:8081"}, row: connection},
		{name: "prefix", remotes: []string{"10.0.0.0/8"}, row: connection, want: true},
		{name: "mapped prefix", remotes: []string{"::ffff:10.0.0.0/104"}, row: connection, want: true},
		{name: "prefix of the other family", remotes: []string{"::/0"}, row: connection},
		{name: "prefix and port", remotes: []string{"10.0.0.0/8:8080"}, row: connection, want: true},
		{name: "port", remotes: []string{":8080"}, row: connection, want: true},
		{name: "one of two", remotes: []string{"10.0.0.9", "*:8080"}, row: connection, want: true},
		{name: "no remote end", remotes: []string{"0.0.0.0/0", "::/0"}, row: listener},
		{name: "a zone does not matter", remotes: []string{"fe80::/10"}, row: linkLocal, want: true},
		{name: "an address with a zone", remotes: []string{"fe80::1%eth0"}, row: linkLocal, want: true},
		{name: "local", locals: []string{"[::]:22"}, row: listener, want: true},
		{name: "other local", locals: []string{"10.0.0.3"}, row: connection},
		{name: "process name", processes: []string{"nginx", "haproxy"}, row: connection, want: true},
		{name: "process id", processes: []string{"813"}, row: connection, want: true},
		{name: "part of a name", processes: []string{"hap", "81"}, row: connection},
		{name: "in range", inRange: true, row: connection, want: true},
		{name: "out of range", inRange: true, row: listener},
		{name: "ports", remotes: []string{":8000-8080"}, row: connection, want: true},
		{name: "ports below", remotes: []string{"10.0.0.5:8000-8079"}, row: connection},
		{name: "ports above", remotes: []string{":8081-8100"}, row: connection},
		{name: "sport", more: filterFlags{sports: list{"80", "40000"}}, row: connection, want: true},
		{name: "sport as ss has it", more: filterFlags{sports: list{":40000-40000"}}, row: connection, want: true},
		{name: "other sport", more: filterFlags{sports: list{"8080"}}, row: connection},
		{name: "dport", more: filterFlags{dports: list{"8080-8090"}}, row: connection, want: true},
		{name: "other dport", more: filterFlags{dports: list{"40000"}}, row: connection},
		{name: "dport of a listener", more: filterFlags{dports: list{"1-65535"}}, row: listener},
		{name: "tcp", more: filterFlags{protos: list{"TCP"}}, row: connection, want: true},
		{name: "udp", more: filterFlags{udp: true}, row: connection},
		{name: "tcp and udp", more: filterFlags{udp: true, tcp: true}, row: connection, want: true},
		{name: "IPv4", more: filterFlags{ipv4: true}, row: connection, want: true},
		{name: "IPv6", more: filterFlags{ipv6: true}, row: connection},
		{name: "IPv6, a socket of it", more: filterFlags{ipv6: true}, row: six, want: true},
		{name: "both families", more: filterFlags{ipv4: true, ipv6: true}, row: six, want: true},
		{name: "listening", more: filterFlags{listening: true}, row: listener, want: true},
		{name: "not listening", more: filterFlags{listening: true}, row: connection},
		{name: "bind-held", more: filterFlags{bindHeld: true}, row: held, want: true},
		{name: "connect-held", more: filterFlags{bindHeld: true}, row: connection},
		{name: "user", more: filterFlags{users: list{"www-data"}}, row: held, want: true},
		{name: "user by number", more: filterFlags{users: list{"1", "33"}}, row: held, want: true},
		{name: "other user", more: filterFlags{users: list{"root"}}, row: held},
		{name: "no user before accept", more: filterFlags{users: list{"root"}}, row: request},
		{name: "two filters", states: []string{"established"}, remotes: []string{"10.0.0.9"}, row: connection},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			flags := test.more
			flags.states, flags.locals, flags.remotes = test.states, test.locals, test.remotes
			flags.processes, flags.inRange = test.processes, test.inRange
			f, err := flags.compile(map[uint32]string{0: "root", 33: "www-data"})
			if err != nil {
				t.Fatal(err)
			}
			if got := f.pass(test.row); got != test.want {
				t.Errorf("pass = %v, want %v", got, test.want)
			}
		})
	}
}

func TestFilterExplains(t *testing.T) {
	for hint, flags := range map[string]filterFlags{
		`--state: unknown state "sleeping"`:                      {states: list{"sleeping"}},
		"1 to 65535":                                             {remotes: list{"10.0.0.5:70000"}},
		`--remote: "10.0.0.0/40": want`:                          {remotes: list{"10.0.0.0/40"}},
		"neither an IP address nor a prefix":                     {remotes: list{"example.org:80"}},
		`--local: "example.org": want ADDR`:                      {locals: list{"example.org"}},
		`--sport: "90-80" is no range of ports`:                  {sports: list{"90-80"}},
		`--dport: "x" is no port`:                                {dports: list{"80-x"}},
		`--proto: unknown protocol "sctp", want tcp or udp`:      {protos: list{"sctp"}},
		`--user: /etc/passwd has no user "nobody-of-this-name";`: {users: list{"nobody-of-this-name"}},
		`--user: /etc/passwd has no user "4294967296"`:           {users: list{"4294967296"}},
	} {
		_, err := flags.compile(nil)
		if err == nil || !strings.Contains(err.Error(), hint) {
			t.Errorf("error %v, want one that says %q", err, hint)
		}
	}
}

func TestEveryStateHasItsSpellings(t *testing.T) {
	spellings := map[port.State][]string{
		port.Established:   {"established", "ESTABLISHED", "estab"},
		port.SynSent:       {"syn-sent", "SYN_SENT"},
		port.NewSynRecv:    {"syn-recv", "SYN_RECV", "syn-rcv", "new_syn_recv"},
		port.FinWait1:      {"fin-wait-1", "FIN_WAIT1", "fin_wait1"},
		port.FinWait2:      {"fin-wait-2", "FIN_WAIT2", "fin-wait2"},
		port.TimeWait:      {"time-wait", "TIME_WAIT"},
		port.Close:         {"closed", "close", "unconnected", "UNCONN"},
		port.CloseWait:     {"close-wait", "CLOSE_WAIT"},
		port.LastAck:       {"last-ack", "LAST_ACK"},
		port.Listen:        {"listening", "LISTEN"},
		port.Closing:       {"closing", "CLOSING"},
		port.BoundInactive: {"bound-inactive", "bound_inactive"},
	}
	for state, names := range spellings {
		for _, name := range names {
			if chosen, err := parseStates([]string{name}); err != nil || !chosen[state] {
				t.Errorf("%q gives %v, %v; want %s", name, chosen, err, state)
			}
		}
	}
}

func FuzzParseEndpoints(f *testing.F) {
	for _, seed := range []string{"10.0.0.5", "10.0.0.0/8:443", "[::1]:80", ":1", "*:65535", "::ffff:1.2.3.4/100", "[", "/:1", "a:b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ends, err := parseEndpoints([]string{text})
		if err != nil {
			return
		}
		e := ends[0]
		if !e.prefix.IsValid() && e.ports == (port.Range{}) {
			t.Fatalf("%q matches everything", text)
		}
		if e.prefix.IsValid() && e.prefix.Addr().Zone() != "" {
			t.Fatalf("%q keeps a zone, which no prefix contains", text)
		}
	})
}
