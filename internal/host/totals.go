package host

// Totals are the figures of `ss -s` for one namespace, and the bound ports.
type Totals struct {
	NetNS      uint64      `json:"netns" doc:"inode number of the network namespace"`
	Name       string      `json:"name" doc:"its name"`
	Sockets    int         `json:"sockets" doc:"sockets in use, of every kind"` // AF_UNIX included
	TCP        TCPTotals   `json:"tcp"`
	Transports []Transport `json:"transports" doc:"sockets in use by protocol"`
	Ports      PortTotals  `json:"ports"`
}

// TCPTotals counts TCP sockets as `ss -s` does.
type TCPTotals struct {
	Total       int `json:"total" doc:"TCP sockets, timewait ones included"`
	Established int `json:"established" doc:"established or close-wait connections (Tcp: CurrEstab)"`
	Closed      int `json:"closed" doc:"TCP sockets that are in no table: neither connected nor listening"`
	Orphaned    int `json:"orphaned" doc:"connections no process holds any more; the kernel counts them for the whole host"`
	TimeWait    int `json:"time_wait" doc:"timewait sockets"`
}

// Transport is one line of the table of `ss -s`: sockets in use by address family.
type Transport struct {
	Name  string `json:"name" doc:"raw, udp, tcp, inet (their sum) or frag (reassembly queues)"`
	Total int    `json:"total" doc:"ipv4 + ipv6"`
	IPv4  int    `json:"ipv4" doc:"over IPv4"`
	IPv6  int    `json:"ipv6" doc:"over IPv6"`
}

// PortTotals counts the local TCP ports that at least one socket holds.
type PortTotals struct {
	Bound     int `json:"bound" doc:"local TCP ports that at least one socket holds"`
	InRange   int `json:"in_range" doc:"those of them in ip_local_port_range"`
	RangeSize int `json:"range_size" doc:"number of ports in the range"`
}
