package judge

import (
	"portrange/internal/host"
	"portrange/internal/port"
)

// Verdict is everything that is to be said of one namespace. Text and JSON are
// two printings of it; the JSON names are a promise.
type Verdict struct {
	NetNS           uint64      `json:"netns"`
	Name            string      `json:"name"`
	Source          string      `json:"source"`
	Exact           bool        `json:"exact"`
	Range           Range       `json:"range"`
	Reserved        string      `json:"reserved"`
	ReservedInRange int         `json:"reserved_in_range"`
	BindHeld        int         `json:"bind_held"`
	Usable          int         `json:"usable"`
	OutsideRange    int         `json:"outside_range"`
	Settings        Settings    `json:"settings"`
	Pools           []Pool      `json:"pools"`
	LocalPools      []LocalPool `json:"local_pools"`
	Findings        []Finding   `json:"findings"`

	// Inexact says why Exact is false.
	Inexact string `json:"-"`
	// InUse is the number of connections on usable ports, each counted once:
	// pools of a device also count those that are bound to none.
	InUse int `json:"-"`
}

// Range is the port range with what is worth saying of it.
type Range struct {
	Low     uint16 `json:"low"`
	High    uint16 `json:"high"`
	Size    int    `json:"size"`
	Default bool   `json:"default"`
}

// Settings are the other settings that decide about ports.
type Settings struct {
	TWReuse           int   `json:"tcp_tw_reuse"`
	TWReuseDelayMS    int64 `json:"tcp_tw_reuse_delay_ms"`
	UnprivilegedStart int   `json:"ip_unprivileged_port_start"`
}

// Pool is the ports that connect() may draw for one TCP tuple.
// Size = Used + Left − Reusable.
type Pool struct {
	Proto  string `json:"proto"`
	Local  string `json:"local"`
	Remote string `json:"remote"`
	// Device is the interface that the sockets are bound to, empty for none.
	Device string `json:"device,omitempty"`
	Size   int    `json:"size"`
	Used   int    `json:"used"`
	Left   int    `json:"left"`
	// Reusable are used ports in TIME_WAIT that connect() may take over now.
	Reusable  int     `json:"reusable"`
	UsedRatio float64 `json:"used_ratio"`
	// ErrorBound is by how many ports Left may be off: too high in an exact
	// verdict, where it tells of a range with ends of the same parity, either
	// way in one that is not.
	ErrorBound int            `json:"error_bound,omitempty"`
	States     map[string]int `json:"states"`
	Owners     []Owner        `json:"owners"`

	Tuple port.Tuple `json:"-"`
}

// Owner is a process and how many of a pool's ports it uses. Processes that
// share sockets each count them.
type Owner struct {
	host.Process
	Used int `json:"used"`
}

// LocalPool is the ports that bind(addr, 0), or any automatic choice of UDP,
// may draw for one local address: shared across all destinations.
// Size = Used + Left.
type LocalPool struct {
	Proto string `json:"proto"`
	Local string `json:"local"`
	Size  int    `json:"size"`
	Used  int    `json:"used"`
	Left  int    `json:"left"`
	// ErrorBound is by how many ports Left may be off, as in [Pool].
	ErrorBound int `json:"error_bound,omitempty"`
}

// Severity orders findings.
type Severity string

// The severities, least first.
const (
	Info     Severity = "info"
	Warning  Severity = "warning"
	Critical Severity = "critical"
)

// Finding is one thing worth knowing: what, where, by which numbers, and what to do.
type Finding struct {
	Code     string   `json:"code"`
	Severity Severity `json:"severity"`
	Subject  string   `json:"subject"`
	Evidence string   `json:"evidence"`
	Advice   string   `json:"advice"`
}
