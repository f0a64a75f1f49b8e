package host

// NATRules are the source NAT rules of one chain.
type NATRules struct {
	Backend string // nftables or iptables-legacy
	Family  string // ip, ip6, inet, ...
	Table   string
	Chain   string // empty for iptables-legacy, where a rule does not tell
	Count   int
}

// String names the chain as its own program does.
func (r NATRules) String() string {
	text := r.Backend + " " + r.Family + " " + r.Table
	if r.Chain != "" {
		text += " " + r.Chain
	}
	return text
}
