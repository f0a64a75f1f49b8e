package act

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"portrange/internal/act/journal"
	"portrange/internal/host"
	"portrange/internal/port"
)

// tree writes files, and links whose content begins with "-> ", under a directory.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		err := error(nil)
		if target, isLink := strings.CutPrefix(text, "-> "); isLink {
			err = os.Symlink(target, path)
		} else {
			err = os.WriteFile(path, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestReadFiles(t *testing.T) {
	root := tree(t, map[string]string{
		"etc/sysctl.d/50-a.conf":           "net.ipv4.ip_local_port_range = 1024 2000\n",
		"etc/sysctl.d/60-link.conf":        "-> /etc/elsewhere.conf",
		"etc/elsewhere.conf":               "net.ipv4.tcp_tw_reuse = 1\n",
		"etc/sysctl.d/notes.txt":           "net.ipv4.ip_forward = 1\n",
		"etc/sysctl.d/99-sysctl.conf/file": "a directory",
		"etc/tuned/mine/tuned.conf":        "[sysctl]\n",
		"usr/lib/sysctl.d/zzz.conf":        "kernel.panic = 10\n",
	})
	files, err := ReadFiles(root)
	if err != nil {
		t.Fatal(err)
	}
	var present []string
	for path, content := range files.Contents {
		if content != nil {
			present = append(present, path)
		}
	}
	slices.Sort(present)
	want := []string{"/etc/elsewhere.conf", "/etc/sysctl.d/50-a.conf", "/etc/sysctl.d/60-link.conf", "/etc/tuned/mine/tuned.conf"}
	if !slices.Equal(present, want) {
		t.Errorf("files %q, want %q", present, want)
	}
	for _, absent := range []string{DropIn, "/etc/sysctl.conf"} {
		if content, known := files.Contents[absent]; !known || content != nil {
			t.Errorf("%s: %v, %v; want to know that there is none", absent, content, known)
		}
	}
	if _, known := files.Contents["/etc/sysctl.d/99-sysctl.conf"]; known {
		t.Error("a directory counts as a file")
	}
	if !slices.ContainsFunc(files.Gaps, func(g host.Gap) bool {
		return g.Part == host.PartBootFiles && g.Object == "/etc/sysctl.d/99-sysctl.conf"
	}) {
		t.Errorf("gaps %+v, want the directory", files.Gaps)
	}
	for _, s := range files.Boot.Report(nil).Settings {
		if s.Key == port.KeyRange && *s.Boot != "1024 2000" {
			t.Errorf("%s after a reboot: %s", s.Key, *s.Boot)
		}
	}
}

// TestGapsOfAPlan has those of the look and those of the files.
func TestGapsOfAPlan(t *testing.T) {
	gap := func(part host.Part) host.Gap { return host.Gap{Part: part, Why: fs.ErrPermission.Error()} }
	p := plan(t, Wish{Range: wide()}, seen(func(f *Look) {
		f.State.Gaps = []host.Gap{gap(host.PartSockets)}
		f.Files.Gaps = []host.Gap{gap(host.PartBootFiles)}
	}))
	if want := []host.Gap{gap(host.PartSockets), gap(host.PartBootFiles)}; !slices.Equal(p.Gaps, want) {
		t.Errorf("gaps %+v, want %+v", p.Gaps, want)
	}
	if p := plan(t, Wish{Range: wide()}, seen()); p.Gaps == nil {
		t.Error("no gaps are null in JSON")
	}
}

// TestFilesThatMeanNothing plans where no file decides about a namespace.
func TestFilesThatMeanNothing(t *testing.T) {
	nowhere := seen(func(f *Look) { f.Booted, f.Files = 0, nil })
	if p := plan(t, Wish{Range: wide()}, nowhere); len(p.Findings) != 0 || p.Empty() {
		t.Errorf("findings %v", p.Findings)
	}
	elsewhere := seen(func(f *Look) { f.Places[1] = journal.Place{ID: 1, Name: "lb1"} })
	p := plan(t, Wish{Range: wide(), Persist: true}, elsewhere)
	if got := find(p, "not-the-host"); got == nil || !strings.Contains(got.Evidence(), DropInDir) || len(p.Files) != 1 {
		t.Errorf("finding %+v, files %v", got, p.Files)
	}
	if _, err := NewPlan(Wish{Range: &port.Range{Low: 1, High: 9}}, nowhere); !errors.Is(err, ErrNotAllowed) {
		t.Errorf("error %v", err)
	}
}
