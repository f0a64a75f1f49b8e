package port

import "time"

// Snapshot is one look at the host: what was read, and what could not be.
type Snapshot struct {
	TakenAt    time.Time
	Host       string
	Kernel     string // release, as uname -r prints it
	Namespaces []Namespace
	Gaps       []Gap
}

// Namespace is what was read of one network namespace.
type Namespace struct {
	ID   uint64 // inode number of the namespace
	Name string // "host", the name given by ip netns, or its first process
	// Ref is what --netns takes for it, empty for the caller's own.
	Ref string
	// Source names the door the sockets came through: "bpf" or "netlink".
	Source string
	// Partial is set when a part of the sockets could not be read: a gap says which.
	Partial  bool
	Settings Settings
	Tally    *Tally
	Holdings *Holdings // nil where owners were not asked for
	// Devices names the interfaces that sockets are bound to, by index.
	Devices map[uint32]string
}

// Gap is something that could not be read, and why. Numbers beside a gap may
// be too small by what it hides.
type Gap struct {
	What      string `json:"what"`
	Namespace uint64 `json:"namespace,omitempty"` // inode number, 0 for the whole host
	Why       string `json:"why"`
}

// Error makes a gap something that a stream of sockets can yield.
func (g *Gap) Error() string { return "read " + g.What + ": " + g.Why }
