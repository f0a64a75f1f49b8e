// Package sample reads the kernel once and hands out what it saw: a
// [host.State] of one or more network namespaces, or their sockets one by one.
//
// It knows which doors lead to the sockets (BPF, sock_diag), which of
// them opens here, and how owners are joined to sockets. What could not be read
// becomes a [host.Gap], never a smaller number without a word. It refuses to
// know what the numbers mean: that is package judge's.
package sample
