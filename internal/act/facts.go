package act

import (
	"portrange/internal/act/journal"
	"portrange/internal/boot"
	"portrange/internal/host"
	"portrange/internal/port"
)

// Facts are what a plan is made from.
type Facts struct {
	Namespaces []Site
	// Files are the files that a plan may have to change, by path: the drop-in
	// and those that could override it. A nil content is no file; what could not
	// be read is not in the map.
	Files map[string]*journal.Content
	// Boot tells what the files mean for the next boot; nil where they mean
	// nothing for any of the namespaces.
	Boot Forecast
	// Interrupted is a change that was killed on its way; nil for none.
	Interrupted *journal.Entry
	Gaps        []host.Gap
}

// Forecast tells what files in /etc and elsewhere do at boot. *boot.Tree is one.
type Forecast interface {
	Conflicts(name string, content []byte) []boot.Conflict
	Report(running map[string]string) *boot.Report
}

// Site is one namespace that is to change.
type Site struct {
	Place journal.Place
	// Booted marks the namespace to which the files apply at boot.
	Booted bool
	// Now is what was read of it. Its Tally is nil where sockets were not
	// asked for.
	Now host.Namespace
	// Holds are the ports that sockets took through bind(), each once for a
	// protocol and a state.
	Holds []Hold
	// Claims are ports that somebody needs although no socket may show it.
	Claims []Claim
	// Limits bound how many connections there can be.
	Limits []Limit
}

// Hold is a port that one or more sockets took through bind().
type Hold struct {
	Port      uint16
	Proto     port.Proto
	State     port.State // Listen, or of one of the sockets
	Processes []host.Process
}

// Claim is a set of ports that somebody needs.
type Claim struct {
	Code     string // of the finding it makes
	Who      string // as in: postgresql.service
	Ports    *port.Set
	Evidence string // what shows it
	// Proto is what the ports are needed for, 0 where that is not known.
	Proto port.Proto
}

// The codes of claims.
const (
	NodePorts      = "node-ports"
	PublishedPorts = "published-ports"
	SocketUnit     = "socket-unit"
	ServicePort    = "service-port"
)

// Limit is a bound on the number of connections or sockets.
type Limit struct {
	Name  string // as in: net.netfilter.nf_conntrack_max
	Value uint64
	// Each is what one connection takes of it, in words.
	Each string
}
