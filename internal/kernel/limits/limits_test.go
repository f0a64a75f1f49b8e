package limits

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"portrange/internal/host"
	"portrange/internal/nettest"
)

// fixture is a /proc with the files given by name.
func fixture(t *testing.T, files map[string]string) proc {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return proc{root: root}
}

const conntrackStat = `entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop icmp_error  expect_new expect_create expect_delete search_restart
00000012  00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000003 0000000a 00000000 00000000  00000000 00000000 00000000 00000000
00000012  00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000001 00000100 00000000 00000000  00000000 00000000 00000000 00000000
`

func TestConntrack(t *testing.T) {
	p := fixture(t, map[string]string{
		"sys/net/netfilter/nf_conntrack_count": "250000\n",
		"sys/net/netfilter/nf_conntrack_max":   "262144\n",
		"thread-self/net/stat/nf_conntrack":    conntrackStat,
	})
	got, err := p.conntrack()
	if err != nil {
		t.Fatal(err)
	}
	if want := (host.Conntrack{Count: 250000, Max: 262144, Dropped: 266, InsertFailed: 4}); got != want {
		t.Errorf("conntrack %+v, want %+v", got, want)
	}
}

func TestConntrackAbsent(t *testing.T) {
	if _, err := fixture(t, nil).conntrack(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want fs.ErrNotExist", err)
	}
}

func TestConntrackWithoutStatistics(t *testing.T) {
	p := fixture(t, map[string]string{
		"sys/net/netfilter/nf_conntrack_count": "7\n",
		"sys/net/netfilter/nf_conntrack_max":   "8\n",
		"thread-self/net/sockstat":             "",
	})
	got, err := p.conntrack()
	if want := (host.Conntrack{Count: 7, Max: 8}); err != nil || got != want {
		t.Errorf("conntrack %+v, %v; want %+v", got, err, want)
	}
}

func TestFiles(t *testing.T) {
	p := fixture(t, map[string]string{"sys/fs/file-nr": "1200\t0\t9223372036854775807\n", "sys/fs/nr_open": "1048576\n"})
	got, err := p.files()
	if want := (host.Files{Allocated: 1200, Max: 9223372036854775807, PerProcess: 1048576}); err != nil || got != want {
		t.Errorf("files %+v, %v; want %+v", got, err, want)
	}
}

const (
	sockstat = "sockets: used 40\nTCP: inuse 5 orphan 3 tw 17 alloc 9 mem 4000\nUDP: inuse 0 mem 0\nRAW: inuse 0\nFRAG: inuse 0 memory 0\n"
	netstat  = "TcpExt: SyncookiesSent TW TCPTimeWaitOverflow\nTcpExt: 0 12 42\nIpExt: InOctets\nIpExt: 9\n"
)

func TestTCP(t *testing.T) {
	p := fixture(t, map[string]string{
		"sys/net/ipv4/tcp_mem":            "100\t200\t300\n",
		"sys/net/ipv4/tcp_max_orphans":    "65536\n",
		"sys/net/ipv4/tcp_max_tw_buckets": "8192\n",
		"sys/net/ipv4/tcp_fin_timeout":    "15\n",
		"thread-self/net/sockstat":        sockstat,
		"thread-self/net/netstat":         netstat,
	})
	machine, err := p.machine()
	if err != nil {
		t.Fatal(err)
	}
	wantMachine := host.TCP{Orphans: 3, MaxOrphans: 65536, Pages: 4000, PressurePages: 200, MaxPages: 300}
	if diff := cmp.Diff(wantMachine, machine); diff != "" {
		t.Error(diff)
	}
	waiting, err := p.timeWait()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(host.TimeWait{Sockets: 17, Overflows: 42}, waiting); diff != "" {
		t.Error(diff)
	}
}

func TestMachineLimitsAreAbsentInsideANamespace(t *testing.T) {
	if _, err := fixture(t, map[string]string{"thread-self/net/sockstat": sockstat}).machine(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want fs.ErrNotExist", err)
	}
}

