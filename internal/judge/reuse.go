package judge

import (
	"time"

	"portrange/internal/host"
	"portrange/internal/port"
)

// loopbackIndex is the interface index of lo in every namespace
// (LOOPBACK_IFINDEX, include/net/flow.h).
const loopbackIndex = 1

// The values of tcp_tw_reuse.
const (
	ReuseOff      = 0
	ReuseOn       = 1
	ReuseLoopback = 2
)

// Reuse is when connect() takes over a port that a connection of the same tuple
// left in TIME_WAIT (tcp_twsk_unique, net/ipv4/tcp_ipv4.c).
type Reuse struct {
	// Mode is tcp_tw_reuse: [ReuseOff], [ReuseOn] or [ReuseLoopback].
	Mode int
	// Delay is tcp_tw_reuse_delay: how long after the last packet.
	Delay time.Duration
	// Timestamps says that this end sends TCP timestamps. Those of the other
	// end are taken for granted; sockets show whether a connection had them.
	Timestamps bool
}

// ReuseUnder are the rules that settings give.
func ReuseUnder(settings *host.Settings) Reuse {
	return Reuse{Mode: settings.TWReuse, Delay: settings.TWReuseDelay, Timestamps: settings.Timestamps != 0}
}

// OnLoopback reports whether [ReuseLoopback] speaks of the tuple: it has a
// loopback address or is bound to lo. The kernel looks at the socket in
// TIME_WAIT, not at the one that wants a port.
func OnLoopback(tuple port.Tuple) bool {
	return tuple.Device == loopbackIndex || tuple.Local.IsLoopback() || tuple.Remote.Addr().IsLoopback()
}

// Applies reports whether connect() takes over a port whose connection had
// timestamps. Whether new connections have them does not matter for that.
func (r Reuse) Applies(loopback bool) bool {
	return r.Mode == ReuseOn || r.Mode == ReuseLoopback && loopback
}

// Lasts reports whether connections that begin under these settings leave ports
// that connect() takes over: they need timestamps for that.
func (r Reuse) Lasts(loopback bool) bool { return r.Timestamps && r.Applies(loopback) }

// Kept is how long a port stays taken after this side has closed a connection
// that began under these settings.
func (r Reuse) Kept(loopback bool) time.Duration {
	if !r.Lasts(loopback) {
		return port.TimeWaitLength
	}
	return min(port.TimeWaitLength, max(r.Delay, time.Millisecond))
}

// Kept is how long a port of the tuple stays taken after this side has closed
// its connection, as far as the settings and the connections in TIME_WAIT show.
func Kept(ns *host.Namespace, tuple port.Tuple) time.Duration {
	if Stamps(ns, tuple) == host.No {
		return port.TimeWaitLength
	}
	return ReuseUnder(&ns.Settings).Kept(OnLoopback(tuple))
}

// Stamps tells whether the connections that the tuple has in TIME_WAIT had TCP
// timestamps, which both ends must send: without them connect() takes none of
// their ports over, whatever tcp_tw_reuse says (tw_ts_recent_stamp in
// tcp_twsk_unique, net/ipv4/tcp_ipv4.c). It is No where none had them, Yes where
// one did, Unknown where none is in TIME_WAIT or the source does not show it.
func Stamps(ns *host.Namespace, tuple port.Tuple) host.Answer {
	usage, known := ns.Usage.Tuples[tuple]
	if !known {
		return host.Unknown
	}
	waiting := 0
	for i := range usage.States {
		if usage.States[i].State == port.TimeWait {
			waiting += usage.States[i].Ports.Len()
		}
	}
	switch {
	case usage.Reusable.Len() > 0:
		return host.Yes
	case waiting == 0 || ns.Usage.Blind():
		return host.Unknown
	case usage.Unstamped.Len() == waiting:
		return host.No
	}
	return host.Yes
}
