package netfilter

import (
	"encoding/binary"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"portrange/internal/host"
	"portrange/internal/nettest"
)

// attribute builds one netlink attribute, nested where it holds others.
func attribute(t testing.TB, kind uint16, data []byte, inner ...netlink.Attribute) netlink.Attribute {
	t.Helper()
	if inner == nil {
		return netlink.Attribute{Type: kind, Data: data}
	}
	data, err := netlink.MarshalAttributes(inner)
	if err != nil {
		t.Fatal(err)
	}
	return netlink.Attribute{Type: kind | netlink.Nested, Data: data}
}

func text(s string) []byte { return append([]byte(s), 0) }

// rule is a message about a rule of ip nat postrouting with one expression.
func rule(t testing.TB, name string, inner ...netlink.Attribute) []byte {
	t.Helper()
	expression := attribute(t, unix.NFTA_LIST_ELEM, nil,
		attribute(t, unix.NFTA_EXPR_NAME, text(name)), attribute(t, unix.NFTA_EXPR_DATA, nil, inner...))
	attributes, err := netlink.MarshalAttributes([]netlink.Attribute{
		attribute(t, unix.NFTA_RULE_TABLE, text("nat")), attribute(t, unix.NFTA_RULE_CHAIN, text("postrouting")),
		attribute(t, unix.NFTA_RULE_EXPRESSIONS, nil, expression),
		attribute(t, 999, []byte{1, 2, 3}), // one of a later kernel
	})
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte{unix.NFPROTO_IPV4, 0, 0, 0}, attributes...)
}

