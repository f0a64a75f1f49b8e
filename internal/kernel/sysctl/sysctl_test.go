package sysctl

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"portrange/internal/host"
	"portrange/internal/port"
)

// fixture is a tree with the settings of a 6.18 kernel, some of them changed; an
// empty value takes a setting away.
func fixture(t *testing.T, changed map[string]string) tree {
	t.Helper()
	values := map[string]string{
		port.KeyRange:             "32768\t60999\n",
		port.KeyReserved:          "\n",
		port.KeyUnprivilegedStart: "1024\n",
		port.KeyTWReuse:           "2\n",
		port.KeyTWReuseDelay:      "1000\n",
		port.KeyTimestamps:        "1\n",
		port.KeyMaxTWBuckets:      "131072\n",
		port.KeyFinTimeout:        "60\n",
		port.KeyL3MdevAccept:      "0\n",
		port.KeyBindV6Only:        "0\n",
		port.KeyAutobindReuse:     "0\n",
	}
	for key, value := range changed {
		values[key] = value
	}
	at := tree{root: t.TempDir()}
	for key, value := range values {
		path := at.path(key)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if value == "" {
			continue
		}
		if err := os.WriteFile(path, []byte(value), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return at
}

func reserved(t *testing.T, list string) *port.Set {
	t.Helper()
	set, err := port.ParseSet(list)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestSettings(t *testing.T) {
	modern := func() host.Settings {
		return host.Settings{
			Range: port.DefaultRange, Reserved: &port.Set{}, UnprivilegedStart: 1024,
			TWReuse: 2, TWReuseDelay: time.Second, HasTWReuseDelay: true, Timestamps: 1,
			MaxTWBuckets: 131072, FinTimeout: time.Minute,
			HasL3MdevAccept: true, HasBindV6Only: true, HasAutobindReuse: true,
		}
	}
	tests := []struct {
		name    string
		changed map[string]string
		want    func(*host.Settings)
	}{
		{"a fresh namespace", nil, func(*host.Settings) {}},
		{"everything changed", map[string]string{
			port.KeyRange: "15000\t64001\n", port.KeyReserved: "8080,9148-9150\n", port.KeyUnprivilegedStart: "0\n",
			port.KeyTWReuse: "1\n", port.KeyTWReuseDelay: "250\n", port.KeyTimestamps: "0\n", port.KeyStepWidth: "64\n",
			port.KeyL3MdevAccept: "1\n", port.KeyBindV6Only: "1\n", port.KeyAutobindReuse: "1\n",
			port.KeyMaxTWBuckets: "4096\n", port.KeyFinTimeout: "15\n",
		}, func(s *host.Settings) {
			s.Range = port.Range{Low: 15000, High: 64001}
			s.Reserved = reserved(t, "8080,9148-9150")
			s.UnprivilegedStart = 0
			s.TWReuse = 1
			s.TWReuseDelay = 250 * time.Millisecond
			s.Timestamps = 0
			s.StepWidth, s.HasStepWidth = 64, true
			s.L3MdevAccept, s.BindV6Only, s.AutobindReuse = true, true, true
			s.MaxTWBuckets, s.FinTimeout = 4096, 15*time.Second
		}},
		{"an old kernel", map[string]string{port.KeyUnprivilegedStart: "", port.KeyTWReuseDelay: "",
			port.KeyL3MdevAccept: "", port.KeyBindV6Only: "", port.KeyAutobindReuse: ""}, func(s *host.Settings) {
			s.HasTWReuseDelay = false
			s.HasL3MdevAccept, s.HasBindV6Only, s.HasAutobindReuse = false, false, false
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			want := modern()
			test.want(&want)
			got, err := fixture(t, test.changed).settings()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(port.Set{})); diff != "" {
				t.Errorf("settings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSettingsErrorsNameTheFile(t *testing.T) {
	tests := []struct{ key, value, want string }{
		{port.KeyRange, "", "read net.ipv4.ip_local_port_range: no such file or directory; this kernel does not have the setting"},
		{port.KeyRange, "32768\n", `read net.ipv4.ip_local_port_range: parse port range "32768\n": want two numbers, low and high`},
		{port.KeyReserved, "8080,x\n", `read net.ipv4.ip_local_reserved_ports: parse port list: "x" is not a port number from 0 to 65535`},
		{port.KeyUnprivilegedStart, "70000\n", `read net.ipv4.ip_unprivileged_port_start: "70000" is not a number from 0 to 65535`},
		{port.KeyTWReuse, "3\n", `read net.ipv4.tcp_tw_reuse: "3" is not a number from 0 to 2`},
		{port.KeyTWReuseDelay, "soon\n", `read net.ipv4.tcp_tw_reuse_delay: "soon" is not a number from 0 to 3600000`},
		{port.KeyTimestamps, "\n", `read net.ipv4.tcp_timestamps: "" is not a number from 0 to 255`},
		{port.KeyStepWidth, "-1\n", `read net.ipv4.ip_local_port_step_width: "-1" is not a number from 0 to 2147483647`},
	}
	for _, test := range tests {
		_, err := fixture(t, map[string]string{test.key: test.value}).settings()
		if err == nil || err.Error() != test.want {
			t.Errorf("got  %v\nwant %s", err, test.want)
		}
	}
}

func TestSandboxWithoutProcSys(t *testing.T) {
	at := tree{root: filepath.Join(t.TempDir(), "proc/sys")}
	if _, err := at.settings(); !errors.Is(err, ErrNoSysctl) {
		t.Errorf("settings: %v", err)
	}
	if _, err := at.get("net.core.somaxconn"); !errors.Is(err, ErrNoSysctl) {
		t.Errorf("get: %v", err)
	}
	if err := at.set(port.KeyRange, "1 2"); !errors.Is(err, ErrNoSysctl) {
		t.Errorf("set: %v", err)
	}
}

func TestPath(t *testing.T) {
	tests := map[string]string{
		"net.ipv4.ip_local_port_range":         "/proc/sys/net/ipv4/ip_local_port_range",
		"net/ipv4/ip_local_port_range":         "/proc/sys/net/ipv4/ip_local_port_range",
		"net.ipv4.conf.eth0/100.forwarding":    "/proc/sys/net/ipv4/conf/eth0.100/forwarding",
		"net/ipv4/conf/eth0.100/forwarding":    "/proc/sys/net/ipv4/conf/eth0.100/forwarding",
		"net.netfilter.nf_conntrack_max":       "/proc/sys/net/netfilter/nf_conntrack_max",
		"net.ipv4.ip_local_reserved_ports/.x/": "/proc/sys/net/ipv4/ip_local_reserved_ports./x.",
	}
	for key, want := range tests {
		if got := Path(key); got != want {
			t.Errorf("%s: %s, want %s", key, got, want)
		}
	}
}

func TestGetHasOneSpaceBetweenNumbers(t *testing.T) {
	got, err := fixture(t, nil).get(port.KeyRange)
	if err != nil || got != "32768 60999" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := fixture(t, nil).get("net.ipv4.no_such_key"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("unknown key: %v", err)
	}
}

// kernelFile cuts a value off at the end of the reader's buffer, and has nothing
// for a read that does not start at the beginning, as proc_sysctl.c does.
type kernelFile string

func (k kernelFile) ReadAt(buf []byte, offset int64) (int, error) {
	if offset > 0 {
		return 0, io.EOF
	}
	n := copy(buf, k)
	if n < len(buf) {
		return n, io.EOF
	}
	return n, nil
}

func TestReadWhole(t *testing.T) {
	for _, length := range []int{0, 1, firstBuffer - 1, firstBuffer, firstBuffer + 1, 262_144, lastBuffer} {
		value := ""
		if length > 0 {
			value = strings.Repeat("1", length-1) + "\n"
		}
		if got, err := readWhole(kernelFile(value)); err != nil || got != value {
			t.Errorf("%d bytes: got %d, %v", length, len(got), err)
		}
	}
	if got, err := readWhole(kernelFile(strings.Repeat("1", lastBuffer) + "\n")); err == nil {
		t.Errorf("a value too long was read as %d bytes", len(got))
	}
}

func FuzzReadWhole(f *testing.F) {
	f.Add("", 1)
	f.Add("8080,9148-9150", 1000)
	f.Fuzz(func(t *testing.T, text string, times int) {
		if strings.Contains(text, "\n") || times < 0 || len(text)*times >= lastBuffer {
			t.Skip()
		}
		value := strings.Repeat(text, times) + "\n"
		if got, err := readWhole(kernelFile(value)); err != nil || got != value {
			t.Errorf("%d bytes: got %d, %v", len(value), len(got), err)
		}
	})
}

func TestChunkList(t *testing.T) {
	tests := []struct {
		list string
		size int
		want []string
	}{
		{"", 10, []string{""}},
		{"1,2,3", 10, []string{"1,2,3"}},
		{"1,2,3", 3, []string{"1,2", "3"}},
		{"10,20,30", 4, []string{"10", "20", "30"}},
		{"100-200,300", 7, []string{"100-200", "300"}},
	}
	for _, test := range tests {
		if diff := cmp.Diff(test.want, chunkList(test.list, test.size)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", test.list, diff)
		}
	}
}

func FuzzChunkList(f *testing.F) {
	f.Add([]byte{1, 0, 3, 200, 7}, 12)
	f.Fuzz(func(t *testing.T, ports []byte, size int) {
		const longestItem = len("65535-65535")
		if size < longestItem || size > maxChunk {
			t.Skip()
		}
		want := &port.Set{}
		for i, p := range ports {
			want.Add(uint16(i)<<8 | uint16(p))
		}
		got := &port.Set{}
		for _, chunk := range chunkList(want.String(), size) {
			if len(chunk) > size {
				t.Errorf("chunk of %d bytes, want at most %d", len(chunk), size)
			}
			got.Union(reserved(t, chunk))
		}
		if *got != *want {
			t.Errorf("chunks of %q hold %q", want, got)
		}
	})
}

// TestBetween has lists of two and three chunks, of ports with five digits.
func TestBetween(t *testing.T) {
	list := func(first, n, step int) string {
		set := &port.Set{}
		for i := range n {
			set.Add(uint16(first + i*step))
		}
		return set.String()
	}
	const few = "7,8080"
	long := list(20000, 1500, 2) // 9,000 bytes
	more := few + "," + long
	some := list(20000, 750, 4)    // every other one of them
	others := list(20001, 1500, 2) // none of them
	first := func(list string, n int) string { return strings.Join(chunkList(list, maxChunk)[:n], ",") }
	tests := []struct {
		name, before, after, now string
		want                     bool
	}{
		{"one write", few, "9090", "7", false},
		{"one write, both", few, "9090", "7,8080,9090", false},
		{"added, one chunk", few, more, first(more, 1), true},
		{"added, two chunks", few, more, first(more, 2), true},
		{"added, somebody took one port", few, more, strings.TrimPrefix(first(more, 1), "7,"), false},
		{"added, somebody added one", few, more, "9," + first(more, 1), false},
		{"added, something else", few, more, "1,2,3", false},
		{"replaced, one chunk", long, others, first(others, 1), true},
		{"replaced, and back", others, long, first(others, 1), true},
		{"replaced, both in part", long, others, first(long, 1) + "," + first(others, 1), false},
		{"less, the first half", long, some, first(some, 1), true},
		{"less, and back over it", long, some, first(some, 1) + "," + first(long, 1), true},
		{"nothing", long, others, "", false},
		{"no list", long, others, "x", false},
	}
	for _, test := range tests {
		if got := Between(test.before, test.after, test.now); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

// FuzzBetween plays a writer that is stopped after any write, there and back.
func FuzzBetween(f *testing.F) {
	f.Add(uint16(3), uint16(2), 1, 1)
	f.Add(uint16(2), uint16(4), 2, 5)
	f.Fuzz(func(t *testing.T, stepBefore, stepAfter uint16, there, back int) {
		if stepBefore < 2 || stepAfter < 2 || stepBefore > 50 || stepAfter > 50 {
			t.Skip()
		}
		before, after := every(int(stepBefore)), every(int(stepAfter))
		now := stopped(before, after, there)
		if *now != *before && !between(before, after, now) {
			t.Errorf("%d, %d: stopped after %d writes", stepBefore, stepAfter, there)
		}
		now = stopped(now, before, back)
		if *now != *before && !between(before, after, now) {
			t.Errorf("%d, %d: stopped after %d writes, and after %d on the way back", stepBefore, stepAfter, there, back)
		}
	})
}

func every(step int) *port.Set {
	set := &port.Set{}
	for p := 10000; p < 30000; p += step {
		set.Add(uint16(p))
	}
	return set
}

// stopped is what so many writes make of a list, as the kernel has it
// (proc_do_large_bitmap).
func stopped(before, want *port.Set, writes int) *port.Set {
	now := before.Clone()
	chunks := chunkList(want.String(), maxChunk)
	adds := len(chunks) > 1 && within(before, want)
	for i, chunk := range chunks[:min(max(writes, 0), len(chunks))] {
		part, err := port.ParseSet(chunk)
		if err != nil {
			panic(err)
		}
		if i == 0 && !adds {
			now = &port.Set{}
		}
		now.Union(part)
	}
	return now
}

func FuzzSettings(f *testing.F) {
	f.Add("32768\t60999\n", "8080\n", "1000\n")
	f.Add("", "", "-1")
	f.Fuzz(func(t *testing.T, portRange, list, delay string) {
		got, err := fixture(t, map[string]string{port.KeyRange: portRange, port.KeyReserved: list, port.KeyTWReuseDelay: delay}).settings()
		if err != nil {
			return
		}
		again, err := fixture(t, map[string]string{
			port.KeyRange: got.Range.String(), port.KeyReserved: got.Reserved.String() + "\n", port.KeyTWReuseDelay: delay,
		}).settings()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(got, again, cmp.AllowUnexported(port.Set{})); diff != "" {
			t.Errorf("what was read reads differently when written down:\n%s", diff)
		}
	})
}