func TestTruncatedFilesAreErrors(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"file-nr without its maximum": {"sys/fs/file-nr": "1200 0\n", "sys/fs/nr_open": "1\n"},
		"file-nr empty":               {"sys/fs/file-nr": "", "sys/fs/nr_open": "1\n"},
		"nr_open not a number":        {"sys/fs/file-nr": "1 0 2\n", "sys/fs/nr_open": "many\n"},
	} {
		if got, err := fixture(t, files).files(); err == nil {
			t.Errorf("%s: files %+v, want an error", name, got)
		}
	}
	if got, err := fixture(t, map[string]string{"thread-self/net/sockstat": "sockets: used 40\n"}).sockstat(); err == nil {
		t.Errorf("sockstat without TCP: %+v, want an error", got)
	}
}

func TestParseCounter(t *testing.T) {
	for _, tt := range []struct {
		text string
		want uint64
		fine bool
	}{
		{netstat, 42, true},
		{"IpExt: A\nIpExt: 1\n" + netstat, 42, true},
		{"TcpExt: TW\nTcpExt: 1\n", 0, false},
		{"TcpExt: TW TCPTimeWaitOverflow\nTcpExt: 1\n", 0, false},
		{"TcpExt: TCPTimeWaitOverflow\nIpExt: 1\n", 0, false},
		{"TcpExt: TCPTimeWaitOverflow\nTcpExt: -1\n", 0, false},
		{"", 0, false},
	} {
		got, err := parseCounter(tt.text, "TcpExt", "TCPTimeWaitOverflow")
		if (err == nil) != tt.fine || got != tt.want {
			t.Errorf("parseCounter(%q) = %d, %v", tt.text, got, err)
		}
	}
}

func FuzzParseCounter(f *testing.F) {
	f.Add(netstat)
	f.Add("TcpExt:\nTcpExt:\n")
	f.Fuzz(func(t *testing.T, text string) {
		n, err := parseCounter(text, "TcpExt", "TCPTimeWaitOverflow")
		if err == nil && n > 0 && !strings.Contains(text, "TCPTimeWaitOverflow") {
			t.Errorf("parseCounter(%q) = %d, a number of another counter", text, n)
		}
	})
}

func FuzzNumbers(f *testing.F) {
	f.Add("100\t200\t300\n", 3)
	f.Add("-1", 1)
	f.Fuzz(func(t *testing.T, text string, count int) {
		list, err := fixture(t, map[string]string{"file": text}).numbers("file", count%4)
		if err == nil && len(list) != len(strings.Fields(text)) {
			t.Errorf("numbers of %q: %v", text, list)
		}
	})
}

func TestOwnProcess(t *testing.T) {
	before, err := ReadProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	after, err := ReadProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if after.Open < before.Open || after.Open == 0 || after.Soft == 0 {
		t.Errorf("open files before %+v, with one more %+v", before, after)
	}
	if _, err := ReadProcess(1 << 30); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a process that is not there: %v, want fs.ErrNotExist", err)
	}
}

// TestNamespace reads another namespace's counters from a thread inside it,
// while the process's first thread is elsewhere.
func TestNamespace(t *testing.T) {
	host := nettest.New(t)
	host.Addr("10.0.0.1", "10.0.0.2")
	host.Sysctl("net.ipv4.tcp_max_tw_buckets", "2")
	to := netip.MustParseAddrPort("10.0.0.2:80")
	listener, err := host.Listen(nettest.TCP4, to)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := nettest.TimeWait(listener, 5, func() (*nettest.Socket, error) { return host.Connect(nettest.TCP4, to) }); err != nil {
		t.Fatal(err)
	}
	host.Do(func() {
		w, err := ReadTimeWait()
		if err != nil {
			t.Fatal(err)
		}
		if w.Sockets > 3 || w.Overflows < 2 {
			t.Errorf("time wait %+v, want at most 3 of 2 and at least 2 overflows", w)
		}
	})
}
