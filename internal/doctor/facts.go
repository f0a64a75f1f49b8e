package doctor

import (
	"time"

	"portrange/internal/boot"
	"portrange/internal/host"
	"portrange/internal/port"
)

// Facts are what findings are drawn from. A nil field was not asked for or
// could not be read, and makes no finding.
type Facts struct {
	Kernel     string // release, as uname -r prints it
	Features   host.Features
	Machine    Machine
	Namespaces []Patient
}

// Machine is what all network namespaces share.
type Machine struct {
	Files *host.Files
	TCP   *host.TCP
}

// Patient is one network namespace.
type Patient struct {
	Now host.Namespace
	// Earlier is the same namespace some time before, for rates.
	Earlier *host.Namespace
	Elapsed time.Duration // from Earlier to Now

	// Host is the range of the host's namespace; nil for that one itself.
	Host *port.Range
	// Holds are the TCP ports of the range that processes listen on, and those
	// of Claims that connections or UDP sockets use.
	Holds []Hold
	// Claims are ports that somebody needs although no socket may show it.
	Claims []Claim
	// HasStepWidth: the kernel has ip_local_port_step_width (Linux 7.1).
	HasStepWidth bool
	// Process is the one that holds most ports of the range.
	Process *Process

	TimeWait        *host.TimeWait
	TimeWaitEarlier *host.TimeWait
	Conntrack       *host.Conntrack
	SourceNAT       []host.NATRules
	// Boot is what will hold after a reboot, in the namespace to which the
	// files apply.
	Boot *boot.Report
	// Cost is what connect() was measured to take on this kernel.
	Cost *Cost
}

// Hold is a port and the processes that have a socket on it.
type Hold struct {
	Proto     port.Proto
	Port      uint16
	Listening bool
	Processes []host.Process // empty where they could not be seen
}

// Claim is a set of ports that somebody needs.
type Claim struct {
	Code     string // one of the codes of claims
	Who      string // as in: postgresql.service
	Ports    *port.Set
	Evidence string // what shows it
	// Proto is what the ports are needed for, 0 where that is not known.
	Proto port.Proto
}

// Process is a process with the ports and the files it has open.
type Process struct {
	host.Process
	Ports int // of the range, in connections
	Files host.ProcessFiles
}

// Cost is how long connect() took at some shares of a pool in use.
type Cost struct {
	Ports int // of the pool that was filled for the measurement
	Steps []Step
	// Failing is how long a connect() took that found no port.
	Failing time.Duration
}

// Step is one share and the median time of a connect() there.
type Step struct {
	Share float64
	Took  time.Duration
}
