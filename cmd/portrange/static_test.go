package main

import (
	"debug/elf"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// TestReleasesAreStatic: what `make build` makes needs no loader and no library.
func TestReleasesAreStatic(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "portrange")
	build := exec.Command("make", "-C", "../..", "build", "BINARY="+binary)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	file, err := elf.Open(binary)
	check(t, err)
	defer file.Close()
	if slices.ContainsFunc(file.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		t.Error("it asks for a loader")
	}
	if libraries, err := file.ImportedLibraries(); err != nil || len(libraries) > 0 {
		t.Errorf("it needs %q, %v", libraries, err)
	}
}

// TestNobodyAsksTheCLibrary: built with cgo, os/user asks name services such as
// nscd for the names of users; internal/passwd reads the file.
func TestNobodyAsksTheCLibrary(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}}: {{.Imports}} {{.TestImports}}", "portrange/...").Output()
	check(t, err)
	if users := userPackage.FindAll(out, -1); len(users) > 0 {
		t.Errorf("os/user is imported by %s", users)
	}
}

var userPackage = regexp.MustCompile(`(?m)^.*\bos/user\b.*$`)
