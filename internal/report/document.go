package report

import (
	"time"

	"portrange/internal/host"
	"portrange/internal/judge"
)

// SchemaVersion is the schema_version of every JSON document. It grows when a
// field changes its meaning or goes away, not when one is added.
const SchemaVersion = 1

// Show is the document of `portrange show`.
type Show struct {
	SchemaVersion int        `json:"schema_version"`
	TakenAt       time.Time  `json:"taken_at"`
	Host          string     `json:"host"`
	Kernel        string     `json:"kernel"`
	Namespaces    []Shown    `json:"namespaces"`
	Gaps          []host.Gap `json:"gaps"`

	// Proto is the only protocol that is shown, empty for all.
	Proto string `json:"-"`
}

// Shown is the verdict on one namespace, and how its sockets were walked.
type Shown struct {
	judge.Verdict
	// Walk is nil where the table of bind buckets was not walked.
	Walk *host.Walk `json:"walk,omitempty"`
}

// Origin says in which namespace a number holds, and how far to trust it.
type Origin struct {
	NetNS  uint64 `json:"netns"`
	Name   string `json:"name"`
	Source string `json:"source"`
	Exact  bool   `json:"exact"`
	// Inexact says why Exact is false.
	Inexact string `json:"-"`
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
	SchemaVersion int         `json:"schema_version"`
	Pools         []LeftPool  `json:"pools"`
	LocalPools    []LeftLocal `json:"local_pools"`
	Gaps          []host.Gap  `json:"gaps"`
}

// Single is the document for one namespace: the pool itself, not a list.
func (l *Left) Single() any {
	if len(l.LocalPools) > 0 {
		return singleLocal{l.SchemaVersion, l.LocalPools[0], l.Gaps}
	}
	return singlePool{l.SchemaVersion, l.Pools[0], l.Gaps}
}

type singlePool struct {
	SchemaVersion int `json:"schema_version"`
	LeftPool
	Gaps []host.Gap `json:"gaps"`
}

type singleLocal struct {
	SchemaVersion int `json:"schema_version"`
	LeftLocal
	Gaps []host.Gap `json:"gaps"`
}

// Socket is one socket that holds a local port.
type Socket struct {
	NetNS  uint64 `json:"netns"`
	Name   string `json:"name"` // of the namespace
	Proto  string `json:"proto"`
	Family string `json:"family"` // inet or inet6
	Local  string `json:"local"`
	Remote string `json:"remote,omitempty"`
	Device string `json:"device,omitempty"`
	State  string `json:"state"`
	Timer  *Timer `json:"timer,omitempty"`
	// UID is nil for sockets that the kernel keeps without an owner: timewait
	// and request sockets.
	UID       *uint32        `json:"uid,omitempty"`
	User      string         `json:"user,omitempty"`
	Inode     uint64         `json:"inode,omitempty"`
	Processes []host.Process `json:"processes"`
}

// Timer is a socket's pending timer.
type Timer struct {
	Kind      string `json:"kind"`
	ExpiresMS int64  `json:"expires_ms"`
	Retries   uint8  `json:"retries"`
}

// Summary is the document of `portrange summary`.
type Summary struct {
	SchemaVersion int           `json:"schema_version"`
	Namespaces    []host.Totals `json:"namespaces"`
	Gaps          []host.Gap    `json:"gaps"`
}
