package host

import (
	"strconv"
	"time"

	"portrange/internal/port"
)

// Settings are the port settings of one network namespace.
type Settings struct {
	Range    port.Range
	Reserved *port.Set // ip_local_reserved_ports

	// UnprivilegedStart is ip_unprivileged_port_start.
	UnprivilegedStart int
	// TWReuse is tcp_tw_reuse: 0 off, 1 on, 2 loopback only.
	TWReuse int
	// TWReuseDelay is tcp_tw_reuse_delay, [port.DefaultTWReuseDelay] where the
	// kernel has no such file.
	TWReuseDelay time.Duration
	// HasTWReuseDelay tells a kernel of 6.14 or later, which has the file.
	HasTWReuseDelay bool
	// Timestamps is tcp_timestamps.
	Timestamps int
	// MaxTWBuckets is tcp_max_tw_buckets.
	MaxTWBuckets int
	// FinTimeout is tcp_fin_timeout.
	FinTimeout time.Duration
	// StepWidth is ip_local_port_step_width. HasStepWidth tells a kernel that has
	// the file (Linux 7.1).
	StepWidth    int
	HasStepWidth bool
	// L3MdevAccept is tcp_l3mdev_accept. HasL3MdevAccept tells a kernel that
	// knows VRFs.
	L3MdevAccept    bool
	HasL3MdevAccept bool
	// BindV6Only is net.ipv6.bindv6only. HasBindV6Only tells a kernel with IPv6.
	BindV6Only    bool
	HasBindV6Only bool
	// AutobindReuse is ip_autobind_reuse. HasAutobindReuse tells a kernel that
	// has the file (Linux 5.8).
	AutobindReuse    bool
	HasAutobindReuse bool
}

// Value is a setting by its key, in the kernel's form with one space between
// numbers. known is false for a key that is not among the settings, or that the
// kernel does not have.
func (s *Settings) Value(key string) (value string, known bool) {
	switch key {
	case port.KeyRange:
		return s.Range.String(), true
	case port.KeyReserved:
		return s.Reserved.String(), true
	case port.KeyUnprivilegedStart:
		return strconv.Itoa(s.UnprivilegedStart), true
	case port.KeyTWReuse:
		return strconv.Itoa(s.TWReuse), true
	case port.KeyTWReuseDelay:
		return strconv.FormatInt(s.TWReuseDelay.Milliseconds(), 10), s.HasTWReuseDelay
	case port.KeyTimestamps:
		return strconv.Itoa(s.Timestamps), true
	case port.KeyMaxTWBuckets:
		return strconv.Itoa(s.MaxTWBuckets), true
	case port.KeyFinTimeout:
		return strconv.Itoa(int(s.FinTimeout / time.Second)), true
	case port.KeyStepWidth:
		return strconv.Itoa(s.StepWidth), s.HasStepWidth
	case port.KeyL3MdevAccept:
		return flag(s.L3MdevAccept), s.HasL3MdevAccept
	case port.KeyBindV6Only:
		return flag(s.BindV6Only), s.HasBindV6Only
	case port.KeyAutobindReuse:
		return flag(s.AutobindReuse), s.HasAutobindReuse
	}
	return "", false
}

func flag(on bool) string {
	if on {
		return "1"
	}
	return "0"
}
