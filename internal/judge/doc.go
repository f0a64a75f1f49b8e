// Package judge turns what was read of a network namespace into verdicts: how
// many ports each pool has left, how far that number is to be trusted, and how
// fast it falls. What is wrong with it is package rules' to say.
//
// It is pure: no clock, no kernel, no files. The same usage and settings give
// the same verdict, whatever door the sockets came through. Where that door
// cannot know enough for an exact number, the verdict says so instead of
// guessing, of each number for itself.
//
// How many ports are left depends on who asks: see [Asker]. Which sockets are in
// its way is the list in meets.go.
//
// The rules are the kernel's port searches, restated over sets of ports:
// __inet_hash_connect (net/ipv4/inet_hashtables.c) for connect(),
// inet_csk_find_open_port (net/ipv4/inet_connection_sock.c) for TCP bind(addr, 0),
// udp_lib_get_port (net/ipv4/udp.c) for UDP, and tcp_twsk_unique
// (net/ipv4/tcp_ipv4.c) for TIME_WAIT.
package judge
