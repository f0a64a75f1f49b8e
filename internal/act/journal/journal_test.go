package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func writer(t *testing.T, dir string) *Writer {
	t.Helper()
	w, err := Open(dir).Lock()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

func entry() *Entry {
	deadline := time.Date(2026, 11, 22, 20, 44, 44, 0, time.UTC)
	return &Entry{
		At: deadline.Add(-time.Minute), Command: "set 15000 64001", User: "root", Boot: "b", Deadline: &deadline,
		Settings: []Setting{{Namespace: Place{ID: 4026531840, Cookie: 1, Name: "host", Host: true}, Key: "k", Before: "1 2", After: "3 4"}},
		Files: []File{
			{Path: "/etc/sysctl.d/new.conf", After: &Content{Mode: 0o644, Data: []byte("a = b\n")}},
			{Path: "/etc/sysctl.conf", Before: &Content{Mode: 0o600, UID: 7, GID: 8, Data: []byte{0xff, 0, '\r'}}, Foreign: true},
		},
	}
}

func TestEntriesComeBackWhole(t *testing.T) {
	w := writer(t, t.TempDir())
	first, second := entry(), entry()
	for _, e := range []*Entry{first, second} {
		if err := w.Begin(e); err != nil {
			t.Fatal(err)
		}
	}
	second.State = Done
	if err := w.Update(second); err != nil {
		t.Fatal(err)
	}
	var got []Entry
	for e, err := range w.Backward() {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e)
	}
	if diff := cmp.Diff([]Entry{*second, *first}, got); diff != "" {
		t.Error(diff)
	}
	if first.ID != 1 || second.ID != 2 || first.State != Begun {
		t.Errorf("entries %d and %d, %s", first.ID, second.ID, first.State)
	}
}

func TestMissingJournalIsEmpty(t *testing.T) {
	for _, err := range Open(filepath.Join(t.TempDir(), "none")).Backward() {
		t.Errorf("an entry, %v", err)
	}
}

func TestBrokenEntryIsAnError(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "cut off": `{"schema_version":1,"id":1`, "of the future": `{"schema_version":2,"id":1}`,
	} {
		dir := t.TempDir()
		w := writer(t, dir)
		if err := os.WriteFile(filepath.Join(dir, entriesDir, fileName(1)), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, err := range w.Backward() {
			if n++; err == nil || !strings.Contains(err.Error(), fileName(1)) || !strings.Contains(err.Error(), "; ") {
				t.Errorf("%s: error %v", name, err)
			}
		}
		if n != 1 {
			t.Errorf("%s: %d entries", name, n)
		}
	}
}

func TestOneWriter(t *testing.T) {
	dir := t.TempDir()
	w := writer(t, dir)
	_, err := Open(dir).Lock()
	if !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), fmt.Sprintf("(pid %d)", os.Getpid())) {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(dir).WaitLock(ctx); !errors.Is(err, ErrBusy) {
		t.Errorf("cancelled wait: %v", err)
	}
	waited := make(chan error)
	go func() {
		next, err := Open(dir).WaitLock(t.Context())
		if err == nil {
			err = next.Close()
		}
		waited <- err
	}()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-waited; err != nil {
		t.Errorf("wait: %v", err)
	}
}

