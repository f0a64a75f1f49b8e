package boot

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"portrange/internal/port"
)

// The field names are a promise.
func TestReportJSON(t *testing.T) {
	root := t.TempDir()
	write(t, root, "etc/sysctl.d/10-a.conf", "net.ipv4.tcp_fin_timeout = 5\nnet.ipv4.tcp_fin_timeout = 6\n")
	tree, err := Read(root, []string{port.KeyFinTimeout, port.KeyMaxTWBuckets})
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.MarshalIndent(tree.Report(map[string]string{port.KeyFinTimeout: "7"}), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(reportJSON, "\n"), strings.Split(string(got), "\n")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

const reportJSON = `{
 "schema_version": 1,
 "program": "procps",
 "settings": [
  {
   "key": "net.ipv4.tcp_fin_timeout",
   "running": "7",
   "systemd": {
    "value": "6",
    "file": "/etc/sysctl.d/10-a.conf",
    "line": 2,
    "target": "/etc/sysctl.d/10-a.conf"
   },
   "procps": {
    "value": "6",
    "file": "/etc/sysctl.d/10-a.conf",
    "line": 2,
    "target": "/etc/sysctl.d/10-a.conf"
   },
   "tuned": null,
   "boot": "6",
   "loses": [
    {
     "file": "/etc/sysctl.d/10-a.conf",
     "line": 1,
     "target": "/etc/sysctl.d/10-a.conf",
     "value": "5",
     "programs": [
      "procps",
      "systemd"
     ],
     "refused": false,
     "why": "overridden by /etc/sysctl.d/10-a.conf:2"
    }
   ],
   "drift": true
  },
  {
   "key": "net.ipv4.tcp_max_tw_buckets",
   "running": null,
   "systemd": null,
   "procps": null,
   "tuned": null,
   "boot": null,
   "loses": [],
   "drift": false
  }
 ],
 "gaps": []
}`

// A key without a handler of its own keeps what was written, dots in an
// interface name included.
func TestOtherKeys(t *testing.T) {
	root := t.TempDir()
	write(t, root, "etc/sysctl.d/10-a.conf", "net.ipv4.conf.eth0/1.rp_filter = 2\nnet.ipv4.tcp_rmem = 4096\t131072  6291456\n")
	tree, err := Read(root, []string{"net.ipv4.conf.eth0/1.rp_filter", "net.ipv4.tcp_rmem"})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"2", "4096 131072 6291456"} {
		s := tree.Report(nil).Settings[i]
		if s.Systemd == nil || s.Systemd.Value != want || s.Procps == nil || s.Procps.Value != want {
			t.Errorf("%s: systemd %+v, procps %+v, want %s", s.Key, s.Systemd, s.Procps, want)
		}
	}
}

// procps alone loses the rest of a list that is longer than a page.
func TestConflictsOfALongList(t *testing.T) {
	var list []string
	for p := 1025; p < 9000; p += 2 {
		list = append(list, strconv.Itoa(p))
	}
	tree, err := Read(t.TempDir(), Keys())
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ ports, want int }{"one page": {500, 0}, "several": {len(list), 1}} {
		content := "net.ipv4.ip_local_reserved_ports = " + strings.Join(list[:tt.ports], ",") + "\n"
		conflicts := tree.Conflicts("50-drop-in.conf", []byte(content))
		if len(conflicts) != tt.want {
			t.Fatalf("%s: %+v", name, conflicts)
		}
		for _, c := range conflicts {
			if c.Program != Procps || c.File != "" || !strings.Contains(c.Why, "first part") {
				t.Errorf("%s: %+v", name, c)
			}
		}
	}
}

// Taking out all lines that Conflicts names must let the drop-in decide, in
// any tree.
func TestConflictsAreComplete(t *testing.T) {
	const name = "50-drop-in.conf"
	content := []byte("net.ipv4.ip_local_port_range = 15000 64001\nnet.ipv4.tcp_tw_reuse = 1\nnet.ipv4.tcp_fin_timeout = 33\n")
	wanted := map[string]string{port.KeyRange: "15000 64001", port.KeyTWReuse: "1", port.KeyFinTimeout: "33"}
	for seed := range uint64(60) {
		random := randomTree(seed)
		root := t.TempDir()
		if err := random.build(root); err != nil {
			t.Fatal(err)
		}
		tree, err := Read(root, Keys())
		if err != nil {
			t.Fatal(err)
		}
		checkConflicts(t, random, tree, name, content, wanted)
	}
}

func checkConflicts(t *testing.T, random *randomFS, tree *Tree, name string, content []byte, wanted map[string]string) {
	t.Helper()
	conflicts := tree.Conflicts(name, content)
	rest := tree.with(name, content)
	for _, c := range conflicts {
		rest = rest.without(c.Line)
	}
	played := rest.play()
	for key, value := range wanted {
		for _, program := range []Program{Systemd, Procps} {
			if got := played.of(program).kernel.value(key); got != value && !refusedFor(conflicts, program, key) {
				t.Errorf("%s sets %s to %s after all conflicts are gone\n%v\n%s", program, key, got, conflicts, random)
			}
		}
	}
}

func refusedFor(conflicts []Conflict, program Program, key string) bool {
	for _, c := range conflicts {
		if c.Program == program && c.Key == key && c.File == "" {
			return true
		}
	}
	return false
}

// TestConflictsWithoutNumber: the search for what is in the way gives up, and says so.
func TestConflictsWithoutNumber(t *testing.T) {
	const content = "net.ipv4.tcp_fin_timeout = 33\n"
	for lines, complete := range map[int]bool{50: true, 15_000: false} {
		root := t.TempDir()
		write(t, root, "etc/sysctl.d/99-z.conf", strings.Repeat("net.ipv4.tcp_fin_timeout = 5\nnet.ipv4.tcp_fin_timeout = 6\n", lines/2))
		tree, err := Read(root, Keys())
		if err != nil {
			t.Fatal(err)
		}
		conflicts := tree.Conflicts("50-drop-in.conf", []byte(content))
		stopped := slices.ContainsFunc(conflicts, func(c Conflict) bool { return c.File == "" && strings.Contains(c.Why, "more lines") })
		if stopped == complete || complete && len(conflicts) != 2*lines {
			t.Errorf("%d lines: %d conflicts, stopped %v; want one for each line and program: %v", lines, len(conflicts), stopped, complete)
		}
	}
}
