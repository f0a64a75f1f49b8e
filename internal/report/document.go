package report

import (
	"slices"
	"time"

	"portrange/internal/finding"
	"portrange/internal/host"
	"portrange/internal/judge"
)

// SchemaVersion is the schema_version of every JSON document. It grows when a
// field changes its meaning or goes away, not when one is added.
const SchemaVersion = 1

// Show is the document of `portrange show`.
type Show struct {
	SchemaVersion int        `json:"schema_version" doc:"1; grows when a field changes its meaning or goes away"`
	TakenAt       time.Time  `json:"taken_at" doc:"when the sockets were read (RFC 3339, UTC)"`
	Host          string     `json:"host" doc:"host name"`
	Kernel        string     `json:"kernel" doc:"kernel release, as uname -r prints it"`
	Namespaces    []Shown    `json:"namespaces" doc:"the network namespaces that were read"`
	Gaps          []host.Gap `json:"gaps" doc:"what could not be read; numbers beside a gap can be too small"`

	// Proto is the only protocol that is shown, empty for all.
	Proto string `json:"-"`
}

// Shown is one namespace with what is wrong in it.
type Shown struct {
	judge.Verdict
	// Walk is nil where the table of bind buckets was not walked.
	Walk     *host.Walk `json:"walk,omitempty" doc:"how the kernel's table of bind buckets was walked; absent where it was not"`
	Findings []Finding  `json:"findings" doc:"what is wrong, worst first"`
}

// NewShow judges each namespace, and puts each finding with the one that it is
// about, and with the first one what is about all.
func NewShow(state *host.State, found []finding.Finding) *Show {
	show := &Show{
		SchemaVersion: SchemaVersion, TakenAt: state.TakenAt.Truncate(time.Second), Host: state.Host, Kernel: state.Kernel,
		Namespaces: make([]Shown, len(state.Namespaces)), Gaps: append([]host.Gap{}, state.Gaps...),
	}
	for i := range state.Namespaces {
		ns := &state.Namespaces[i]
		elsewhere := func(f finding.Finding) bool {
			ofAll := f.NetNS == 0 && i == 0
			return f.NetNS != ns.ID && !ofAll
		}
		show.Namespaces[i] = Shown{judge.Namespace(ns), ns.Walk, NewFindings(slices.DeleteFunc(slices.Clone(found), elsewhere))}
	}
	return show
}

// Origin says in which namespace a number holds. How far to trust it is the
// number's own.
type Origin struct {
	NetNS  uint64 `json:"netns" doc:"inode number of the network namespace"`
	Name   string `json:"name" doc:"host, the name given by ip netns, or its first process"`
	Source string `json:"source" doc:"where the sockets came from: bpf or netlink"`
}

// NewOrigin is the origin of numbers that follow from ns.
func NewOrigin(ns *host.Namespace) Origin {
	return Origin{NetNS: ns.ID, Name: ns.Name, Source: ns.Source}
}

// LeftPool is what connect() has left to one destination in one namespace.
type LeftPool struct {
	Origin
	judge.Pool
}

// LeftLocal is what bind(addr, 0), or UDP, has left in one namespace.
type LeftLocal struct {
	Origin
	judge.LocalPool
}

// Left is the answer of `portrange left`: for each namespace asked a pool, or a
// local pool where the protocol shares no ports between destinations.
type Left struct {
	SchemaVersion int         `json:"schema_version" doc:"1; grows when a field changes its meaning or goes away"`
	Pools         []LeftPool  `json:"pools" doc:"what is left to the destination, one for each namespace"`
	LocalPools    []LeftLocal `json:"local_pools" doc:"the same where the protocol shares ports between destinations"`
	Gaps          []host.Gap  `json:"gaps" doc:"what could not be read; numbers beside a gap can be too small"`
	// Brief asks for a line for each pool, where one host has several addresses.
	Brief bool `json:"-"`
}

// Single is the document for one namespace: the pool itself, not a list, where
// there is one.
func (l *Left) Single() any {
	if len(l.Pools)+len(l.LocalPools) > 1 {
		return l
	}
	if len(l.LocalPools) > 0 {
		return singleLocal{l.SchemaVersion, l.LocalPools[0], l.Gaps}
	}
	return singlePool{l.SchemaVersion, l.Pools[0], l.Gaps}
}

type singlePool struct {
	SchemaVersion int `json:"schema_version" doc:"1; grows when a field changes its meaning or goes away"`
	LeftPool
	Gaps []host.Gap `json:"gaps" doc:"what could not be read; numbers beside a gap can be too small"`
}

type singleLocal struct {
	SchemaVersion int `json:"schema_version" doc:"1; grows when a field changes its meaning or goes away"`
	LeftLocal
	Gaps []host.Gap `json:"gaps" doc:"what could not be read; numbers beside a gap can be too small"`
}

// socketsDocument is what [SocketsJSON] writes piece by piece.
type socketsDocument struct {
	SchemaVersion int        `json:"schema_version" doc:"1; grows when a field changes its meaning or goes away"`
	Sockets       []Socket   `json:"sockets" doc:"the sockets that hold a local port and match the filters"`
	More          bool       `json:"more,omitempty" doc:"whether --limit left sockets out; absent for false"`
	Gaps          []host.Gap `json:"gaps" doc:"what could not be read; numbers beside a gap can be too small"`
}

// Socket is one socket that holds a local port.
type Socket struct {
	NetNS  uint64 `json:"netns" doc:"inode number of the socket's network namespace"`
	Name   string `json:"name" doc:"name of that namespace"`
	Proto  string `json:"proto" doc:"tcp or udp; MPTCP subflows are tcp"`
	Family string `json:"family" doc:"inet or inet6; an inet6 socket can carry IPv4"`
	Local  string `json:"local" doc:"local address:port, IPv4-mapped addresses as IPv4"`
	Remote string `json:"remote,omitempty" doc:"remote address:port; absent without a peer"`
	Device string `json:"device,omitempty" doc:"interface the socket is bound to; absent for none"`
	State  string `json:"state" doc:"established, syn_sent, syn_recv, fin_wait1, fin_wait2, time_wait, close, close_wait, last_ack, listen, closing, new_syn_recv or bound_inactive"`
	Timer  *Timer `json:"timer,omitempty" doc:"the pending timer; absent for none"`
	// UID is nil for sockets that the kernel keeps without an owner: timewait
	// and request sockets.
	UID       *uint32        `json:"uid,omitempty" doc:"user the socket belongs to; absent where the kernel keeps none (time_wait, new_syn_recv)"`
	User      string         `json:"user,omitempty" doc:"name of that user; absent where it has none"`
	Inode     uint64         `json:"inode,omitempty" doc:"inode number, as in /proc/PID/fd; absent where no process can hold it"`
	Processes []host.Process `json:"processes" doc:"the processes that have it open, as far as could be seen"`
}

// Timer is a socket's pending timer.
type Timer struct {
	Kind      string `json:"kind" doc:"on (retransmission), keepalive, timewait or probe (zero window)"`
	ExpiresMS int64  `json:"expires_ms" doc:"ms until it fires"`
	Retries   uint8  `json:"retries" doc:"retransmissions or probes sent so far"`
}

// Summary is the document of `portrange summary`.
type Summary struct {
	SchemaVersion int           `json:"schema_version" doc:"1; grows when a field changes its meaning or goes away"`
	Namespaces    []host.Totals `json:"namespaces" doc:"the network namespaces that were read"`
	Gaps          []host.Gap    `json:"gaps" doc:"what could not be read; numbers beside a gap can be too small"`
}