func TestOldEntriesGo(t *testing.T) {
	dir := t.TempDir()
	w := writer(t, dir)
	const surplus = 5
	for range keep + surplus {
		e := entry()
		if err := w.Begin(e); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Backup(e.ID, &e.Files[1]); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{entriesDir, backupsDir} {
		list, err := os.ReadDir(filepath.Join(dir, name))
		if err != nil || len(list) != keep+1 {
			t.Errorf("%d in %s, %v; want %d", len(list), name, err, keep+1)
		}
	}
}

func TestReplace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.conf")
	left := filepath.Join(dir, ".portrange-tmp-x.conf") // by an interrupted call
	foreign := []string{".x.conf.swp", ".x.conf2024-backup", ".portrange-tmp-y.conf", ".portrange-tmp-x.conf.old"}
	for _, name := range foreign {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(left, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	content := &Content{Mode: 0o640, UID: os.Geteuid(), GID: os.Getegid(), Data: []byte("a\n")}
	for range 2 {
		if err := Replace(path, content); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if _, err := os.Stat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("left behind: %v", err)
	}
	for _, name := range foreign {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Errorf("a file of somebody else: %v", err)
		}
	}
	for range 2 {
		if err := Replace(path, nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("removed: %v", err)
	}
}

func TestContentEqual(t *testing.T) {
	a := &Content{Mode: 0o644, Data: []byte("a")}
	for name, tt := range map[string]struct {
		b    *Content
		want bool
	}{
		"same":       {&Content{Mode: 0o644, Data: []byte("a")}, true},
		"none":       {nil, false},
		"other data": {&Content{Mode: 0o644}, false},
		"other mode": {&Content{Mode: 0o600, Data: []byte("a")}, false},
		"other user": {&Content{Mode: 0o644, UID: 1, Data: []byte("a")}, false},
	} {
		if got := a.Equal(tt.b); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if none := (*Content)(nil); !none.Equal(nil) || none.Bytes() != nil {
		t.Error("no file is no file")
	}
}

// TestCopies has a second copy of what has a deadline, which stands in for an entry
// that cannot be read, and tells of one that is lost.
func TestCopies(t *testing.T) {
	dir, memory := t.TempDir(), filepath.Join(t.TempDir(), "portrange")
	w, err := Open(dir).WithCopies(memory).Lock()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	first, second := entry(), entry()
	first.Deadline = nil
	for _, e := range []*Entry{first, second} {
		if err := w.Begin(e); err != nil {
			t.Fatal(err)
		}
	}
	second.State = Waiting
	if err := w.Update(second); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(w.CopyOf(1)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a copy of what has no deadline: %v", err)
	}
	if lost := w.Orphans(); len(lost) > 0 {
		t.Errorf("lost are %v", lost)
	}
	for name, harm := range map[string]func() error{
		"emptied": func() error { return os.WriteFile(w.path(2), nil, 0o600) },
		"removed": func() error { return os.Remove(w.path(2)) },
	} {
		if err := harm(); err != nil {
			t.Fatal(err)
		}
		e, err := w.Recall(2)
		if err != nil || !e.Same(second) || e.State != Waiting {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
		if _, err := w.Recall(1); err != nil {
			t.Errorf("another entry: %v", err)
		}
	}
	if lost := w.Orphans(); len(lost) != 1 || lost[0].ID != 2 {
		t.Errorf("lost are %v", lost)
	}
}

// TestFewCopiesStay: memory is dear, and a clock asks for the last changes alone.
func TestFewCopiesStay(t *testing.T) {
	w, err := Open(t.TempDir()).WithCopies(t.TempDir()).Lock()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for range 2 * keepCopies {
		if err := w.Begin(entry()); err != nil {
			t.Fatal(err)
		}
	}
	left, err := numbers(w.copies)
	if err != nil || len(left) != keepCopies || left[len(left)-1] != 2*keepCopies {
		t.Errorf("copies %v, %v; want the last %d", left, err, keepCopies)
	}
}

func TestSame(t *testing.T) {
	if a, b := entry(), entry(); !a.Same(b) {
		t.Error("the same entry is another one")
	}
	for name, edit := range map[string]func(*Entry){
		"number":  func(e *Entry) { e.ID++ },
		"boot":    func(e *Entry) { e.Boot = "x" },
		"command": func(e *Entry) { e.Command = "x" },
		"time":    func(e *Entry) { e.At = e.At.Add(1) },
	} {
		a, b := entry(), entry()
		if edit(b); a.Same(b) {
			t.Errorf("with another %s it is the same", name)
		}
	}
}
