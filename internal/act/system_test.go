package act

import (
	"io/fs"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestFileHint(t *testing.T) {
	immutable := "run as root"
	if os.Geteuid() == 0 {
		immutable = "lsattr"
	}
	for errno, want := range map[unix.Errno]string{
		unix.EROFS: "read-only", unix.ENOSPC: "make room", unix.EDQUOT: "make room",
		unix.EACCES: "run as root", unix.EPERM: immutable,
	} {
		if got := fileHint(&fs.PathError{Op: "open", Path: DropIn, Err: errno}); !strings.Contains(got, want) {
			t.Errorf("%v: %q, want %q", errno, got, want)
		}
	}
	if got := fileHint(unix.EIO); got != "" {
		t.Errorf("a hint on what nobody can mend: %q", got)
	}
}
