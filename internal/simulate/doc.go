// Package simulate runs loads of connections on the real kernel, in a network
// namespace of its own that nothing else sees: a plan of package capacity,
// scaled down to seconds and a few thousand ports, and the filling of one pool
// that shows what connect() costs at each share in use.
//
// It knows which parts of a load can be scaled. Rates, holding times,
// tcp_tw_reuse_delay and the range can; the 60 s of TIME_WAIT are compiled into
// the kernel, and where they matter a connection that stays open as much longer
// stands in for them, which its result says. It refuses to judge: predictions
// are package capacity's, and what is measured stands beside them.
//
// Everything happens on loopback, which takes the cost of a network out of the
// latencies and leaves that of the kernel.
package simulate
