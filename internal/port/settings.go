package port

import "time"

// Settings are the port settings of one network namespace.
type Settings struct {
	Range    Range
	Reserved *Set // ip_local_reserved_ports

	// UnprivilegedStart is ip_unprivileged_port_start.
	UnprivilegedStart int
	// TWReuse is tcp_tw_reuse: 0 off, 1 on, 2 loopback only.
	TWReuse int
	// TWReuseDelay is tcp_tw_reuse_delay, one second where the kernel has no such file.
	TWReuseDelay time.Duration
	// HasTWReuseDelay tells a kernel of 6.14 or later, which has the file.
	HasTWReuseDelay bool
	// Timestamps is tcp_timestamps.
	Timestamps int
	// StepWidth is ip_local_port_step_width, 0 where the kernel has no such file.
	StepWidth int
}
