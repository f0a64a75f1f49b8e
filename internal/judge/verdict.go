package judge

import (
	"portrange/internal/host"
	"portrange/internal/port"
)

// Verdict is what the rules say of one namespace: every pool. Text and JSON are
// two printings of it; the JSON names are a promise.
type Verdict struct {
	NetNS           uint64       `json:"netns" doc:"inode number of the network namespace"`
	Name            string       `json:"name" doc:"host, the name given by ip netns, or its first process"`
	Source          string       `json:"source" doc:"where the sockets came from: bpf or netlink"`
	Exact           bool         `json:"exact" doc:"whether all the numbers are the kernel's own, error_bound aside; each pool says it for itself"`
	Range           RangeInfo    `json:"range"`
	Reserved        string       `json:"reserved" doc:"ip_local_reserved_ports in the kernel's form; empty for none"`
	ReservedInRange int          `json:"reserved_in_range" doc:"reserved ports that lie in the range"`
	BindHeld        int          `json:"bind_held" doc:"ports of the range, not reserved, that were taken through bind() and so are withheld from every connect()"`
	Usable          int          `json:"usable" doc:"size - reserved_in_range - bind_held: the ports connect() may draw on for one destination"`
	OutsideRange    int          `json:"outside_range" doc:"connections whose port lies outside the range, not counting ports taken through bind()"`
	Settings        SettingsInfo `json:"settings"`
	Pools           []Pool       `json:"pools" doc:"TCP destinations with a port of the range in use, in the order of --sort; all of them unless --limit is given"`
	LocalPools      []LocalPool  `json:"local_pools" doc:"what is shared by all destinations: bind() to port 0, and UDP"`

	// Doubts say why Exact is false.
	Doubts []Doubt `json:"-"`
	// InUse is the number of connections on usable ports, each counted once:
	// pools of a device also count those that are bound to none.
	InUse int `json:"-"`
}

// RangeInfo is the port range with what is worth saying of it.
type RangeInfo struct {
	Low     uint16 `json:"low" doc:"lowest port of ip_local_port_range"`
	High    uint16 `json:"high" doc:"highest port, part of the range"`
	Size    int    `json:"size" doc:"number of ports, both ends included"`
	Default bool   `json:"default" doc:"whether it is the kernel's built-in range"`
}

// RangeOf is what is worth saying of a range.
func RangeOf(r port.Range) RangeInfo {
	return RangeInfo{Low: r.Low, High: r.High, Size: r.Size(), Default: r == port.DefaultRange}
}

// SettingsInfo are the other settings that decide about ports.
type SettingsInfo struct {
	TWReuse           int   `json:"tcp_tw_reuse" doc:"0 off, 1 on, 2 loopback only"`
	TWReuseDelayMS    int64 `json:"tcp_tw_reuse_delay_ms" doc:"after so many ms without a packet a TIME_WAIT port may be taken over"`
	UnprivilegedStart int   `json:"ip_unprivileged_port_start" doc:"first port that needs no CAP_NET_BIND_SERVICE"`
}

// Pool is the ports that connect() may draw for one TCP tuple.
// Size = Used + Left − Reusable.
type Pool struct {
	Proto  string `json:"proto" doc:"tcp or udp"`
	Local  string `json:"local" doc:"local address"`
	Remote string `json:"remote" doc:"remote address:port"`
	// Device is the interface that the sockets are bound to, empty for none.
	Device string `json:"device,omitempty" doc:"interface the sockets are bound to; absent for none"`
	Size   int    `json:"size" doc:"ports of the pool: usable; size = used + left - reusable"`
	Used   int    `json:"used" doc:"ports in use by this tuple, in the range and not reserved or bind-held"`
	Left   int    `json:"left" doc:"how many more connect() calls get a port"`
	// Reusable are used ports in TIME_WAIT that connect() may take over now.
	Reusable  int     `json:"reusable" doc:"used ports in TIME_WAIT that connect() may take over now (tcp_tw_reuse)"`
	UsedRatio float64 `json:"used_ratio" doc:"used / size"`
	// ErrorBound is by how many ports Left may be off: too high in an exact
	// verdict, where it tells of a range with ends of the same parity, and with
	// OnlyFewer, else either way.
	ErrorBound int            `json:"error_bound,omitempty" doc:"by how many ports left may be off: too high where exact or only_fewer is true, either way where both are false; absent for 0"`
	OnlyFewer  bool           `json:"only_fewer,omitempty" doc:"whether, where exact is false, left may be too high but not too low; absent for false"`
	States     map[string]int `json:"states" doc:"used by state"`
	Owners     []Owner        `json:"owners" doc:"processes that have sockets of the pool open, most first; empty where owners were not asked for"`
	Exact      bool           `json:"exact" doc:"whether left is the kernel's own number, error_bound aside"`
	Doubts     []Doubt        `json:"doubts,omitempty" doc:"why exact is false; absent where it is true"`

	Tuple port.Tuple `json:"-"`
	// Orphaned are the ports in FIN_WAIT_2 that no process was seen to hold. It says
	// nothing where owners were not asked for, or not all could be read.
	Orphaned int `json:"-"`
}

