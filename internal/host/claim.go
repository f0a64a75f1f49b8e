package host

import "portrange/internal/port"

// Hold is a port that one or more sockets took through bind(), or a port of UDP.
type Hold struct {
	Port      uint16
	Proto     port.Proto
	State     port.State // Listen, or of one of the sockets
	Processes []Process  // empty where they could not be seen
}

// Claim is a set of ports that somebody needs.
type Claim struct {
	Kind     ClaimKind
	Who      string // as in: postgresql.service
	Ports    *port.Set
	Evidence string // what shows it
	// Proto is what the ports are needed for, 0 where that is not known.
	Proto port.Proto
	// By is whose word alone stands for it where that is not root's, as in: a process
	// of uid 65534. Any user can claim any port: nothing is reserved on such a word.
	By string
}

// ClaimKind is how somebody needs ports. It is also the code of the finding that
// a claim makes.
type ClaimKind string

// The kinds of claims.
const (
	NodePorts      ClaimKind = "node-ports"
	PublishedPorts ClaimKind = "published-ports"
	SocketUnit     ClaimKind = "socket-unit"
	ServicePort    ClaimKind = "service-port"
)
