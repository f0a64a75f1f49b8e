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

// Copies is where the second copies are: on a tmpfs, which a reboot empties as it
// ends every deadline.
const Copies = "/run/portrange"

const (
	schemaVersion = 1
	entriesDir    = "journal"
	backupsDir    = "backup"
	suffix        = ".json"
	// noticeSuffix follows the suffix of entries.
	noticeSuffix = ".notice"
	// keep is how many entries stay. They are small, and older ones than this
	// nobody takes back.
	keep = 200
	// keepCopies is how many copies stay, in memory.
	keepCopies = 10
)

// ErrDamaged says that an entry is there and says nothing.
var ErrDamaged = errors.New("it was damaged")

// Journal is a directory of entries, open for reading.
type Journal struct {
	dir, copies string // no copies: ""
	notices     bool
}

// Open returns the journal in dir, which need not exist yet.
func Open(dir string) *Journal { return &Journal{dir: dir} }

// WithCopies is the journal with a second copy of each entry that has a deadline,
// in a directory that should be in memory: for when the disk fails.
func (j *Journal) WithCopies(dir string) *Journal { return &Journal{dir: j.dir, copies: dir} }

// WithNotices is the journal for whoever only looks and may not be root: an entry that
// he may not read comes without its files.
func (j *Journal) WithNotices() *Journal {
	return &Journal{dir: j.dir, copies: j.copies, notices: true}
}

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
			e, err := j.Recall(id)
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// ids are the numbers of all entries, ascending.
func (j *Journal) ids() ([]int, error) { return numbers(filepath.Join(j.dir, entriesDir)) }

// numbers are those of the entries in a directory, ascending. What an interrupted
// writer left has a name of another form.
func numbers(dir string) ([]int, error) {
	names, err := os.ReadDir(dir)
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
	e, err := read(j.path(id), id)
	if j.notices && errors.Is(err, fs.ErrPermission) {
		if notice, errNotice := read(j.notice(id), id); errNotice == nil {
			return notice, nil
		}
	}
	return e, err
}

func (j *Journal) path(id int) string { return filepath.Join(j.dir, entriesDir, fileName(id)) }

// notice is the path of what everybody may read of an entry that only root may.
func (j *Journal) notice(id int) string { return j.path(id) + noticeSuffix }

// Recall is the entry, from its copy where the journal has it in no form that can
// be read.
func (j *Journal) Recall(id int) (Entry, error) {
	e, err := j.Entry(id)
	if err == nil || j.copies == "" {
		return e, err
	}
	if copied, errCopy := read(j.CopyOf(id), id); errCopy == nil {
		return copied, nil
	}
	return e, err
}

// CopyOf is the path of the second copy of an entry, empty for none.
func (j *Journal) CopyOf(id int) string {
	if j.copies == "" {
		return ""
	}
	return filepath.Join(j.copies, fileName(id))
}

// Orphans are the copies of entries that the journal has lost.
func (j *Journal) Orphans() []Entry {
	var orphans []Entry
	ids, _ := numbers(j.copies) // a copy is a help, never a hindrance
	for _, id := range ids {
		if _, err := os.Lstat(j.path(id)); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if e, err := read(j.CopyOf(id), id); err == nil {
			orphans = append(orphans, e)
		}
	}
	return orphans
}

func read(path string, id int) (Entry, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Entry{}, fmt.Errorf("read the journal: %w%s", err, hint(err))
	}
	var e Entry
	err = json.Unmarshal(data, &e)
	if err == nil && e.SchemaVersion == schemaVersion && e.ID != id {
		err = fmt.Errorf("it says that it is entry %d", e.ID)
	}
	if err != nil {
		return Entry{}, fmt.Errorf("read the journal: %s: %w; %w: move it away, "+
			"and what it tells of cannot be taken back any more", path, err, ErrDamaged)
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
	if err := makePublic(j.dir, filepath.Join(j.dir, entriesDir)); err != nil {
		return nil, fmt.Errorf("make the journal: %w%s", err, hintBefore(err))
	}
	return j.writer(lock(j.dir))
}

// WaitLock is [Journal.Lock] that waits for its turn until ctx is done. It makes no
// journal: one that is away for a moment must find its place free.
func (j *Journal) WaitLock(ctx context.Context) (*Writer, error) {
	return j.writer(waitLock(ctx, j.dir))
}

func (j *Journal) writer(file *os.File, err error) (*Writer, error) {
	if err != nil {
		return nil, fmt.Errorf("%w%s", err, hint(err))
	}
	w := &Writer{Journal: j, lock: file}
	w.sweep()
	return w, nil
}

