// Package sockdiag reads TCP and UDP sockets through NETLINK_SOCK_DIAG
// (sock_diag(7)), the door that is open to every user: it takes no capability
// and no BPF.
//
// One dump lists the TCP sockets of both address families, in three parts: the
// listeners, the sockets that are bound but neither listen nor connect (since
// Linux 6.8), and everything in the table of connections, timewait and request
// sockets included. UDP takes a dump for each family. A dump is a stream. The
// kernel fills one datagram each time the last one was fetched, so that memory
// does not follow the number of sockets, and sockets come and go meanwhile: one
// that moves between two parts can show twice or not at all.
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
