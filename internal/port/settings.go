package port

import "time"

// Host is the name of the network namespace that process 1 lives in.
const Host = "host"

// TimeWaitLength is how long the kernel keeps a connection in TIME_WAIT. It is
// compiled in (TCP_TIMEWAIT_LEN, include/net/tcp.h).
const TimeWaitLength = 60 * time.Second

// What a kernel gives to a new network namespace (tcp_sk_init, net/ipv4/tcp_ipv4.c).
const (
	// DefaultTWReuse is "loopback only", since Linux 4.19. What the values mean is
	// package judge's to say.
	DefaultTWReuse = 2
	// DefaultTWReuseDelay is TCP_PAWS_WINDOW. Kernels before 6.14 have no file for
	// it and always wait so long (tcp_twsk_unique).
	DefaultTWReuseDelay = time.Second
	// DefaultFinTimeout is TCP_FIN_TIMEOUT (include/net/tcp.h).
	DefaultFinTimeout = 60 * time.Second
)

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
	// KeyL3MdevAccept makes one bind table of those of all VRFs
	// (inet_sk_bound_l3mdev, include/net/inet_sock.h). Kernels without VRFs have
	// no such file.
	KeyL3MdevAccept = "net.ipv4.tcp_l3mdev_accept"
	// KeyBindV6Only is what IPV6_V6ONLY is for a new socket (inet6_create,
	// net/ipv6/af_inet6.c). A kernel without IPv6 has no such file.
	KeyBindV6Only = "net.ipv6.bindv6only"
	// KeyAutobindReuse lets TCP's bind() to port 0 share ports between sockets
	// with SO_REUSEADDR (inet_csk_find_open_port). Since Linux 5.8.
	KeyAutobindReuse = "net.ipv4.ip_autobind_reuse"
	// KeyMaxTWBuckets bounds the timewait sockets of a namespace. Beyond it
	// connections end without TIME_WAIT (inet_twsk_alloc, net/ipv4/inet_timewait_sock.c).
	KeyMaxTWBuckets = "net.ipv4.tcp_max_tw_buckets"
	// KeyFinTimeout bounds FIN_WAIT_2 of connections that no process holds.
	KeyFinTimeout = "net.ipv4.tcp_fin_timeout"
	// KeyTWRecycle is a setting that is gone since Linux 4.12.
	KeyTWRecycle = "net.ipv4.tcp_tw_recycle"
)

// The settings that bound connections before ports do, by their keys.
const (
	// KeyMaxOrphans bounds the connections that no process holds.
	KeyMaxOrphans = "net.ipv4.tcp_max_orphans"
	// KeyTCPMem is from which number of pages on TCP saves memory: not at all,
	// under pressure, at any price.
	KeyTCPMem = "net.ipv4.tcp_mem"
	// KeyConntrackMax bounds the entries of each namespace in netfilter's table.
	KeyConntrackMax = "net.netfilter.nf_conntrack_max"
	// KeyFileMax bounds the open files of all processes together, KeyNROpen what
	// one of them may be allowed.
	KeyFileMax = "fs.file-max"
	KeyNROpen  = "fs.nr_open"
)
