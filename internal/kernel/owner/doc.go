// Package owner tells which processes hold a socket, where no better source
// does. The kernel keeps no way from a socket to its holders: several processes
// may share one, by fork(2) or by passing descriptors. What there is leads the
// other way, from each process to its open files in /proc/PID/fd.
//
// An [Index] turns that around, at eight bytes for a socket and holder. It can
// be filled from /proc by [Scan], or from any other source by [Index.Add].
//
// The package knows processes as the reader's PID namespace numbers them. It
// refuses to know sockets: an inode number is all it has of them. It does not
// see descriptor tables that belong to single threads (clone(2) without
// CLONE_FILES), nor processes outside the reader's PID namespace, nor sockets without
// a descriptor: fixed files of io_uring and those on their way through SCM_RIGHTS.
package owner
