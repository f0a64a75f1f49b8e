package sockstat

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"portrange/internal/host"
)

const (
	sockstat4 = `sockets: used 30
TCP: inuse 9 orphan 1 tw 4 alloc 20 mem 3
UDP: inuse 5 mem 1
UDPLITE: inuse 0
RAW: inuse 1
FRAG: inuse 2 memory 64
`
	sockstat6 = `TCP6: inuse 3
UDP6: inuse 2
UDPLITE6: inuse 0
RAW6: inuse 1
FRAG6: inuse 0 memory 0
`
	snmp = `Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs
Tcp: 1 200 120000 -1 7 4 0 0 6 99
`
)

// thread writes the files of one thread; an empty one is left away.
func thread(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	net := filepath.Join(dir, "7", "net")
	if err := os.MkdirAll(net, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		if content == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(net, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestRead(t *testing.T) {
	want := Stats{
		Sockets: 30, Established: 6, Opened: 7, TimeWait: 4, Allocated: 20, Orphaned: 1,
		Raw: Families{1, 1}, UDP: Families{5, 2}, TCP: Families{9, 3}, Frag: Families{2, 0},
	}
	got, err := read(thread(t, map[string]string{"sockstat": sockstat4, "sockstat6": sockstat6, "snmp": snmp}), 7)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	got, err = read(thread(t, map[string]string{"sockstat": sockstat4, "snmp": snmp}), 7)
	want.Raw.IPv6, want.UDP.IPv6, want.TCP.IPv6 = 0, 0, 0
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("without IPv6: %v (-want +got):\n%s", err, diff)
	}
}

func TestReadInsistsOnEveryCounter(t *testing.T) {
	without := func(text, prefix string) string {
		var b strings.Builder
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(line, prefix) {
				b.WriteString(line)
			}
		}
		return b.String()
	}
	tests := []struct {
		name, file, content, want string
	}{
		{"no sockstat", "sockstat", "", "no such file"},
		{"no snmp", "snmp", "", "no such file"},
		{"no total", "sockstat", without(sockstat4, "sockets"), "counters of TCP are missing"},
		{"no TCP", "sockstat", without(sockstat4, "TCP"), "counters of TCP are missing"},
		{"no UDP", "sockstat", without(sockstat4, "UDP:"), "counters of UDP are missing"},
		{"no FRAG6", "sockstat6", without(sockstat6, "FRAG6"), "counters of FRAG6 are missing"},
		{"cut in a line", "sockstat", "sockets: used 30\nTCP: inuse 9 orphan", "sockstat"},
		{"cut in the head of snmp", "snmp", snmp[:40], "snmp"},
		{"an older snmp", "snmp", strings.ReplaceAll(snmp, "CurrEstab", "Other"), "CurrEstab is missing"},
		{"snmp without opens", "snmp", strings.ReplaceAll(snmp, "ActiveOpens", "Other"), "ActiveOpens is missing"},
		{"no number", "sockstat6", strings.ReplaceAll(sockstat6, "3", "x"), "sockstat"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			files := map[string]string{"sockstat": sockstat4, "sockstat6": sockstat6, "snmp": snmp}
			files[test.file] = test.content
			got, err := read(thread(t, files), 7)
			if err == nil || !strings.Contains(err.Error(), test.want) || got != (Stats{}) {
				t.Errorf("%+v, %v; want an error with %q", got, err, test.want)
			}
		})
	}
}

func TestTotals(t *testing.T) {
	s := Stats{
		Sockets: 30, Established: 6, TimeWait: 4, Allocated: 20, Orphaned: 1,
		Raw: Families{1, 1}, UDP: Families{5, 2}, TCP: Families{9, 3}, Frag: Families{2, 0},
	}
	want := host.Totals{
		Sockets: 30,
		TCP:     host.TCPTotals{Total: 24, Established: 6, Closed: 12, Orphaned: 1, TimeWait: 4},
		Transports: []host.Transport{
			{Name: "raw", Total: 2, IPv4: 1, IPv6: 1},
			{Name: "udp", Total: 7, IPv4: 5, IPv6: 2},
			{Name: "tcp", Total: 12, IPv4: 9, IPv6: 3},
			{Name: "inet", Total: 21, IPv4: 15, IPv6: 6},
			{Name: "frag", Total: 2, IPv4: 2, IPv6: 0},
		},
	}
	if diff := cmp.Diff(want, s.Totals()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(sockstat4, sockstat6, snmp)
	f.Add("sockets: used 1\n", "\n", "Tcp:\n")
	f.Fuzz(func(t *testing.T, v4, v6, counters string) {
		got, err := read(thread(t, map[string]string{"sockstat": v4, "sockstat6": v6, "snmp": counters}), 7)
		if err != nil && got != (Stats{}) {
			t.Errorf("an error, and yet numbers: %+v, %v", got, err)
		}
		if err == nil && !(strings.Contains(v4, "TCP:") && strings.Contains(counters, "CurrEstab")) {
			t.Errorf("numbers out of nothing: %+v", got)
		}
	})
}
