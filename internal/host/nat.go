package host

// NATRules are the source NAT rules of one chain.
type NATRules struct {
	Backend string `json:"backend" doc:"nftables or iptables-legacy"`
	Family  string `json:"family" doc:"ip, ip6, inet, ..."`
	Table   string `json:"table" doc:"the table"`
	// Chain is empty for iptables-legacy, where a rule does not tell.
	Chain string `json:"chain,omitempty" doc:"the chain; absent for iptables-legacy, where a rule does not tell"`
	Count int    `json:"count" doc:"rules that rewrite source addresses"`
}

// String names the chain as its own program does.
func (r NATRules) String() string {
	text := r.Backend + " " + r.Family + " " + r.Table
	if r.Chain != "" {
		text += " " + r.Chain
	}
	return text
}
