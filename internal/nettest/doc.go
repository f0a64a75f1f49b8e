// Package nettest gives tests a real kernel to play with: hosts that live in
// network namespaces of their own, and traffic between and inside them.
//
// A [Host] is one fresh namespace with lo up. Its sockets are plain system
// calls with the exact options a test names, because which of bind() and
// connect() picked a port, and with which option, is what the rest of the
// project is about; the net package hides it. Every call returns the kernel's
// error unchanged, for a test to tell EADDRNOTAVAIL from EADDRINUSE and EAGAIN.
//
// The package is for tests and benchmarks only; the program never imports it.
// It refuses to know what the right answer is: it makes situations, it does not
// judge them. A [Namespace] is the same without the testing package, for
// benchmark programs.
package nettest
