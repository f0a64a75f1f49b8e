package boot

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var allow = cmp.AllowUnexported(row{}, entry{}, pair{}, section{}, unit{})

func TestSystemdRows(t *testing.T) {
	for _, tt := range []struct {
		name, data string
		want       []row
	}{
		{"empty", "", nil},
		{"unix", "a\nb\n", []row{{1, "a"}, {2, "b"}}},
		{"no final newline", "a\nb", []row{{1, "a"}, {2, "b"}}},
		{"windows", "a\r\n\r\nb\r\n", []row{{1, "a"}, {2, ""}, {3, "b"}}},
		{"carriage returns are no lines to an editor", "a\rb\nc", []row{{1, "a"}, {1, "b"}, {2, "c"}}},
		{"zero byte ends a line", "a\x00b\n\x00c", []row{{1, "a"}, {1, "b"}, {2, "c"}}},
		{"nothing follows a zero byte", "a\x00\nb", []row{{1, "a"}, {1, ""}, {2, "b"}}},
		{"reversed", "a\n\rb", []row{{1, "a"}, {2, "b"}}},
	} {
		rows, err := systemdRowsOf(tt.data)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if diff := cmp.Diff(tt.want, rows, allow); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func systemdRowsOf(data string) (rows []row, err error) {
	err = systemdRows(data, func(r row) { rows = append(rows, r) })
	return rows, err
}

func TestSystemdGivesUpAtOverlongLine(t *testing.T) {
	long := strings.Repeat("x", systemdLineMax)
	rows, err := systemdRowsOf("a=1\n" + long[1:] + "\n" + long + "\nb=2\n")
	if err == nil || !strings.Contains(err.Error(), "line 3") {
		t.Errorf("error %v, want one about line 3", err)
	}
	if len(rows) != 2 {
		t.Errorf("%d rows, want the 2 before the overlong one", len(rows))
	}
}

func TestEntries(t *testing.T) {
	const path = "net/ipv4/tcp_fin_timeout"
	set := func(key string) *entry { return &entry{key: key, value: "5"} }
	for _, tt := range []struct {
		line            string
		systemd, procps *entry
	}{
		{"net.ipv4.tcp_fin_timeout = 5", set(path), set(path)},
		{"\tnet/ipv4/tcp_fin_timeout=5 ", set(path), set(path)},
		{"/net/ipv4//tcp_fin_timeout/=5", set(path), set("/net/ipv4//tcp_fin_timeout/")},
		{"net.ipv4..tcp_fin_timeout.=5", set(path), set("net/ipv4//tcp_fin_timeout/")},
		{"net/ipv4/conf/eth0.1/x=5", set("net/ipv4/conf/eth0.1/x"), set("net/ipv4/conf/eth0.1/x")},
		{"net.ipv4.conf.eth0/1.x=5", set("net/ipv4/conf/eth0.1/x"), set("net/ipv4/conf/eth0.1/x")},
		{"-net.ipv4.tcp_fin_timeout=5", &entry{key: path, value: "5", lenient: true}, &entry{key: path, value: "5", lenient: true}},
		{"- net.ipv4.tcp_fin_timeout=5", &entry{key: path, value: "5", lenient: true}, &entry{key: " " + path, value: "5", lenient: true}},
		{"--net.ipv4.tcp_fin_timeout=5", &entry{key: "-" + path, value: "5", lenient: true}, &entry{key: path, value: "5", lenient: true}},
		{"-net.ipv4.tcp_fin_timeout", &entry{key: path, exclude: true}, &entry{key: path, exclude: true}},
		{"a = 1 = 2", &entry{key: "a", value: "1 = 2"}, &entry{key: "a", value: "1 = 2"}},
		{"key =", &entry{key: "key"}, &entry{key: "key"}},
		{"\vkey\f=\v5", &entry{key: "\vkey\f", value: "\v5"}, &entry{key: "key", value: "5"}},
		{"net.ipv4.tcp_fin_timeout", nil, nil},
		{"# net.ipv4.tcp_fin_timeout = 5", nil, nil},
		{" ; net.ipv4.tcp_fin_timeout = 5", nil, nil},
		{"", nil, nil},
		{" \t", nil, nil},
	} {
		compareEntry(t, "systemd", tt.line, tt.systemd, systemdEntry)
		compareEntry(t, "procps", tt.line, tt.procps, procpsEntry)
	}
}

func compareEntry(t *testing.T, program, line string, want *entry, parse func(string) (entry, bool)) {
	t.Helper()
	var got *entry
	if e, ok := parse(line); ok {
		got = &e
	}
	if diff := cmp.Diff(want, got, allow); diff != "" {
		t.Errorf("%s, line %q (-want +got):\n%s", program, line, diff)
	}
}

// Whatever a file holds, each row says where it stands, and no byte of a row
// ends a line.
func FuzzRows(f *testing.F) {
	f.Add([]byte("net.ipv4.tcp_fin_timeout = 5\r\n\x00# c\n\r-x\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		rows, err := systemdRowsOf(string(data))
		if err != nil && len(data) < systemdLineMax {
			t.Errorf("error %v for %d bytes", err, len(data))
		}
		checkRows(t, data, rows, "\n\r\x00")
		rows = nil
		procpsRows(string(data), func(r row) { rows = append(rows, r) })
		checkRows(t, data, rows, "\n\x00")
	})
}

func checkRows(t *testing.T, data []byte, rows []row, ends string) {
	t.Helper()
	last, lines := 1, strings.Count(string(data), "\n")+1
	for _, row := range rows {
		if row.line < last || row.line > lines {
			t.Errorf("row %q on line %d, after line %d of %d", row.text, row.line, last, lines)
		}
		if strings.ContainsAny(row.text, ends) {
			t.Errorf("row %q holds an end of line", row.text)
		}
		last = row.line
	}
}

// A key in normal form stays as it is, and spaces never end up in a value.
func FuzzEntries(f *testing.F) {
	for _, line := range []string{"net.ipv4.x = 5", "-/net//ipv4/./x", "--a.b", "net.ipv4.conf.eth0/1.x=1 = 2", "=", "[a/b]*=1"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		if e, ok := systemdEntry(line); ok {
			if strings.Trim(e.value, systemdSpace) != e.value {
				t.Errorf("systemd: value %q has space around it", e.value)
			}
			if again := simplified("/" + e.key); len(e.key) > 1 && len(e.key) < nameMax && !strings.HasPrefix(e.key, "/") && again != "/"+e.key {
				t.Errorf("systemd: key %q becomes %q below /", e.key, again)
			}
		}
		if e, ok := procpsEntry(line); ok && e.value != strings.Trim(e.value, cSpace) {
			t.Errorf("procps: value %q has space around it", e.value)
		}
	})
}