func number(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

func TestParseRule(t *testing.T) {
	counter := attribute(t, 1, number(7))
	for name, tt := range map[string]struct {
		message  []byte
		rewrites bool
	}{
		"masquerade":        {rule(t, "masq", counter), true},
		"snat":              {rule(t, "nat", attribute(t, unix.NFTA_NAT_TYPE, number(unix.NFT_NAT_SNAT))), true},
		"dnat":              {rule(t, "nat", attribute(t, unix.NFTA_NAT_TYPE, number(unix.NFT_NAT_DNAT))), false},
		"iptables-nft":      {rule(t, "target", attribute(t, unix.NFTA_TARGET_NAME, text("MASQUERADE"))), true},
		"iptables-nft snat": {rule(t, "target", attribute(t, unix.NFTA_TARGET_NAME, text("SNAT"))), true},
		"another target":    {rule(t, "target", attribute(t, unix.NFTA_TARGET_NAME, text("DNAT"))), false},
		"counter":           {rule(t, "counter", counter), false},
	} {
		chain, rewrites, err := parseRule(tt.message)
		if err != nil || rewrites != tt.rewrites {
			t.Errorf("%s: rewrites %v, %v", name, rewrites, err)
		}
		if want := (host.NATRules{Backend: "nftables", Family: "ip", Table: "nat", Chain: "postrouting"}); chain != want {
			t.Errorf("%s: chain %+v, want %+v", name, chain, want)
		}
	}
}

func TestTruncatedRuleIsAnError(t *testing.T) {
	whole := rule(t, "masq", attribute(t, 1, number(7)))
	if _, _, err := parseRule(whole[:3]); err == nil {
		t.Error("three bytes were read as a rule")
	}
	if _, _, err := parseRule(whole[:len(whole)-9]); err == nil {
		t.Error("a rule without its end was read")
	}
}

func FuzzParseRule(f *testing.F) {
	f.Add(rule(f, "masq", attribute(f, 1, number(7))))
	f.Add(rule(f, "nat", attribute(f, unix.NFTA_NAT_TYPE, number(unix.NFT_NAT_SNAT))))
	f.Fuzz(func(t *testing.T, message []byte) {
		if _, rewrites, err := parseRule(message); rewrites && err != nil {
			t.Errorf("a rule with an error counts: %v", err)
		}
	})
}

// entry is one entry of an IPv4 table with matches of the given length.
func entry(matches int, target string) []byte {
	l := legacies[0].entry
	whole := make([]byte, l.size+matches+40)
	binary.NativeEndian.PutUint16(whole[l.targetOffset:], uint16(l.size+matches))
	binary.NativeEndian.PutUint16(whole[l.nextOffset:], uint16(len(whole)))
	copy(whole[l.size+matches+2:], target)
	return whole
}

func TestCountEntries(t *testing.T) {
	l := legacies[0].entry
	table := entry(0, "")
	for _, target := range []string{"MASQUERADE", "DNAT", "SNAT", "ERROR"} {
		table = append(table, entry(48, target)...)
	}
	if n, err := l.count(table); err != nil || n != 2 {
		t.Errorf("%d rules, %v; want 2", n, err)
	}
	for cut := 1; cut < len(entry(48, "SNAT")); cut++ {
		if n, err := l.count(table[:len(table)-cut]); err == nil {
			t.Fatalf("cut off by %d bytes: %d rules, want an error", cut, n)
		}
	}
}

func FuzzCountEntries(f *testing.F) {
	f.Add(entry(0, "SNAT"))
	f.Add(append(entry(48, "MASQUERADE"), entry(0, "ERROR")...))
	f.Fuzz(func(t *testing.T, table []byte) {
		for _, l := range legacies {
			if n, err := l.entry.count(table); err == nil && n > len(table)/l.entry.size {
				t.Errorf("%d rules in %d bytes", n, len(table))
			}
		}
	})
}

// run runs a command inside the host.
func run(t *testing.T, box *nettest.Host, name string, args ...string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Fatalf("%v; the Debian packages nftables and iptables have it", err)
	}
	if out, err := box.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// look lists the rules of the host.
func look(t *testing.T, box *nettest.Host) []host.NATRules {
	t.Helper()
	var rules []host.NATRules
	box.Do(func() {
		found, gaps := SourceNAT(t.Context())
		if len(gaps) > 0 {
			t.Errorf("gaps %+v", gaps)
		}
		rules = found
	})
	return rules
}

func TestRulesOfEveryProgram(t *testing.T) {
	box := nettest.New(t)
	if found := look(t, box); len(found) != 0 {
		t.Fatalf("a fresh namespace has %+v", found)
	}
	run(t, box, "nft", "add table inet mine; add chain inet mine out { type nat hook postrouting priority 100; };"+
		"add rule inet mine out ip saddr 10.0.0.0/8 masquerade; add rule inet mine out ip saddr 172.16.0.0/12 snat ip to 192.0.2.1;"+
		"add rule inet mine out counter accept")
	run(t, box, "iptables-nft", "-t", "nat", "-A", "POSTROUTING", "-s", "10.0.0.0/8", "-j", "MASQUERADE")
	run(t, box, "iptables-legacy", "-t", "nat", "-A", "POSTROUTING", "-p", "tcp", "--dport", "80", "-j", "SNAT", "--to-source", "192.0.2.1")
	run(t, box, "iptables-legacy", "-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", "80", "-j", "DNAT", "--to-destination", "192.0.2.1")
	run(t, box, "ip6tables-legacy", "-t", "nat", "-A", "POSTROUTING", "-j", "MASQUERADE")
	want := []host.NATRules{
		{Backend: "iptables-legacy", Family: "ip", Table: "nat", Count: 1},
		{Backend: "iptables-legacy", Family: "ip6", Table: "nat", Count: 1},
		{Backend: "nftables", Family: "inet", Table: "mine", Chain: "out", Count: 2},
		{Backend: "nftables", Family: "ip", Table: "nat", Chain: "POSTROUTING", Count: 1},
	}
	if diff := cmp.Diff(want, look(t, box)); diff != "" {
		t.Error(diff)
	}
}

// TestLookingLeavesNoTable: asking iptables-legacy for its table would create it.
func TestLookingLeavesNoTable(t *testing.T) {
	box := nettest.New(t)
	look(t, box)
	box.Do(func() {
		names, err := os.ReadFile("/proc/thread-self/net/ip_tables_names")
		if err != nil {
			t.Fatal(err)
		}
		if len(names) > 0 {
			t.Errorf("tables after looking: %s", names)
		}
	})
}
