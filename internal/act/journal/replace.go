package journal

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// Replace puts content at path in one step that outlives a crash: a temporary
// file in the same directory, fsync, rename, and fsync of the directory, which
// renameio leaves to its callers. Nil content removes the file.
// What an interrupted call left in the directory goes. Only one process at a
// time may replace a path.
func Replace(path string, content *Content) error {
	sweep(path)
	if err := replace(path, content); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

func replace(path string, content *Content) error {
	if content == nil {
		err := os.Remove(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	file, err := renameio.NewPendingFile(path,
		renameio.WithTempDir(filepath.Dir(path)), renameio.WithStaticPermissions(content.Mode.Perm()))
	if err != nil {
		return err
	}
	defer func() { _ = file.Cleanup() }()
	if err := file.Chown(content.UID, content.GID); err != nil {
		return err
	}
	if _, err := file.Write(content.Data); err != nil {
		return err
	}
	return file.CloseAtomicallyReplace()
}

// temporary is a digit or more, which renameio puts behind the name.
const temporary = "[0-9]*"

// sweep removes the temporary files of paths that match pattern. Nothing
// depends on it.
func sweep(pattern string) {
	dir, base := filepath.Split(pattern)
	left, _ := filepath.Glob(filepath.Join(dir, "."+base+temporary))
	for _, path := range left {
		_ = os.Remove(path)
	}
}
