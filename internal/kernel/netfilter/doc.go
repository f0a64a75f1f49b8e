// Package netfilter finds the rules that rewrite source addresses on the way
// out: masquerade and SNAT.
//
// Where such a rule applies, a connection needs two ports: the local one, and
// one of the address that the rule puts in its place. The second comes from a
// pool of netfilter's own, for each address and destination, that
// ip_local_port_range does not reach.
//
// The rules live in two places that know nothing of each other: nf_tables, read
// over netlink, where iptables-nft keeps its rules too, and the tables of
// iptables-legacy, read by getsockopt. Both are those of the calling thread's
// network namespace, and both take CAP_NET_ADMIN; the list of legacy tables is
// for root to read.
//
// The package finds rules. It refuses to know which packets they match.
package netfilter
