package owner_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"portrange/internal/host"
	"portrange/internal/kernel/owner"
)

// proc writes a proc file system. Each entry is a path and what it contains;
// "->" before the content makes it a link.
func proc(t *testing.T, entries map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range entries {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, isLink := strings.CutPrefix(content, "->"); isLink {
			err = os.Symlink(target, path)
		} else {
			err = os.WriteFile(path, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func scan(t *testing.T, root string) *owner.Index {
	t.Helper()
	index, gaps, err := owner.Scan(t.Context(), root)
	if err != nil || gaps != nil {
		t.Fatalf("gaps %v, error %v", gaps, err)
	}
	return index
}

func TestScan(t *testing.T) {
	index := scan(t, proc(t, map[string]string{
		"1/comm": "systemd\n", "1/fd/0": "->/dev/null",
		"812/comm": "nginx\n", "812/fd/0": "->/dev/null", "812/fd/3": "->socket:[4711]",
		"812/fd/4": "->socket:[4711]", "812/fd/5": "->anon_inode:[eventpoll]", "812/fd/6": "->socket:[4712]",
		"813/comm": "nginx\n", "813/fd/3": "->socket:[4711]",
		"99/comm": "redis-server\n", "99/fd/900": "->socket:[4294967295]",
		"self": "->812", "version": "Linux", "sys/net": "",
	}))
	expectHolders(t, index, 4711, nginx, worker)
	expectHolders(t, index, 4712, nginx)
	expectHolders(t, index, 4294967295, redis)
	expectHolders(t, index, 4713)
}

func TestScanKeepsOddCommands(t *testing.T) {
	for _, command := range []string{"", "a b", "kworker/0:1", "x) y", "\xff"} {
		index := scan(t, proc(t, map[string]string{
			"1/comm": command + "\n", "1/fd/3": "->socket:[5]",
		}))
		if got := holders(index, 5); len(got) != 1 || got[0].Command != command {
			t.Errorf("holders %v, want one with the command %q", got, command)
		}
	}
}

func TestScanSkipsOtherLinks(t *testing.T) {
	for _, target := range []string{
		"socket:", "socket:[", "socket:[]", "socket:[4711", "socket:[x]", "socket:[-1]", "socket:[4711] (deleted)",
		"socket:[4294967296]", "/tmp/socket:[4711]", "pipe:[4711]", "socket:[" + strings.Repeat("4", 200) + "]",
	} {
		index := scan(t, proc(t, map[string]string{"1/comm": "sh\n", "1/fd/3": "->" + target}))
		for _, inode := range []uint64{4711, 4294967295, 444} {
			if got := holders(index, inode); got != nil {
				t.Errorf("%q made %v a holder of %d", target, got, inode)
			}
		}
	}
}

func TestScanManyFiles(t *testing.T) {
	entries := map[string]string{"1/comm": "server\n"}
	for fd := range 1100 {
		entries[fmt.Sprint("1/fd/", fd)] = fmt.Sprintf("->socket:[%d]", 1000+fd)
	}
	index := scan(t, proc(t, entries))
	for inode := uint64(1000); inode < 2100; inode++ {
		if len(holders(index, inode)) != 1 {
			t.Fatalf("inode %d has holders %v, want one", inode, holders(index, inode))
		}
	}
}

// A process can end after it was listed.
func TestScanLeavesOutEndedProcesses(t *testing.T) {
	index := scan(t, proc(t, map[string]string{
		"1/comm":      "systemd\n",
		"1/fd/0":      "->/dev/null",
		"60":          "->/nowhere",
		"99/comm":     "redis-server\n",
		"99/fd/3":     "->socket:[6]",
		"99/fdinfo/3": "",
	}))
	expectHolders(t, index, 6, redis)
}

// What cannot be found of a process that is still there is missing, and so is what
// cannot be read for another reason; the rest is found.
func TestScanTellsWhatItCouldNotRead(t *testing.T) {
	for name, entries := range map[string]map[string]string{
		"no directory": {"50/comm": "lost\n"},
		"no name":      {"50/fd/3": "->socket:[5]"},
		"no list":      {"50/comm": "lost\n", "50/fd": "a file"},
		"no link":      {"50/comm": "lost\n", "50/fd/3": "a file"},
	} {
		entries["1/comm"], entries["1/fd/4"] = "systemd\n", "->/dev/null"
		entries["99/comm"], entries["99/fd/3"] = "redis-server\n", "->socket:[6]"
		index, gaps, err := owner.Scan(t.Context(), proc(t, entries))
		if err != nil {
			t.Fatal(err)
		}
		expectHolders(t, index, 6, redis)
		if len(gaps) != 1 || gaps[0].Part != host.PartOwners || !strings.HasPrefix(gaps[0].Why, "1 of 3 processes: ") {
			t.Errorf("%s: gaps %v, want one of owners about 1 of 3 processes", name, gaps)
		}
		if name == "no name" {
			expectHolders(t, index, 5, host.Process{PID: 50})
		}
	}
}

func TestScanFails(t *testing.T) {
	for name, test := range map[string]struct{ root, want string }{
		"no directory": {filepath.Join(t.TempDir(), "proc"), "list processes: open"},
		"not mounted":  {t.TempDir(), "mount the proc file system there"},
	} {
		if _, _, err := owner.Scan(t.Context(), test.root); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", name, err, test.want)
		}
	}
}

func TestScanEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	root := proc(t, map[string]string{"1/comm": "systemd\n", "1/fd/0": "->/dev/null"})
	if _, _, err := owner.Scan(ctx, root); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}

func TestScanTellsOfHiddenProcesses(t *testing.T) {
	root := proc(t, map[string]string{"812/comm": "nginx\n", "812/fd/3": "->socket:[4711]"})
	index, gaps, err := owner.Scan(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	expectHolders(t, index, 4711, nginx)
	if len(gaps) != 1 || gaps[0].Part != "owners" || !strings.Contains(gaps[0].Why, "hidepid") {
		t.Errorf("gaps %v, want one of owners that names hidepid", gaps)
	}
}
