// Package sockdiag reads TCP and UDP sockets through NETLINK_SOCK_DIAG
// (sock_diag(7)), the door that is open to every user: it takes no capability
// and no BPF.
//
// One dump lists the TCP sockets of both address families, in three parts: the
// listeners, the sockets that are bound but neither listen nor connect (since
// Linux 6.8), and everything in the table of connections, timewait and request
// sockets included. UDP takes a dump for each family. A dump is a stream. The
// kernel fills one datagram each time the last one was fetched, so that memory
// does not follow the number of sockets, and sockets come and go meanwhile.
//
// # What a dump passes over
//
// The kernel stops within a hash chain when the datagram is full, and of TCP after
// every 16 sockets of the chain (SKARR_SZ in inet_diag_dump_icsk,
// net/ipv4/inet_diag.c). It resumes by position: at the n-th socket of the chain. A
// socket that comes is put at the chain's head, so that others are listed twice; one
// that goes from before the position makes as many that stayed be passed over, and
// nothing tells.
//
// TCP chains are that long only in tables with fewer chains than sockets
// (tcp_ehash_entries; those of tcp_child_ehash_entries are). There, and of UDP
// where a dump took several datagrams, the table is read twice and both readings
// are united by the sockets' cookies. How many that stayed may be missing still
// follows from this:
//
//   - a socket is passed over in a reading only if another one went that stood
//     before the position where the reading stopped;
//   - what stood there was listed in the same reading before it went, as one reading
//     lists all that is in the chain. (Those that came and went in between put others
//     back and forth by the same number.) It is not in the second reading;
//   - so the first reading passed over no more sockets than it has ones that the
//     second has not, and both together no more than that.
//
// That number comes with the gap (host.Missed). The argument needs readings that list
// whole chains: not the halves in which a large table is read, nor the two families of
// UDP each for itself, which are counted together; of UDP, sockets of the other family
// that came and went within one reading escape it. In a table with short chains one
// reading is enough, but for a socket whose neighbour in the one chain where a datagram
// ends goes in that moment.
//
// What the package refuses to know, because the kernel does not tell here:
//   - bind buckets. A listener and an idle bound socket hold theirs by bind(),
//     and so do all sockets that share their port; of any other connected
//     socket the hold is unknown. In particular bind() before connect() does
//     not show.
//   - whether a timewait socket saw TCP timestamps, and so whether
//     tcp_tw_reuse applies. Socket.Stamped is never set.
//   - the VRF that a socket's bucket belongs to. Socket.L3Mdev is always 0.
//   - IPV6_V6ONLY of connected sockets, of those on an IPv6 address too: a
//     bind() to 0.0.0.0 meets all but the V6ONLY ones. Socket.V6Unknown says so.
//   - the user of a timewait or request socket: it has none, UID is 0.
//
// MPTCP connections consist of TCP sockets, which are listed as such, with the
// inode of the MPTCP socket that owns them.
package sockdiag
