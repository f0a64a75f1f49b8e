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

// arrows lists what each package may import of the project. A name that ends in
// a slash stands for all packages below it. Data flows one way, from the kernel
// to the report: see ARCHITECTURE.md.
var arrows = map[string][]string{
	"internal/port":      nil,
	"internal/kernel/":   {"internal/port"},
	"internal/sample":    {"internal/port", "internal/kernel/"},
	"internal/judge":     {"internal/port"},
	"internal/capacity":  {"internal/port"},
	"internal/catalogue": {"internal/port"},
	"internal/boot":      {"internal/port"},
	"internal/simulate":  {"internal/port", "internal/capacity", "internal/kernel/"},
	"internal/observe":   {"internal/port", "internal/capacity", "internal/sample", "internal/kernel/"},
	"internal/chart":     nil,
	"internal/figure":    {"internal/chart", "internal/capacity", "internal/simulate"},
	"internal/doctor":    {"internal/port", "internal/judge", "internal/boot", "internal/kernel/"},
	"internal/act":       {"internal/port", "internal/judge", "internal/boot", "internal/act/", "internal/kernel/"},
	"internal/act/":      {"internal/port", "internal/catalogue", "internal/boot", "internal/act", "internal/act/", "internal/sample", "internal/kernel/"},
	"internal/checkup": {"internal/port", "internal/sample", "internal/simulate", "internal/doctor", "internal/boot", "internal/act", "internal/act/",
		"internal/kernel/"},
	"internal/report": {"internal/port", "internal/judge", "internal/capacity", "internal/simulate", "internal/observe", "internal/doctor",
		"internal/boot", "internal/act", "internal/act/journal"},
	"internal/cli": {"internal/port", "internal/sample", "internal/judge", "internal/capacity", "internal/simulate", "internal/observe",
		"internal/chart", "internal/figure", "internal/doctor", "internal/checkup", "internal/boot", "internal/act", "internal/act/", "internal/report"},
	"cmd/portrange": {"internal/cli"},

	// For tests, benchmarks and packagers; the program itself imports none of them.
	"internal/manpages":                     {"internal/cli", "internal/report"},
	"internal/nettest":                      nil,
	"internal/exact":                        nil,
	"internal/kernel/sockdiag/sockdiagtest": {"internal/port", "internal/kernel/sockdiag"},
	"internal/benchsockets":                 {"internal/nettest", "internal/kernel/"},
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

// ruleFor finds the rule of a package: its own, else that of the nearest
// directory above it.
func ruleFor(name string) (rule []string, known bool) {
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

// forbidden are packages that the program must do without, and why. A name stands
// for all packages below it too.
var forbidden = map[string]string{
	"gonum.org/v1/plot":                          "its fonts, PDF and LaTeX were a quarter of the program; charts are SVG, see internal/chart",
	"gonum.org/v1/gonum/stat":                    "it links all of lapack; mathext has the gamma function",
	"gonum.org/v1/gonum/blas":                    "no linear algebra is done here",
	"gonum.org/v1/gonum/lapack":                  "no linear algebra is done here",
	"gonum.org/v1/gonum/mat":                     "no linear algebra is done here",
	"github.com/spf13/cobra/doc":                 "man pages are made by internal/manpages",
	"github.com/cpuguy83/go-md2man":              "man pages are made by internal/manpages",
	"github.com/russross/blackfriday":            "man pages are made by internal/manpages",
	"gopkg.in/yaml.v3":                           "nobody maintains it; go.yaml.in/yaml is the same",
	"html/template":                              "the program prints no pages",
	"image":                                      "charts are SVG, see internal/chart",
	"github.com/prometheus/client_golang":        "only a daemon has metrics",
	"portrange/internal/nettest":                 "for tests only",
	"github.com/rogpeppe/go-internal/testscript": "for tests only",
}

// TestProgramLinksNothingForbidden: a dependency comes in with one import, and
// nobody sees what it brings along.
func TestProgramLinksNothingForbidden(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "./cmd/portrange").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for linked := range strings.FieldsSeq(string(out)) {
		for name, why := range forbidden {
			if linked == name || strings.HasPrefix(linked, name+"/") {
				t.Errorf("the program links %s, see `go mod why %[1]s`: %[2]s", linked, why)
			}
		}
	}
}

// maxSize is the most that the program may take, stripped as `make` builds it.
const maxSize = 15_000_000

// TestProgramIsSmall finds what no list of packages tells: a method called by its
// name, for instance, makes the linker keep all methods.
func TestProgramIsSmall(t *testing.T) {
	if testing.Short() {
		t.Skip("links the program")
	}
	path := filepath.Join(t.TempDir(), "portrange")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, "./cmd/portrange")
	build.Env = append(build.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > maxSize {
		t.Errorf("the program has %d bytes, the limit is %d", info.Size(), maxSize)
	}
}
