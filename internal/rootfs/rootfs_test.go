package rootfs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestLinksStayInsideRoot(t *testing.T) {
	outside, root := t.TempDir(), t.TempDir()
	write(t, outside, "secret.conf", "outside\n")
	write(t, root, "etc/inside.conf", "inside\n")
	links := map[string]string{
		"absolute": "/etc/inside.conf",
		"upwards":  "../../../../../../../../etc/inside.conf",
		"escape":   outside + "/secret.conf",
		"relative": "inside.conf",
		"loop":     "loop",
		"null":     "/dev/null",
	}
	for name, to := range links {
		if err := os.Symlink(to, filepath.Join(root, "etc", name)); err != nil {
			t.Fatal(err)
		}
	}
	r := opened(t, root)
	for _, name := range []string{"absolute", "upwards", "relative"} {
		f := r.Read("/etc/" + name)
		if f.Err != nil || string(f.Data) != "inside\n" || f.Target != "/etc/inside.conf" {
			t.Errorf("%s: read %q from %s, error %v; want the file inside", name, f.Data, f.Target, f.Err)
		}
	}
	for _, name := range []string{"escape", "null", "loop"} {
		if f := r.Read("/etc/" + name); f.Err == nil {
			t.Errorf("%s: read %q from %s, want an error", name, f.Data, f.Target)
		}
	}
	if got := r.Link("/etc/null"); got != "/dev/null" {
		t.Errorf("link points to %q, want /dev/null", got)
	}
}

func TestDirectoryLinkStaysInsideRoot(t *testing.T) {
	outside, root := t.TempDir(), t.TempDir()
	write(t, outside, "stray.conf", "outside\n")
	write(t, root, "opt/d/here.conf", "inside\n")
	if err := os.MkdirAll(root+"/etc", 0o755); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"in": "/opt/d", "out": outside} {
		if err := os.Symlink(to, root+"/etc/"+name); err != nil {
			t.Fatal(err)
		}
	}
	r := opened(t, root)
	if names, err := r.Names("/etc/in"); err != nil || len(names) != 1 || names[0] != "here.conf" {
		t.Errorf("names = %q, %v; want here.conf", names, err)
	}
	if names, err := r.Names("/etc/out"); err != nil || names != nil {
		t.Errorf("names = %q, %v; want none: the link leads nowhere inside the root", names, err)
	}
}

// A FIFO would block whoever opens it, a huge file fill the memory.
func TestOddFilesAreReported(t *testing.T) {
	root := t.TempDir()
	write(t, root, "huge", "")
	if err := os.Truncate(root+"/huge", MaxFile+1); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(root+"/fifo", 0o644); err != nil {
		t.Fatal(err)
	}
	r := opened(t, root)
	for name, want := range map[string]string{"huge": "over 1 MiB", "fifo": "neither a regular file"} {
		if f := r.Read("/" + name); f.Err == nil || !strings.Contains(f.Err.Error(), want) {
			t.Errorf("%s: error %v, want %q in it", name, f.Err, want)
		}
	}
	if f := r.Read("/"); f.Err != unix.EISDIR {
		t.Errorf("directory: error %v, want EISDIR", f.Err)
	}
}

func opened(t *testing.T, dir string) *Root {
	t.Helper()
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func write(t *testing.T, root, path, content string) {
	t.Helper()
	path = filepath.Join(root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
