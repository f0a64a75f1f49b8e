package rootfs

import (
	"os"
	"os/signal"
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

// TestFilesAreReadWholeOrNotAtAll at the edges of what is read.
func TestFilesAreReadWholeOrNotAtAll(t *testing.T) {
	root := t.TempDir()
	write(t, root, "just", strings.Repeat("x", MaxFile))
	write(t, root, "over", strings.Repeat("x", MaxFile+1))
	r := opened(t, root)
	if f := r.Read("/just"); f.Err != nil || len(f.Data) != MaxFile {
		t.Errorf("%d bytes, %v; want all", len(f.Data), f.Err)
	}
	if f := r.Read("/over"); f.Err != errTooLong || f.Data != nil {
		t.Errorf("%d bytes, %v; want none", len(f.Data), f.Err)
	}
}

func TestAllFilesTogether(t *testing.T) {
	root := t.TempDir()
	write(t, root, "big", strings.Repeat("x", MaxFile))
	write(t, root, "small", "x")
	r := opened(t, root)
	for i := range maxSum / MaxFile {
		if f := r.Read("/big"); f.Err != nil {
			t.Fatalf("file %d: %v", i, f.Err)
		}
	}
	if f := r.Read("/small"); f.Err != ErrSpent || f.Data != nil {
		t.Errorf("%q, %v; want %v for the first byte too many", f.Data, f.Err, ErrSpent)
	}
	if !r.Exists("/small") {
		t.Error("what is there can still be told")
	}
	r = opened(t, root)
	for i := range maxFiles {
		if f := r.Read("/small"); f.Err != nil {
			t.Fatalf("file %d: %v", i, f.Err)
		}
	}
	if f := r.Read("/small"); f.Err != ErrSpent {
		t.Errorf("error %v for the first file too many", f.Err)
	}
}

func TestDirectoriesAreListedWholeOrNotAtAll(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"d/a", "d/b", "e/a", "empty/x"} {
		write(t, root, name, "")
	}
	if err := os.Remove(root + "/empty/x"); err != nil {
		t.Fatal(err)
	}
	r := opened(t, root)
	r.entries = maxEntries - 2
	if names, err := r.Names("/d"); err != nil || len(names) != 2 {
		t.Errorf("names %q, %v; want the last two that are listed", names, err)
	}
	if names, err := r.Names("/empty"); err != nil || len(names) != 0 {
		t.Errorf("names %q, %v of a directory without any", names, err)
	}
	if names, err := r.Names("/e"); err == nil || names != nil {
		t.Errorf("names %q, %v; want an error", names, err)
	}
}

// TestOnlyDirectoriesAreListed: whatever else is there is not opened.
func TestOnlyDirectoriesAreListed(t *testing.T) {
	root := t.TempDir()
	write(t, root, "file", "")
	if err := unix.Mkfifo(root+"/fifo", 0o644); err != nil {
		t.Fatal(err)
	}
	r := opened(t, root)
	for _, name := range []string{"/file", "/fifo"} {
		if names, err := r.Names(name); err != unix.ENOTDIR || names != nil {
			t.Errorf("%s: %q, %v; want ENOTDIR", name, names, err)
		}
	}
}

// TestALeaseIsNotWaitedFor: whoever has one may keep it for
// /proc/sys/fs/lease-break-time, 45 s.
func TestALeaseIsNotWaitedFor(t *testing.T) {
	root := t.TempDir()
	write(t, root, "leased", "x")
	holder, err := os.OpenFile(root+"/leased", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	if _, err := unix.FcntlInt(holder.Fd(), unix.F_SETLEASE, unix.F_WRLCK); err != nil {
		t.Fatal(err)
	}
	signal.Ignore(unix.SIGIO) // the lease is being broken
	defer signal.Reset(unix.SIGIO)
	if f := opened(t, root).Read("/leased"); f.Err != unix.EAGAIN {
		t.Errorf("%q, %v; want EAGAIN", f.Data, f.Err)
	}
}

func TestNullMasks(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root for device nodes")
	}
	root := t.TempDir()
	for name, minor := range map[string]uint32{"null": 3, "zero": 5} {
		if err := unix.Mknod(filepath.Join(root, name), unix.S_IFCHR|0o644, int(unix.Mkdev(1, minor))); err != nil {
			t.Fatal(err)
		}
	}
	r := opened(t, root)
	if f := r.Read("/null"); f.Err != nil || len(f.Data) != 0 || f.Mode.IsRegular() {
		t.Errorf("/dev/null reads as %q, %v, %v", f.Data, f.Err, f.Mode)
	}
	if f := r.Read("/zero"); f.Err == nil {
		t.Errorf("/dev/zero reads as %q", f.Data)
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
