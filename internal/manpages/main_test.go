package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"portrange/internal/report"
)

// pages writes all man pages and reads them back, by name.
func pages(t *testing.T) map[string]string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "new", "man")
	if err := run([]string{dir}); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[entry.Name()] = string(text)
	}
	return all
}

func TestEveryCommandHasAPage(t *testing.T) {
	all := pages(t)
	for _, name := range []string{"", "-show", "-left", "-sockets", "-summary", "-doctor", "-check", "-plan", "-set", "-undo", "-boot"} {
		if page := all["portrange"+name+".8"]; !strings.HasPrefix(page, ".nh\n.TH \"PORTRANGE") {
			t.Errorf("portrange%s.8 is no man page: %.40q", name, page)
		}
	}
}

func TestPagesDocumentTheirOwnJSON(t *testing.T) {
	all := pages(t)
	for page, field := range map[string]string{
		"portrange-show.8":    `namespaces\[\]\.pools\[\]\.reusable`,
		"portrange-sockets.8": `sockets\[\]\.timer\.expires_ms`,
	} {
		if !regexp.MustCompile(field).MatchString(all[page]) {
			t.Errorf("%s lacks the field %s", page, field)
		}
	}
	if strings.Contains(all["portrange-left.8"], "namespaces") {
		t.Error("the page of left has fields of show")
	}
}

// TestPagesAreReproducible: packages are built from the same pages everywhere.
func TestPagesAreReproducible(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "0")
	one, two := pages(t), pages(t)
	for name := range one {
		if one[name] != two[name] {
			t.Errorf("%s is another one the second time", name)
		}
	}
}

func TestWrongUsage(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{nil, {"a", "b"}, {file}} {
		if run(args) == nil {
			t.Errorf("%q: no error", args)
		}
	}
}

func TestADocumentWantsItsCommand(t *testing.T) {
	root := &cobra.Command{Use: "portrange", Args: cobra.ArbitraryArgs}
	root.AddCommand(&cobra.Command{Use: "plan"})
	if err := describeJSON(root, []report.Document{{Command: "plan --from-live"}}); err != nil {
		t.Error(err)
	}
	if describeJSON(root, []report.Document{{Command: "gone"}}) == nil {
		t.Error("a document of no command was accepted")
	}
}
