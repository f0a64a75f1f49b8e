package doctor

import (
	"io/fs"
	"slices"
	"strings"
	"testing"
)

func TestEveryCodeHasAPageAndEveryPageACode(t *testing.T) {
	for _, code := range Codes() {
		page, err := Explain(code)
		if err != nil {
			t.Error(err)
			continue
		}
		if head, rest, _ := strings.Cut(page, "\n"); !strings.HasPrefix(head, "# "+code+": ") || len(rest) < 200 {
			t.Errorf("page of %s begins with %q and has %d characters", code, head, len(rest))
		}
	}
	entries, err := fs.ReadDir(pages, "pages")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if code := strings.TrimSuffix(entry.Name(), ".md"); !slices.Contains(Codes(), code) {
			t.Errorf("page %s belongs to no finding", entry.Name())
		}
	}
}

func TestUnknownCode(t *testing.T) {
	for code, want := range map[string]string{
		"pool":     "there are pool-full, pool-near-full, pool-past-half,",
		"nonsense": "there are pool-full,",
		"":         "there are pool-full,",
		"../codes": "there are pool-full,",
	} {
		if _, err := Explain(code); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Explain(%q): %v, want %q", code, err, want)
		}
	}
}
