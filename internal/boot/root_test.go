package boot

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadWithoutRoot(t *testing.T) {
	if _, err := Read(t.TempDir()+"/missing", Keys()); err == nil || !strings.Contains(err.Error(), "open root directory") {
		t.Errorf("error %v, want one that names the operation", err)
	}
}

func TestHostRootIsReadable(t *testing.T) {
	tree, err := Read("/", Keys())
	if err != nil {
		t.Fatal(err)
	}
	if report := tree.Report(nil); len(report.Settings) != len(Keys()) {
		t.Errorf("%d settings, want one for each of %d keys", len(report.Settings), len(Keys()))
	}
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
