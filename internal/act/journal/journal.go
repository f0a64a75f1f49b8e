package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"portrange/internal/escape"
)

// Dir is where the journal lives.
const Dir = "/var/lib/portrange"

// Backups is where copies of changed files of others are kept, each below the
// number of its change.
const Backups = Dir + "/" + backupsDir

const (
	schemaVersion = 1
	entriesDir    = "journal"
	backupsDir    = "backup"
	suffix        = ".json"
	// keep is how many entries stay. They are small, and older ones than this
	// nobody takes back.
	keep = 200
)

// Journal is a directory of entries, open for reading.
type Journal struct{ dir string }

// Open returns the journal in dir, which need not exist yet.
func Open(dir string) *Journal { return &Journal{dir: dir} }

// Backward yields the entries, newest first. One that cannot be read is an
// error: to go on without it could take back the wrong change.
func (j *Journal) Backward() iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		ids, err := j.ids()
		if err != nil {
			yield(Entry{}, err)
			return
		}
		for _, id := range slices.Backward(ids) {
			e, err := j.Entry(id)
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// ids are the numbers of all entries, ascending. What an interrupted writer
// left has a name of another form.
func (j *Journal) ids() ([]int, error) {
	names, err := os.ReadDir(filepath.Join(j.dir, entriesDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the journal: %w%s", err, hint(err))
	}
	var ids []int
	for _, name := range names {
		digits, isEntry := strings.CutSuffix(name.Name(), suffix)
		if id, err := strconv.Atoi(digits); isEntry && err == nil {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// Entry is the entry with the given ID.
func (j *Journal) Entry(id int) (Entry, error) {
	path := filepath.Join(j.dir, entriesDir, fileName(id))
	data, err := os.ReadFile(path)
	if err != nil {
		return Entry{}, fmt.Errorf("read the journal: %w%s", err, hint(err))
	}
	var e Entry
	if err := json.Unmarshal(data, &e); err != nil {
		return Entry{}, fmt.Errorf("read the journal: %s: %w; it was damaged: move it away, "+
			"and what it tells of cannot be taken back any more", path, err)
	}
	if e.SchemaVersion != schemaVersion {
		return Entry{}, fmt.Errorf("read the journal: %s has schema version %d, this program knows %d; "+
			"use the version of portrange that wrote it", path, e.SchemaVersion, schemaVersion)
	}
	return e, nil
}

func fileName(id int) string { return fmt.Sprintf("%08d%s", id, suffix) }

// Writer is the journal in the hands of the one process that may write it.
type Writer struct {
	*Journal
	lock *os.File
}

// Lock makes the caller the writer, [ErrBusy] when another process is.
func (j *Journal) Lock() (*Writer, error) {
	return j.lockBy(func() (*os.File, error) { return lock(j.dir) })
}

// WaitLock is [Journal.Lock] that waits for its turn until ctx is done.
func (j *Journal) WaitLock(ctx context.Context) (*Writer, error) {
	return j.lockBy(func() (*os.File, error) { return waitLock(ctx, j.dir) })
}

func (j *Journal) lockBy(take func() (*os.File, error)) (*Writer, error) {
	if err := os.MkdirAll(filepath.Join(j.dir, entriesDir), 0o700); err != nil {
		return nil, fmt.Errorf("make the journal: %w%s", err, hint(err))
	}
	file, err := take()
	if err != nil {
		return nil, fmt.Errorf("%w%s", err, hint(err))
	}
	sweep(filepath.Join(j.dir, entriesDir, "*"+suffix))
	return &Writer{Journal: j, lock: file}, nil
}

func hint(err error) string {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "; run as root"
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return "; make room, as without a place to remember what was there before nothing is changed"
	case errors.Is(err, unix.EROFS):
		return "; mount " + Dir + " writable: without a place to remember what was there before, nothing is changed"
	}
	return ""
}

// Close hands the journal to the next writer.
func (w *Writer) Close() error { return w.lock.Close() }

// Begin gives the entry the next ID and puts it on disk as [Begun]. Once it
// returns, the entry outlives a crash. The oldest entries go.
func (w *Writer) Begin(e *Entry) error {
	ids, err := w.ids()
	if err != nil {
		return err
	}
	e.SchemaVersion, e.ID, e.State = schemaVersion, 1, Begun
	if len(ids) > 0 {
		e.ID = ids[len(ids)-1] + 1
	}
	if err := w.Update(e); err != nil {
		return err
	}
	for _, old := range ids[:max(0, len(ids)-keep)] { // nothing depends on it
		_ = os.Remove(filepath.Join(w.dir, entriesDir, fileName(old)))
		_ = os.RemoveAll(w.backups(old))
	}
	return nil
}

// Update replaces the entry on disk.
func (w *Writer) Update(e *Entry) error {
	data, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return fmt.Errorf("write the journal: %w", err)
	}
	path := filepath.Join(w.dir, entriesDir, fileName(e.ID))
	content := &Content{Mode: 0o600, UID: os.Geteuid(), GID: os.Getegid(), Data: append(escape.JSON(data), '\n')}
	if err := Replace(path, content); err != nil {
		return fmt.Errorf("write the journal: %w%s", err, hint(err))
	}
	return nil
}

func (w *Writer) backups(id int) string {
	return filepath.Join(w.dir, backupsDir, fmt.Sprintf("%08d", id))
}

// Backup keeps a copy of a file as it was before the entry, for people: undo
// takes it from the entry. It returns where.
func (w *Writer) Backup(id int, file *File) (string, error) {
	path := filepath.Join(w.backups(id), file.Path)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", fmt.Errorf("keep a backup of %s: %w", file.Path, err)
	}
	if err := Replace(path, file.Before); err != nil {
		return "", fmt.Errorf("keep a backup of %s: %w", file.Path, err)
	}
	return path, nil
}
