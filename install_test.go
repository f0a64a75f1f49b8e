package portrange_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestInstall installs as a packager does whose umask lets nobody else read, and looks
// for each kind of file.
func TestInstall(t *testing.T) {
	dir := t.TempDir()
	command := exec.Command("sh", "-c", `umask 077; exec make install "$@"`, "sh", "prefix=/usr", "DESTDIR="+filepath.Join(dir, "root"),
		"BINARY="+filepath.Join(dir, "portrange"), "MANDIR="+filepath.Join(dir, "man"))
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("make install: %v\n%s", err, out)
	}
	for name, mode := range map[string]os.FileMode{
		"bin/portrange":                                  0o755,
		"share/man/man8/portrange.8":                     0o644,
		"share/man/man8/portrange-left.8":                0o644,
		"share/bash-completion/completions/portrange":    0o644,
		"share/zsh/site-functions/_portrange":            0o644,
		"share/fish/vendor_completions.d/portrange.fish": 0o644,
	} {
		info, err := os.Stat(filepath.Join(dir, "root/usr", name))
		if err != nil || info.Size() == 0 || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v; want a file with mode %o and something in it", name, info, err, mode)
		}
	}
}
