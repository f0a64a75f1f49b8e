// Package netns finds the network namespaces of a machine and runs functions
// inside them.
//
// Ports belong to a network namespace: each has its own range, its own sockets
// and its own settings, and the kernel shows those of the namespace in which
// the asking thread is. A namespace has no name of its own. It is an inode of
// the nsfs file system, held by the processes inside, by bind mounts (that is
// what ip-netns(8) and Docker keep in their directories) and by open files; the
// last kind, held by nothing else, cannot be found from outside.
//
// The package knows where namespaces show, what to call them, and how to go in
// and come back out. It refuses to know what is read inside.
package netns

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"portrange/internal/host"
	"portrange/internal/port"
)

// ErrGone says that a namespace ended between being found and being entered.
var ErrGone = errors.New("network namespace is gone")

// Namespace is one network namespace as it was found.
type Namespace struct {
	// ID is the inode number, as in /proc/PID/ns/net.
	ID uint64
	// Name is "host", else the name that ip-netns(8) knows, else the first
	// process, as "nginx (812)", else where Docker keeps it.
	Name string
	// Path leads to the namespace: a bind mount, or /proc/PID/ns/net.
	Path string
	// PID and Command are the process in it that started first, 0 where none
	// was to be seen.
	PID     int
	Command string
	// Container is the container that this process belongs to, where its
	// control group says so.
	Container Container
}

// String is the name, with the container where there is one.
func (n Namespace) String() string {
	if n.Container.ID == "" {
		return n.Name
	}
	return fmt.Sprintf("%s, %s", n.Name, n.Container)
}

// Ref is what [Open] takes for the namespace: its name where that is enough,
// else its path.
func (n Namespace) Ref() string {
	if n.Name == port.Host || n.Name == filepath.Base(n.Path) && !isNumber(n.Name) {
		return n.Name
	}
	return n.Path
}

// Find lists the network namespaces that are named in /run/netns or
// /var/run/docker/netns or in which a process lives, each once, the host's
// first, the others by name. Gaps say which namespaces may be missing, and why.
func Find(ctx context.Context) ([]Namespace, []host.Gap) {
	return newFinder().find(ctx)
}

// Host is the namespace of process 1, found without a search of all processes: what
// is asked about it must not wait for the namespaces that others make. The error is for
// whoever may not look at process 1.
func Host() (Namespace, error) {
	return newFinder().hostOnly()
}

// Current is the namespace of the calling thread. It needs no privileges.
func Current() (Namespace, error) {
	return newFinder().current()
}

// CurrentID is the inode number of the calling thread's namespace.
func CurrentID() (uint64, error) {
	id, err := linkInode(threadNetNS)
	if err != nil {
		return 0, fmt.Errorf("find own network namespace: %w", err)
	}
	return id, nil
}
