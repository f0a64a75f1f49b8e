package port

// Totals are the figures of `ss -s` for one namespace, and the bound ports.
type Totals struct {
	NetNS      uint64      `json:"netns"`
	Name       string      `json:"name"`
	Sockets    int         `json:"sockets"` // of every kind, AF_UNIX included
	TCP        TCPTotals   `json:"tcp"`
	Transports []Transport `json:"transports"`
	Ports      PortTotals  `json:"ports"`
}

// TCPTotals counts TCP sockets as `ss -s` does.
type TCPTotals struct {
	Total       int `json:"total"`
	Established int `json:"established"`
	Closed      int `json:"closed"`
	Orphaned    int `json:"orphaned"`
	TimeWait    int `json:"time_wait"`
}

// Transport is one line of the table of `ss -s`: sockets in use by address family.
type Transport struct {
	Name  string `json:"name"` // raw, udp, tcp, inet (their sum) or frag
	Total int    `json:"total"`
	IPv4  int    `json:"ipv4"`
	IPv6  int    `json:"ipv6"`
}

// PortTotals counts the local TCP ports that at least one socket holds.
type PortTotals struct {
	Bound     int `json:"bound"`
	InRange   int `json:"in_range"`
	RangeSize int `json:"range_size"`
}
