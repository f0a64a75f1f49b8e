package host

import (
	"net/netip"
	"time"

	"portrange/internal/port"
)

// State is one look at the host.
type State struct {
	TakenAt    time.Time
	Host       string
	Kernel     string // release, as uname -r prints it
	Namespaces []Namespace
	Features   Features
	Files      *Files // nil where they were not asked for or could not be read
	TCP        *TCP   // the same
	// HostRange is the port range of the namespace of process 1; nil where it was
	// not asked for or could not be read.
	HostRange *port.Range
	// HostNetNS is the inode number of that namespace, 0 without HostRange.
	HostNetNS uint64
	// Cost is what connect() was measured to take on this kernel; nil where it
	// was not measured.
	Cost *ConnectCost
	Gaps []Gap
}

// Find is the namespace with an inode number, nil where it was not read.
func (s *State) Find(id uint64) *Namespace {
	for i := range s.Namespaces {
		if s.Namespaces[i].ID == id {
			return &s.Namespaces[i]
		}
	}
	return nil
}

// Namespace is what was read of one network namespace.
type Namespace struct {
	ID   uint64 // inode number of the namespace
	Name string // [port.Host], the name given by ip netns, or its first process
	// Ref is what --netns takes for it, empty for the caller's own.
	Ref string
	// Source names the door the sockets came through: "bpf" or "netlink".
	Source string
	// Partial is set when a part of the sockets could not be read: a gap says which.
	Partial  bool
	Settings Settings
	Usage    *Usage    // nil where sockets were not asked for
	Holdings *Holdings // nil where owners were not asked for
	// Devices names the interfaces that sockets are bound to, by index.
	Devices map[uint32]string
	// Walk is nil where the table of bind buckets was not walked.
	Walk *Walk

	// Holds are the ports that sockets took through bind() and, of UDP, all
	// ports in use, each once for a protocol.
	Holds []Hold
	// Claims are ports that somebody needs although no socket may show it.
	Claims []Claim
	// Takers are the ports of Claims that TCP connections have, with the processes
	// that hold them. Those of UDP are among Holds.
	Takers []Hold

	// Busiest is the process with most ports of the range, nil where none was seen.
	Busiest   *ProcessFiles
	TimeWait  *TimeWait
	Conntrack *Conntrack
	NAT       []NATRules
	Totals    *Totals
	// Foreign are the local addresses of sockets that no socket can be bound to, as
	// the namespace does not have them.
	Foreign []netip.Addr
	// Opened counts the TCP connections opened from here since the namespace
	// exists (Tcp: ActiveOpens); nil where it was not asked for.
	Opened *int
}

// Walk tells how a walk of the kernel's table of bind buckets went, which takes
// no lock and so may meet lists that change below it.
type Walk struct {
	// Restarts counts how often a list had changed and was read again.
	Restarts uint64 `json:"restarts" doc:"how often a list of the table changed while it was read, and was read again"`
	// Skipped counts the sockets that were not asked which list they are in: the
	// socket before them had just been, and they were next to it.
	Skipped uint64 `json:"skipped" doc:"sockets that were taken to be in the list of the one before them without being asked"`
}
