package journal

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// access is an access control list as the kernel takes it
// (posix_acl_xattr_header, include/uapi/linux/posix_acl_xattr.h): the owner rw,
// user 65534 rw, the group r, the mask rw, others nothing.
func access() []byte {
	const version, noID = 2, 0xffffffff
	list := binary.LittleEndian.AppendUint32(nil, version)
	for _, e := range []struct {
		tag, perm uint16
		id        uint32
	}{{0x01, 6, noID}, {0x02, 6, 65534}, {0x04, 4, noID}, {0x10, 6, noID}, {0x20, 0, noID}} {
		list = binary.LittleEndian.AppendUint16(list, e.tag)
		list = binary.LittleEndian.AppendUint16(list, e.perm)
		list = binary.LittleEndian.AppendUint32(list, e.id)
	}
	return list
}

const accessList = "system.posix_acl_access"

// makeFile makes a file with attributes; root's are left out for others.
func makeFile(t *testing.T, attributes map[string][]byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.conf")
	if err := os.WriteFile(path, []byte("old\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	for name, value := range attributes {
		if err := unix.Setxattr(path, name, value, 0); err != nil {
			t.Fatalf("set %s: %v", name, err)
		}
	}
	return path
}

func rewrite(path, text string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return Replace(path, &Content{Mode: info.Mode().Perm(), UID: os.Geteuid(), GID: os.Getegid(), Data: []byte(text)})
}

func TestReplaceKeepsAttributes(t *testing.T) {
	wanted := map[string][]byte{"user.note": []byte("keep"), accessList: access()}
	if os.Geteuid() == 0 {
		wanted["trusted.note"] = []byte("root's")
		wanted["security.selinux"] = []byte("system_u:object_r:system_conf_t:s0\x00")
	}
	path := makeFile(t, wanted)
	if err := rewrite(path, "new\n"); err != nil {
		t.Fatal(err)
	}
	for name, want := range wanted {
		got := make([]byte, 256)
		n, err := unix.Getxattr(path, name, got)
		if err != nil || string(got[:max(n, 0)]) != string(want) {
			t.Errorf("%s is %q, %v", name, got[:max(n, 0)], err)
		}
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "new\n" {
		t.Errorf("content %q, %v", data, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o660 {
		t.Errorf("mode %v, %v; the group's bits are the list's mask", info.Mode(), err)
	}
}

// TestReplaceInheritsNothing has a directory that gives new files a list of its
// own.
func TestReplaceInheritsNothing(t *testing.T) {
	path := makeFile(t, nil)
	if err := unix.Setxattr(filepath.Dir(path), "system.posix_acl_default", access(), 0); err != nil {
		t.Fatal(err)
	}
	if err := rewrite(path, "new\n"); err != nil {
		t.Fatal(err)
	}
	if n, err := unix.Getxattr(path, accessList, make([]byte, 256)); !errors.Is(err, unix.ENODATA) {
		t.Errorf("an access control list of %d bytes, %v", n, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestReplaceKeepsModeBitsBeyondPermissions(t *testing.T) {
	path := makeFile(t, nil)
	content := &Content{Mode: 0o2751, UID: os.Geteuid(), GID: os.Getegid()}
	if err := Replace(path, content); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != fs.ModeSetgid|0o751 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestReplaceable(t *testing.T) {
	for name, tt := range map[string]struct {
		prepare func(path string) error
		want    string
	}{
		"a plain file":  {func(string) error { return nil }, ""},
		"no file":       {os.Remove, ""},
		"two names":     {func(path string) error { return os.Link(path, path+"2") }, "has 2 names"},
		"a link":        {func(path string) error { return errors.Join(os.Rename(path, path+"2"), os.Symlink(path+"2", path)) }, "symbolic link"},
		"a directory":   {func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o755)) }, "not a regular file"},
		"a broken link": {func(path string) error { return errors.Join(os.Remove(path), os.Symlink("none", path)) }, "symbolic link"},
	} {
		path := makeFile(t, nil)
		if err := tt.prepare(path); err != nil {
			t.Fatal(err)
		}
		err := Replaceable(path)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSignedFilesAreNotReplaced(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	path := makeFile(t, map[string][]byte{"security.ima": {3, 2, 4, 0, 0, 0, 0, 0, 0, 1, 0}})
	if err := Replaceable(path); err == nil || !strings.Contains(err.Error(), "signed") {
		t.Errorf("error %v", err)
	}
}

// TestInterruptedWritersAreSweptUp leaves what kill -9 leaves in each place.
func TestInterruptedWritersAreSweptUp(t *testing.T) {
	dir, etc := t.TempDir(), t.TempDir()
	w := writer(t, dir)
	e := entry()
	e.Files[0].Path = filepath.Join(etc, "new.conf")
	if err := w.Begin(e); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(etc, ".portrange-tmp-other.conf")
	left := []string{
		temporary(e.Files[0].Path), temporary(filepath.Join(dir, entriesDir, fileName(2))),
		temporary(filepath.Join(dir, entriesDir, backupsDir)),
	}
	for _, path := range append(left, kept) {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	writer(t, dir)
	for _, path := range left {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left behind: %v", path, err)
		}
	}
	if _, err := os.Stat(kept); err != nil {
		t.Errorf("a file that the entry does not name: %v", err)
	}
}
