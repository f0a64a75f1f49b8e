// Package capacity is the arithmetic between a load of connections and the
// ports it takes: how many ports a planned load needs, whether a port range
// carries it, what load a range carries at most, and by how much each setting
// would have to move.
//
// Ports in use towards one destination are a queue with Poisson arrivals, any
// distribution of holding times and no waiting (M/G/∞). What connect() cannot
// take at some moment is therefore Poisson distributed with mean rate × blocked
// time (Little's law), whatever the distribution of the blocked times. A pool
// that is large enough for the mean is short half of the time, so a need here is
// always a percentile. With a pool that is too small the same queue loses
// arrivals (M/G/n/n), which Erlang's loss formula counts.
//
// The package knows how long a connection withholds its port: as long as it is
// open, and then, on the side that closes first, for TIME_WAIT, or with
// tcp_tw_reuse for tcp_tw_reuse_delay. It refuses to know the kernel: the
// settings come in as values, observed sockets as [host.Namespace].
package capacity
