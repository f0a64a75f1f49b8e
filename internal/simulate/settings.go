package simulate

import (
	"fmt"
	"math"

	"golang.org/x/sys/unix"

	"portrange/internal/kernel/sysctl"
)

// keyBacklog bounds the queue of a listener.
const keyBacklog = "net.core.somaxconn"

// backlog is as many connections as a listener's queue can hold.
const backlog = math.MaxUint16

// firstUnprivileged is ip_unprivileged_port_start of a new namespace, below
// which no range begins.
const firstUnprivileged = 1024

type setting struct{ key, value string }

// apply changes settings of the calling thread's namespace, in order.
func apply(settings []setting) error {
	for _, s := range settings {
		if err := sysctl.Set(s.key, s.value); err != nil {
			return err
		}
	}
	return nil
}

// spareFiles is how many files stay for other purposes than connections.
const spareFiles = 100

// openFiles is how many sockets the process may open.
func openFiles() (int, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("read the limit of open files: %w", err)
	}
	return max(0, int(min(limit.Cur, 1<<30))-spareFiles), nil
}

// KernelRelease is the release that the figures of a [ConnectCosts] hold for, as
// uname -r prints it.
func KernelRelease() string {
	var names unix.Utsname
	if err := unix.Uname(&names); err != nil {
		return "unknown" // uname(2) fails for a bad address only
	}
	return unix.ByteSliceToString(names.Release[:])
}
