package boot

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write the forecasts of the fixtures anew; read the diff before you commit it")

// A fixture is a file system and its forecast. What lies below root/ is built
// as it stands; "links" has one link per line, "running" the values that hold
// now. A file "drop-in NAME" is asked for its conflicts. "want" is the answer.
func TestFixtures(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { testFixture(t, file) })
	}
}

func testFixture(t *testing.T, name string) {
	archive, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	tree := plant(t, archive)
	describe(&got, tree.Report(runningIn(archive)))
	for _, f := range archive.Files {
		if dropIn, is := strings.CutPrefix(f.Name, "drop-in "); is {
			describeConflicts(&got, dropIn, tree.Conflicts(dropIn, f.Data))
		}
	}
	want := part(archive, "want")
	if *update {
		*want = []byte(got.String())
		if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(strings.Split(string(*want), "\n"), strings.Split(got.String(), "\n")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// plant builds the file system of a fixture and reads it.
func plant(t *testing.T, archive *txtar.Archive) *Tree {
	t.Helper()
	root := t.TempDir()
	for _, f := range archive.Files {
		if path, below := strings.CutPrefix(f.Name, "root/"); below {
			write(t, root, path, string(f.Data))
		}
	}
	for line := range strings.Lines(string(*part(archive, "links"))) {
		path, to, _ := strings.Cut(strings.TrimSpace(line), " -> ")
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, path); err != nil {
			t.Fatal(err)
		}
	}
	tree, err := Read(root, Keys())
	if err != nil {
		t.Fatal(err)
	}
	tree.page = 4096
	return tree
}

// part is a part of an archive, which gets it if it has none.
func part(archive *txtar.Archive, name string) *[]byte {
	for i := range archive.Files {
		if archive.Files[i].Name == name {
			return &archive.Files[i].Data
		}
	}
	if name != "want" {
		return new([]byte)
	}
	archive.Files = append(archive.Files, txtar.File{Name: name})
	return &archive.Files[len(archive.Files)-1].Data
}

func runningIn(archive *txtar.Archive) map[string]string {
	running := map[string]string{}
	for line := range strings.Lines(string(*part(archive, "running"))) {
		if key, value, ok := strings.Cut(line, "="); ok {
			running[strings.TrimSpace(key)] = value
		}
	}
	return running
}

// describe prints what a report says about keys that any line is about.
func describe(b *strings.Builder, report *Report) {
	fmt.Fprintf(b, "program %s\n", report.Program)
	for _, s := range report.Settings {
		if s.Systemd == nil && s.Procps == nil && s.Tuned == nil && len(s.Loses) == 0 && s.Running == nil {
			continue
		}
		fmt.Fprintf(b, "%s: boot %s, running %s, drift %v\n", s.Key, quoted(s.Boot), quoted(s.Running), s.Drift)
		for _, p := range []program{{Systemd, nil}, {Procps, nil}, {Tuned, nil}} {
			d := map[Program]*Decision{Systemd: s.Systemd, Procps: s.Procps, Tuned: s.Tuned}[p.Program]
			if d != nil {
				fmt.Fprintf(b, "  %s: %q %s%s\n", p.Program, d.Value, d.Line, behind(d.Line))
			}
		}
		for _, l := range s.Loses {
			fmt.Fprintf(b, "  loses: %s%s %q %v: %s\n", l.Line, behind(l.Line), l.Value, l.Programs, l.Why)
		}
	}
	for _, gap := range report.Gaps {
		fmt.Fprintf(b, "gap: %s: %s\n", gap.What(), gap.Why)
	}
}

func behind(l Line) string {
	if l.Target == l.File {
		return ""
	}
	return " (" + l.Target + ")"
}

func quoted(value *string) string {
	if value == nil {
		return "unknown"
	}
	return fmt.Sprintf("%q", *value)
}

func describeConflicts(b *strings.Builder, name string, conflicts []Conflict) {
	fmt.Fprintf(b, "%s:\n", name)
	for _, c := range conflicts {
		fmt.Fprintf(b, "  %s %s: %s%s %q: %s\n", c.Program, c.Key, c.Line, behind(c.Line), c.Value, c.Why)
	}
}