// In is how many used ports are in a state.
func (p *Pool) In(state port.State) int { return p.States[state.String()] }

// Source is the local address, with the device that the sockets are bound to.
func (p *Pool) Source() string {
	if p.Device == "" {
		return p.Local
	}
	return p.Local + "%" + p.Device
}

// Taken is the share of the pool that a connect() finds taken: ports in TIME_WAIT
// that it may take over do not count. A pool without ports is full.
func (p *Pool) Taken() float64 { return takenShare(p.Size-p.Left, p.Size) }

// Owner is a process and how many of a pool's ports it uses. Processes that
// share sockets each count them.
type Owner struct {
	host.Process
	Used int `json:"used" doc:"sockets of the pool it has open; a socket shared by processes counts for each"`
}

// LocalPool is the ports that bind(addr, 0), or any automatic choice of UDP,
// may draw for one local address: shared across all destinations.
// Size = Used + Left.
type LocalPool struct {
	Proto string `json:"proto" doc:"tcp or udp"`
	Local string `json:"local" doc:"local address; the unspecified one stands for all"`
	// Device is the interface that the socket is bound to, as a link-local address
	// is one of it.
	Device string `json:"device,omitempty" doc:"interface of a link-local address, or that the socket is bound to; absent for none"`
	Size   int    `json:"size" doc:"ports in the range and not reserved; size = used + left"`
	Used   int    `json:"used" doc:"ports that sockets hold in the way of a new one"`
	Left   int    `json:"left" doc:"how many more bind() to port 0 succeed, for UDP also connect() and first sends"`
	// Endless says that sockets like the asker share ports with each other: on
	// the ports left there is room for any number of them.
	Endless bool `json:"endless,omitempty" doc:"whether any number of sockets finds room on the ports left, as they share them (SO_REUSEADDR, SO_REUSEPORT); absent for false"`
	// PerhapsEndless says that it is not known whether the sockets that are there share
	// their ports: if they do, and no port is left otherwise, there is no end either.
	PerhapsEndless bool `json:"perhaps_endless,omitempty" doc:"whether, with left at 0, any number of sockets finds room if those in the way share their ports, which does not show; absent for false"`
	// Shared are those of Left that others hold and share, for one connection each to
	// Remote, the destination that the answer holds for.
	Shared int    `json:"shared,omitempty" doc:"ports of left that other sockets hold and share (ip_autobind_reuse); absent for 0"`
	Remote string `json:"remote,omitempty" doc:"address:port that left holds for, where ports are shared between destinations; absent where it holds for all"`
	// ErrorBound is by how many ports Left may be off, as in [Pool].
	ErrorBound int     `json:"error_bound,omitempty" doc:"by how many ports left may be off: too high where exact or only_fewer is true, either way where both are false; absent for 0"`
	OnlyFewer  bool    `json:"only_fewer,omitempty" doc:"whether, where exact is false, left may be too high but not too low; absent for false"`
	Exact      bool    `json:"exact" doc:"whether left is the kernel's own number, error_bound aside"`
	Doubts     []Doubt `json:"doubts,omitempty" doc:"why exact is false; absent where it is true"`

	Asker Asker `json:"-"`
}

// Source is the local address with its device.
func (p *LocalPool) Source() string {
	if p.Device == "" {
		return p.Local
	}
	return p.Local + "%" + p.Device
}

// Taken is the share of the pool in use; a pool without ports is full.
func (p *LocalPool) Taken() float64 { return takenShare(p.Used, p.Size) }
