package journal

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzEntry: an entry is an error, or the one of its number, and written again it is
// the same.
func FuzzEntry(f *testing.F) {
	whole := entry()
	whole.SchemaVersion, whole.ID, whole.State = schemaVersion, 7, Waiting
	seed, err := json.Marshal(whole)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add(seed[:len(seed)/2])
	f.Add([]byte(`{"schema_version": 1, "id": 6, "state": "done", "settings": null, "files": []}`))
	f.Add([]byte(`{"schema_version": 2, "id": 7}`))
	f.Add([]byte(`{"schema_version": 1, "id": 7,
		"files": [{"path": "\ud800", "after": {"mode": 4294967295, "data": "/w=="}}]}`))
	f.Add([]byte("null"))
	f.Add([]byte(""))
	dir := f.TempDir()
	w, err := Open(dir).Lock()
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = w.Close() })
	path := filepath.Join(dir, entriesDir, fileName(7))
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		before, err := w.Entry(7)
		if err != nil {
			return
		}
		if before.ID != 7 || before.SchemaVersion != schemaVersion {
			t.Fatalf("entry %d of schema %d is taken for entry 7", before.ID, before.SchemaVersion)
		}
		if err := w.Update(&before); err != nil {
			if before.At.Year() > 9999 || before.At.Year() < 0 {
				return
			}
			t.Fatal(err)
		}
		after, err := w.Entry(7)
		if diff := cmp.Diff(before, after); err != nil || diff != "" {
			t.Errorf("error %v, written again (-before +after):\n%s", err, diff)
		}
	})
}
