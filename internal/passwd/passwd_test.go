package passwd

import (
	"errors"
	"io/fs"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNames(t *testing.T) {
	const text = `root:x:0:0:root:/root:/bin/bash
toor:x:0:0::/root:/bin/sh
# daemon:x:1:1::/:/bin/sh
+nis:x:2:2::/:/bin/sh
::3:3::/:/bin/sh
bad:x:-1:1::/:/bin/sh
large:x:4294967296:1::/:/bin/sh
last:x:4294967295:1::/:/bin/sh
short:x:5`
	want := map[uint32]string{0: "root", 4294967295: "last", 5: "short"}
	if diff := cmp.Diff(want, parse(text)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNamesOfAFile(t *testing.T) {
	root := t.TempDir()
	if _, err := names(root); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want one for the file that is not there", err)
	}
	if err := os.Mkdir(root+"/etc", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(root+"/etc/passwd", []byte("a:x:7:7::/:\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := names(root); err != nil || got[7] != "a" {
		t.Errorf("names %v, %v", got, err)
	}
	if got, err := Names(); err != nil || got[0] != "root" {
		t.Errorf("names of this host: %v, %v", got, err)
	}
}

// FuzzNames: no name holds what separates fields.
func FuzzNames(f *testing.F) {
	f.Add("root:x:0:0\n+:::\n")
	f.Fuzz(func(t *testing.T, text string) {
		for id, name := range parse(text) {
			if name == "" || name[0] == '#' {
				t.Errorf("user %d is %q", id, name)
			}
		}
	})
}
