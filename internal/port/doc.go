// Package port is the vocabulary that every other package shares: what a port
// range, a set of ports, a tuple and a socket are, how the kernel writes them
// down, and the settings that decide about them.
//
// A local port is not a thing that a host simply has or has not left. For
// connect() it must be unique only within a [Tuple]: the same local port serves
// one connection to each destination. For bind() and for UDP it must be unique
// within the local address. And a port that was ever taken through bind() is
// withheld from every connect() in the namespace, whatever the destination: it
// is bind-held. The types here keep those three apart.
//
// The package knows no kernel door and does no I/O. It refuses to know which
// ports are free: that verdict is package judge's.
package port
