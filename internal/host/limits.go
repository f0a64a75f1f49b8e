package host

import "math"

// Unlimited is a limit that is none.
const Unlimited = math.MaxUint64

// ProcessFiles is how many files one process may have open, and has.
type ProcessFiles struct {
	Process
	Ports int // of the range, in connections and bound sockets
	Open  uint64
	// Soft is the limit that holds (RLIMIT_NOFILE); [Unlimited] for none.
	Soft uint64
}

// Files is how many open files the machine may have, and has.
type Files struct {
	Allocated uint64 // first number of fs.file-nr
	Max       uint64 // fs.file-max
	// PerProcess is fs.nr_open, above which no RLIMIT_NOFILE can be set.
	PerProcess uint64
}

// Conntrack is how many connections netfilter tracks in one namespace.
type Conntrack struct {
	Count uint64 // of the namespace
	Max   uint64 // of each namespace; only the host's can set it
	// Dropped counts packets dropped because the table was full, InsertFailed
	// entries that clashed with another: both since the namespace began
	// (struct ip_conntrack_stat).
	Dropped      uint64
	InsertFailed uint64
}

// TCP is what all network namespaces share of TCP.
type TCP struct {
	Orphans    uint64 // connections that no process holds any more
	MaxOrphans uint64 // net.ipv4.tcp_max_orphans
	Pages      uint64 // of memory that TCP sockets use
	PageSize   uint64 // in bytes
	// PressurePages and MaxPages are the last two numbers of net.ipv4.tcp_mem.
	PressurePages uint64
	MaxPages      uint64
}

// TimeWait is how many timewait sockets one namespace keeps; its settings say
// how many it may.
type TimeWait struct {
	Sockets uint64
	// Overflows counts the connections that got no timewait socket for want of
	// room, since the namespace began (TcpExt TCPTimeWaitOverflow).
	Overflows uint64
}
