package port

import (
	"net/netip"
	"time"
)

// Proto is the transport protocol. MPTCP subflows are TCP sockets.
type Proto uint8

// The protocols that draw on the local port range.
const (
	TCP Proto = 6
	UDP Proto = 17
)

// String is the lower-case name, as ss prints it.
func (p Proto) String() string {
	if p == UDP {
		return "udp"
	}
	return "tcp"
}

// State is the kernel's socket state (include/net/tcp_states.h). A UDP socket
// is Established when connected and Close when not.
type State uint8

// The states by the kernel's numbers.
const (
	Established State = iota + 1
	SynSent
	SynRecv
	FinWait1
	FinWait2
	TimeWait
	Close
	CloseWait
	LastAck
	Listen
	Closing
	NewSynRecv
	BoundInactive
)

// States is the number of states, the unused 0 included, for arrays indexed by State.
const States = int(BoundInactive) + 1

var stateNames = [States]string{
	"unknown", "established", "syn_sent", "syn_recv", "fin_wait1", "fin_wait2", "time_wait", "close",
	"close_wait", "last_ack", "listen", "closing", "new_syn_recv", "bound_inactive",
}

// String is the name used in JSON, lower case with underscores.
func (s State) String() string {
	if int(s) >= States {
		return stateNames[0]
	}
	return stateNames[s]
}

// Hold says how the bind bucket of a TCP port was taken (struct
// inet_bind_bucket, include/net/inet_hashtables.h).
type Hold uint8

// The ways a port is held.
const (
	// HoldUnknown: the source cannot see buckets, or there is none (UDP).
	HoldUnknown Hold = iota
	// ConnectHeld: only connect() picked the port; fastreuse and fastreuseport
	// are both -1. Other destinations may share it.
	ConnectHeld
	// BindHeld: a socket got the port through bind(); no connect() picks it.
	BindHeld
	// NotHeld: the socket has a port number but no bucket, as a request socket.
	NotHeld
)

// TimerKind names what a socket's timer waits for (tcpdiag idiag_timer).
type TimerKind uint8

// The timers by the numbers of sock_diag.
const (
	TimerOff TimerKind = iota
	TimerRetransmit
	TimerKeepalive
	TimerTimeWait
	TimerProbe
)

var timerNames = [...]string{"off", "on", "keepalive", "timewait", "probe"}

// String is the name that netstat and ss print.
func (k TimerKind) String() string {
	if int(k) >= len(timerNames) {
		return timerNames[0]
	}
	return timerNames[k]
}

// Timer is a socket's pending timer.
type Timer struct {
	Kind    TimerKind
	Expires time.Duration // until it fires
	Retries uint8         // retransmissions or probes sent so far
}

// Socket is one TCP or UDP socket that holds a local port, as both socket
// sources deliver it. IPv4-mapped IPv6 addresses are normalised to IPv4, so
// that equal tuples compare equal whatever the socket's family.
type Socket struct {
	Proto  Proto
	State  State
	Local  netip.AddrPort
	Remote netip.AddrPort // the zero AddrPort where there is none

	// Family6 is set for AF_INET6 sockets, also those that carry IPv4.
	Family6 bool
	// V6Only is IPV6_V6ONLY as the kernel sees it (skc_ipv6only). It is
	// meaningful only with Family6.
	V6Only bool
	// V6Unknown is set where V6Only was not to be seen; it is false then.
	V6Unknown bool
	// Device is the interface index of SO_BINDTODEVICE or a link-local scope, 0 for none.
	Device uint32
	// L3Mdev is the VRF master the socket's bucket belongs to, 0 for none.
	L3Mdev uint32
	// Reuse is SO_REUSEADDR, ReusePort SO_REUSEPORT.
	Reuse, ReusePort bool
	// Blind is set where L3Mdev, Reuse, ReusePort and Stamped were not to be
	// seen; they are zero then.
	Blind bool

	Hold Hold
	// Chosen is set for a TCP listener that let the kernel choose its port. Only
	// BPF shows it.
	Chosen bool
	// Mini is set for a timewait socket, whose State is TimeWait or FinWait2.
	Mini bool
	// Stamped is set for a timewait socket that saw TCP timestamps
	// (tw_ts_recent_stamp), without which tcp_tw_reuse does not apply.
	Stamped bool
	// Quiet is how long ago a timewait socket got its last packet (tw_entry_stamp).
	Quiet time.Duration

	Timer Timer
	UID   uint32 // where only ports count, of sockets with ReusePort alone
	// Cookie is the kernel's name for the socket (sock_gen_cookie), 0 where it
	// was not asked for. Only sock_diag shows it.
	Cookie uint64
	Inode  uint64 // 0 where no process can hold it: timewait, request and orphaned sockets
}

// Tuple is the pool the socket's port was drawn from, were it drawn by connect().
func (s *Socket) Tuple() Tuple {
	return Tuple{Proto: s.Proto, Local: s.Local.Addr(), Remote: s.Remote, Device: s.Device}
}

// Connected reports whether the socket has a remote end.
func (s *Socket) Connected() bool { return s.Remote.IsValid() && s.Remote.Port() != 0 }

// Tuple is the key within which a TCP source port must be unique: three of the
// four numbers of a connection, and the device where the socket is bound to one.
type Tuple struct {
	Proto  Proto
	Local  netip.Addr
	Remote netip.AddrPort
	Device uint32
}
