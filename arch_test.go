// Package portrange_test holds the shape of the whole: which package may import
// which, and what no file of the project does.
package portrange_test

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "portrange/"

// vocabulary is what every package may import: names and values, no I/O, and how
// text that others chose is written.
var vocabulary = []string{"internal/port", "internal/host", "internal/finding", "internal/escape"}

// arrows lists what each package may import of the project, besides the
// vocabulary. A name that ends in a slash stands for all packages below it. Data
// flows one way, from the kernel to the report: see ARCHITECTURE.md.
var arrows = map[string][]string{
	"internal/words":           nil,
	"internal/kernel/":         nil,
	"internal/kernel/route":    {"internal/kernel/sysctl"},
	"internal/kernel/sockdiag": {"internal/kernel/sysctl"},
	"internal/rootfs":          nil,
	"internal/passwd":          {"internal/rootfs"},
	"internal/boot":            {"internal/rootfs"},
	"internal/collect":         {"internal/kernel/", "internal/boot", "internal/collect/services"},
	"internal/collect/":        {"internal/rootfs"},
	"internal/judge":           nil,
	"internal/capacity":        {"internal/judge"},
	"internal/simulate":        {"internal/judge", "internal/capacity", "internal/kernel/"},
	"internal/rules":           {"internal/judge", "internal/capacity", "internal/boot", "internal/words"},
	"internal/act":             {"internal/judge", "internal/rules", "internal/boot", "internal/rootfs", "internal/act/", "internal/kernel/", "internal/words"},
	"internal/act/":            {"internal/act/"},
	"internal/chart":           nil,
	"internal/figure":          {"internal/chart", "internal/capacity", "internal/simulate"},
	"internal/report": {"internal/judge", "internal/rules", "internal/capacity", "internal/simulate", "internal/boot", "internal/act",
		"internal/act/journal", "internal/words"},
	"internal/cli": {"internal/collect", "internal/judge", "internal/rules", "internal/capacity", "internal/simulate", "internal/figure",
		"internal/chart", "internal/boot", "internal/act", "internal/act/", "internal/report", "internal/words", "internal/kernel/netns", "internal/passwd"},
	"cmd/portrange": {"internal/cli"},

	// For tests, benchmarks and packagers; the program itself imports none of them.
	"internal/manpages":                     {"internal/cli", "internal/report"},
	"internal/nettest":                      nil,
	"internal/exact":                        nil,
	"internal/cure":                         nil,
	"internal/faults":                       nil,
	"internal/kernel/sockdiag/sockdiagtest": {"internal/kernel/sockdiag"},
	"internal/benchsockets":                 {"internal/nettest", "internal/kernel/"},
}

// levels are those of the vocabulary itself.
var levels = map[string][]string{
	"internal/port":    nil,
	"internal/escape":  nil,
	"internal/host":    {"internal/port"},
	"internal/finding": {"internal/port", "internal/host"},
}

// listed is the part of `go list -json` that the tests look at.
type listed struct {
	ImportPath string
	Dir        string
	Doc        string
	GoFiles    []string
	Imports    []string
}

func packages(t *testing.T) []listed {
	t.Helper()
	command := exec.Command("go", "list", "-json=ImportPath,Dir,Doc,GoFiles,Imports", "./...")
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var list []listed
	decoder := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p listed
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(p.GoFiles) > 0 {
			list = append(list, p)
		}
	}
}

func TestArrows(t *testing.T) {
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		rule, known := ruleFor(name)
		if !known {
			t.Errorf("%s: no rule says what it may import; add one to arrows", name)
			continue
		}
		for _, imported := range p.Imports {
			inside, ours := strings.CutPrefix(imported, module)
			if ours && !slices.ContainsFunc(rule, func(allowed string) bool { return covers(allowed, inside) }) {
				t.Errorf("%s imports %s, against the arrows of the architecture", name, inside)
			}
		}
	}
}

// ruleFor finds the rule of a package, the vocabulary included: its own, else
// that of the nearest directory above it.
func ruleFor(name string) (rule []string, known bool) {
	if rule, known = levels[name]; known {
		return rule, true
	}
	rule, known = ownRule(name)
	return append(slices.Clone(vocabulary), rule...), known
}

func ownRule(name string) (rule []string, known bool) {
	if rule, known = arrows[name]; known {
		return rule, true
	}
	for dir := name; dir != "."; dir = filepath.Dir(dir) {
		if rule, known = arrows[dir+"/"]; known {
			return rule, true
		}
	}
	return nil, false
}

func covers(allowed, name string) bool {
	return allowed == name || strings.HasSuffix(allowed, "/") && strings.HasPrefix(name, allowed)
}

func TestPackagesIntroduceThemselves(t *testing.T) {
	for _, p := range packages(t) {
		if p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

const maxLines = 600

func TestNoFileIsLongOrInitialisesItself(t *testing.T) {
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil || ast.IsGenerated(file) {
			return err
		}
		if n := files.Position(file.FileEnd).Line; n > maxLines {
			t.Errorf("%s has %d lines, the limit is %d", path, n, maxLines)
		}
		for _, declaration := range file.Decls {
			if f, is := declaration.(*ast.FuncDecl); is && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s: init() runs before anybody asked", path)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestFindingsComeFromTheRulesAlone: `doctor --explain` has a page on each rule,
// and so on every code that a command prints, as nobody else makes a kind.
func TestFindingsComeFromTheRulesAlone(t *testing.T) {
	makers := 0
	err := filepath.WalkDir("internal", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(source), "finding.Kind{") {
			return err
		}
		makers++
		if dir := filepath.Dir(path); dir != "internal/rules" && path != "internal/report/blocks.go" { // which takes a document apart
			t.Errorf("%s makes a kind of finding; that is for internal/rules", path)
		}
		return nil
	})
	if err != nil || makers < 40 {
		t.Errorf("%d files make kinds, error %v", makers, err)
	}
}
