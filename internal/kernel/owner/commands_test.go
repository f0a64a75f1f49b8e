package owner

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func TestCommands(t *testing.T) {
	own, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	names, err := Commands()
	if err != nil || !slices.Contains(names, strings.TrimSuffix(string(own), "\n")) {
		t.Errorf("%q is not in %q: %v", own, names, err)
	}
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("not sorted, each once: %q", names)
	}
}
