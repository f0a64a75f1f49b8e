// Package collect looks at the host and hands out what it saw, as a [host.State].
//
// A look reads each fact once, however many readers there are for it: one pass
// over the sockets of all namespaces asked for, one over the open files of all
// processes beside it, and one over settings, limits, NAT rules and services, each
// only where somebody wants it. What hangs on a pass is a listener: the usage of
// ports by tuple, a census of who took which port, the ports that belong to
// services. Whoever looks again and again does so by [Collector.Every].
//
// The package knows which doors lead to the sockets (BPF, sock_diag), which of
// them opens here, and how owners are joined to sockets. What could not be read
// is a gap, never a smaller number without a word. It changes nothing, and it
// refuses to know what the numbers mean: that is package judge's.
package collect
