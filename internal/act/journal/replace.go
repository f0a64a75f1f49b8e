package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// mark begins the names of temporary files. Each stands for the one path that is
// replaced through it, so what an interrupted call left is found by its name.
const mark = ".portrange-tmp-"

// temporary is the name under which a new file is made before it replaces path.
func temporary(path string) string {
	dir, base := filepath.Split(path)
	return filepath.Join(dir, mark+base)
}

// Replace puts content at path in one step that outlives a crash: a temporary
// file in the same directory, fsync, rename, and fsync of the directory. The new
// file has the extended attributes of the one it replaces, its access control
// list and security label among them. Nil content removes the file.
// What an interrupted call left in the directory goes. Only one process at a
// time may replace a path. After an error the old or the new file is there.
func Replace(path string, content *Content) error {
	return replaceThrough(temporary(path), path, content)
}

// replaceThrough is [Replace] with a temporary file of another name.
func replaceThrough(temp, path string, content *Content) error {
	if err := remove(temp); err != nil {
		return err
	}
	var err error
	if content == nil {
		err = remove(path)
	} else {
		err = rename(temp, path, content)
	}
	if err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

func rename(temp, path string, content *Content) error {
	err := create(temp, path, content)
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		_ = os.Remove(temp) // the first error is the one to tell
	}
	return err
}

// create makes a file that nobody else can open before it is what it shall be.
func create(temp, model string, content *Content) error {
	file, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := file.Write(content.Data); err != nil {
		return err
	}
	// In this order: a change of the owner takes permissions away, and an access
	// control list sets the group's.
	if err := file.Chown(content.UID, content.GID); err != nil {
		return err
	}
	if err := keepAttributes(file, model); err != nil {
		return err
	}
	if err := unix.Fchmod(int(file.Fd()), uint32(content.Mode)); err != nil {
		return &fs.PathError{Op: "chmod", Path: temp, Err: err}
	}
	if err := file.Sync(); err != nil {
		return err
	}
	return file.Close()
}

// remove removes a file that may not be there.
func remove(path string) error {
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Replaceable is an error where [Replace] would make more of a file than a new
// content: one of several names of it, where the others would keep the old one,
// a link, a signed file, or one that may not be changed. It says what to do.
func Replaceable(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode()&fs.ModeSymlink != 0:
		return fmt.Errorf("%s is a symbolic link, which a file would take the place of; "+
			"replace it by a file of its own", path)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file; move it away", path)
	}
	if stat, is := info.Sys().(*syscall.Stat_t); is && stat.Nlink > 1 {
		return fmt.Errorf("%s has %d names (hard links), and the others would keep the old text; "+
			"make it a file of its own, as with cp -p and mv, or change it by hand", path, stat.Nlink)
	}
	var stat unix.Statx_t // not on kernels before 4.11: then the rename tells
	const locked = unix.STATX_ATTR_IMMUTABLE | unix.STATX_ATTR_APPEND
	if unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, 0, &stat) == nil && stat.Attributes&locked != 0 {
		return fmt.Errorf("%s may not be changed: it is immutable or append-only, see lsattr(1); "+
			"chattr -i -a lets go of it", path)
	}
	return signed(path)
}