// sweep removes the temporary files of a writer that was interrupted: those in
// the journal's own directory, and those of the files that the newest entry is
// about. Nothing depends on it.
func (w *Writer) sweep() {
	names, _ := os.ReadDir(filepath.Join(w.dir, entriesDir))
	for _, name := range names {
		if strings.HasPrefix(name.Name(), mark) {
			_ = os.Remove(filepath.Join(w.dir, entriesDir, name.Name()))
		}
	}
	for e, err := range w.Backward() {
		if err == nil {
			for _, file := range e.Files {
				_ = os.Remove(temporary(file.Path))
			}
		}
		return
	}
}

func hint(err error) string {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "; run as root"
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return "; make room in " + Dir + ", where portrange remembers what was there before"
	case errors.Is(err, unix.EROFS):
		return "; mount " + Dir + " writable, where portrange remembers what was there before"
	}
	return ""
}

// hintBefore is [hint] where nothing was done yet.
func hintBefore(err error) string {
	text := hint(err)
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EROFS) {
		text += "; nothing is changed before"
	}
	return text
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
	_ = os.Remove(w.notice(e.ID))
	if err := write(w.path(e.ID), e); err != nil {
		_ = os.Remove(w.path(e.ID)) // where it came to be all the same
		return fmt.Errorf("write the journal: %w%s", err, hintBefore(err))
	}
	w.copyLast(e)
	for _, old := range ids[:max(0, len(ids)-keep)] { // nothing depends on it
		_ = os.Remove(w.path(old))
		_ = os.Remove(w.notice(old))
		_ = os.RemoveAll(w.backups(old))
	}
	return nil
}

// Update replaces the entry on disk, and then its copy.
func (w *Writer) Update(e *Entry) error {
	_ = os.Remove(w.notice(e.ID))
	if err := write(w.path(e.ID), e); err != nil {
		return fmt.Errorf("write the journal: %w%s", err, hint(err))
	}
	w.copy(e)
	w.giveNotice(e)
	return nil
}

// giveNotice tells everybody of an entry that only root may read, without the files,
// where its state does not depend on those. Nothing depends on it: a writer that is
// killed leaves none, or one that is not taken for an entry.
func (w *Writer) giveNotice(e *Entry) {
	if !e.private() || e.State == Begun || e.State == Reverting {
		return
	}
	notice := *e
	notice.Files = nil
	data, err := encode(&notice)
	if err != nil {
		return
	}
	path := w.notice(e.ID)
	if os.WriteFile(path, data, 0o644) == nil {
		_ = os.Chmod(path, 0o644) // whatever the umask
	}
}

// write replaces an entry. Everybody may read it, as a monitor that is not root must be
// able to tell of a change that waits, unless it holds what was in files of others.
func write(path string, e *Entry) error {
	mode := fs.FileMode(0o644)
	if e.private() {
		mode = 0o600
	}
	data, err := encode(e)
	if err != nil {
		return err
	}
	return Replace(path, &Content{Mode: mode, UID: os.Geteuid(), GID: os.Getegid(), Data: data})
}

func encode(e *Entry) ([]byte, error) {
	data, err := json.MarshalIndent(e, "", "  ")
	return append(escape.JSON(data), '\n'), err
}

// makePublic makes directories that everybody may look into, whatever the umask. Those
// that are there stay as they are.
func makePublic(dirs ...string) error {
	for _, dir := range dirs {
		if _, err := os.Stat(dir); err == nil {
			continue
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := os.Chmod(dir, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// copy writes the second copy. Without one there is the journal; whoever depends
// on the copy looks whether it is there.
func (w *Writer) copy(e *Entry) {
	if e.Deadline == nil || w.copies == "" {
		return
	}
	if makePublic(w.copies) == nil {
		_ = write(w.CopyOf(e.ID), e)
	}
}

// copyLast is copy that leaves few others behind: those of the last changes, whose
// clocks may still ask what became of them.
func (w *Writer) copyLast(e *Entry) {
	ids, _ := numbers(w.copies)
	for _, id := range ids {
		if id >= e.ID || id <= e.ID-keepCopies {
			_ = os.Remove(w.CopyOf(id))
		}
	}
	w.copy(e)
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
	// It is made in a directory of the journal's own, from where what an
	// interrupted call leaves is swept.
	temp := temporary(filepath.Join(w.dir, entriesDir, backupsDir))
	if err := replaceThrough(temp, path, file.Before); err != nil {
		return "", fmt.Errorf("keep a backup of %s: %w", file.Path, err)
	}
	return path, nil
}
