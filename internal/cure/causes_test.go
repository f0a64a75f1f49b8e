package cure

import (
	"net/netip"
	"strings"
	"time"

	"portrange/internal/finding"
	"portrange/internal/port"
)

// linked is the shell script that makes a named network namespace with an address of
// a /24 network, .2, and gives .1 to this end.
func linked(name, network string) string {
	return strings.NewReplacer("NAME", name, "NETWORK", network).Replace(`ip netns add NAME
ip link add to-NAME type veth peer name eth0 netns NAME
ip addr add NETWORK.1/24 dev to-NAME
ip link set to-NAME up
ip -n NAME addr add NETWORK.2/24 dev eth0
ip -n NAME link set eth0 up
`)
}

// timeWait is how long TIME_WAIT lasts at most: so far ahead the kernel's timers are
// 4 seconds apart (Documentation/timers, kernel/time/timer.c).
const timeWait = port.TimeWaitLength + 5*time.Second

// causes are the ways to run out of ports.
func causes() []*cause {
	small := "sysctl -qw net.ipv4.ip_local_port_range='40000 40499'\n"
	here := netip.MustParseAddr("10.0.0.1")
	leak := to(service)
	leak.Silent, leak.Keep = true, leaks
	forgets := to(service)
	forgets.Keep = leaks
	binds, bindsAny, datagrams := leak, leak, leak
	binds.Bind, bindsAny.Bind = here, netip.IPv4Unspecified()
	datagrams.UDP = true
	backends := binds
	backends.Keep, backends.Remotes = 600, nil
	for _, at := range ports("10.0.0.2", 8000, 8009) {
		backends.Remotes = append(backends.Remotes, netip.MustParseAddrPort(at))
	}
	third := to(service)
	third.Silent, third.Keep = true, 200
	queue := map[string][]string{"": {listenOn(serveNobody, service.String())}}
	answers := map[string][]string{"": {listenOn(serveUntil, service.String())}}
	pool := []worker{{"", "api", third}, {"", "web", third}, {"", "jobs", third}}
	half := third
	half.Keep = 1600
	container := leak
	container.Whole, container.Remotes = true, []netip.AddrPort{netip.MustParseAddrPort("10.14.0.1:8081")}
	return []*cause{
		{
			name: "half full, and slow", setup: "sysctl -qw net.ipv4.ip_local_port_range='40000 47999'\n", servers: queue,
			programs: []worker{{"", "api", half}, {"", "web", half}, {"", "jobs", half}},
			fill:     1600, rate: 300, slow: true, hold: room, alone: true,
		},
		{
			name: "TIME_WAIT, the client closes first", setup: small, servers: answers,
			programs: []worker{{"", "nginx", to(service)}}, fill: 500, rate: 100, hold: ceiling, alone: true,
		},
		{
			name:     "a peer without timestamps",
			programs: []worker{{"", "php-fpm", to(netip.MustParseAddrPort("10.1.0.2:80"))}}, fill: 500, rate: 40, hold: keptFor,
			setup:   small + linked("peer", "10.1.0") + "ip netns exec peer sysctl -qw net.ipv4.tcp_timestamps=0\n",
			servers: map[string][]string{"peer": {listenOn(serveUntil, "10.1.0.2:80")}},
		},
		{
			name: "TIME_WAIT, cured in the program", setup: small, servers: answers, step: finding.InProgram, settles: timeWait,
			programs: []worker{{"", "nginx", to(service)}}, fill: 500, rate: 100, hold: taken,
		},
		{
			name: "bind() before connect(), cured in the program", setup: small, step: finding.InProgram,
			servers: map[string][]string{"": {listenOn(serveNobody, ports("10.0.0.2", 8000, 8009)...)}},
			settles: timeWait, programs: []worker{{"", "beam.smp", backends}}, fill: 600, rate: 50,
		},
		{
			name: "connections that never end", setup: small, servers: queue,
			programs: []worker{{"", "worker", leak}}, fill: 500, rate: 50, hold: room,
		},
		{
			name: "CLOSE_WAIT leak", setup: small, servers: map[string][]string{"": {listenOn(serveOnce, service.String())}},
			programs: []worker{{"", "crawler", forgets}}, fill: 500, rate: 50, hold: room,
		},
		{
			name: "bind() before connect()", setup: small, servers: queue,
			programs: []worker{{"", "beam.smp", binds}}, fill: 500, rate: 50, hold: room,
		},
		{
			name: "bind() to all addresses", setup: small, servers: queue,
			programs: []worker{{"", "beam.smp", bindsAny}}, fill: 500, rate: 50, hold: room,
		},
		{
			name: "reserved ports", servers: queue,
			setup:    "sysctl -qw net.ipv4.ip_local_port_range='40000 41999' net.ipv4.ip_local_reserved_ports=40000-41499\n",
			programs: pool, fill: 200, rate: 50, hold: room,
		},
		{
			name: "narrow range", setup: small, servers: queue, programs: pool, fill: 200, rate: 50, hold: room,
		},
		{
			name: "UDP sockets of one program", setup: small, servers: queue,
			programs: []worker{{"", "resolver", datagrams}}, fill: 500, rate: 50, hold: room,
		},
		{
			name: "listeners in the range", setup: small, programs: pool, fill: 200, rate: 50, hold: room,
			servers: map[string][]string{"": {
				listenOn(serveNobody, append(ports("10.0.0.1", 40000, 40399), service.String())...),
			}},
		},
		{
			name: "container with the default range", examine: []string{"--netns", "all"},
			setup:    "sysctl -qw net.ipv4.ip_local_port_range='15000 64001'\n" + linked("hub", "10.14.0"),
			servers:  map[string][]string{"": {listenOn(serveNobody, "10.14.0.1:8081")}},
			programs: []worker{{"hub", "chp", container}, {"hub", "hub-api", container}}, fill: 28232 / 2, rate: 50, hold: room,
		},
	}
}
