package port

import "time"

// Host is the name of the network namespace that process 1 lives in.
const Host = "host"

// TimeWaitLength is how long the kernel keeps a connection in TIME_WAIT. It is
// compiled in (TCP_TIMEWAIT_LEN, include/net/tcp.h).
const TimeWaitLength = 60 * time.Second

// The settings that decide how local ports are handed out (ip-sysctl.rst), by
// their keys.
const (
	KeyRange             = "net.ipv4.ip_local_port_range"
	KeyReserved          = "net.ipv4.ip_local_reserved_ports"
	KeyUnprivilegedStart = "net.ipv4.ip_unprivileged_port_start"
	KeyTWReuse           = "net.ipv4.tcp_tw_reuse"
	KeyTWReuseDelay      = "net.ipv4.tcp_tw_reuse_delay"
	KeyTimestamps        = "net.ipv4.tcp_timestamps"
	KeyStepWidth         = "net.ipv4.ip_local_port_step_width"
	// KeyMaxTWBuckets bounds the timewait sockets of a namespace. Beyond it
	// connections end without TIME_WAIT (inet_twsk_alloc, net/ipv4/inet_timewait_sock.c).
	KeyMaxTWBuckets = "net.ipv4.tcp_max_tw_buckets"
	// KeyFinTimeout bounds FIN_WAIT_2 of connections that no process holds.
	KeyFinTimeout = "net.ipv4.tcp_fin_timeout"
	// KeyTWRecycle is a setting that is gone since Linux 4.12.
	KeyTWRecycle = "net.ipv4.tcp_tw_recycle"
)
