// Package rootfs reads files that others wrote: the administrator, packages, or
// whoever made an image or filled a directory. It knows that each of them may be a
// bomb. Nothing but a regular file is ever opened for reading, as a FIFO blocks and
// a device node of an image may be any device; links stay inside the root; and what
// is read, one file and all of them together, is bounded.
//
// It refuses to know what the files are about. A bound that is met is an error that
// says so, for the caller to report: no file is ever read in part.
package rootfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// The bounds of one [Root]. The files that it is for, settings and units, have a few
// kilobytes each, and hundreds of them less than a megabyte.
const (
	MaxFile    = 1 << 20 // bytes of one file
	maxSum     = 4 << 20 // bytes of all files
	maxFiles   = 1 << 12 // files opened
	maxEntries = 1 << 16 // names in all directories listed
)

// ErrSpent says that all files together are more than a [Root] reads: it reads none
// any more.
var ErrSpent = fmt.Errorf("not read: all files together are over %d MiB, or more than %d", maxSum>>20, maxFiles)

// Root is a directory taken for "/": of the host, of an image, of a chroot.
// Links, absolute ones included, resolve inside it as after chroot(2). It is not for
// concurrent use.
type Root struct {
	fd  int
	dir string // as the kernel names it, for cutting it off resolved paths

	bytes, files, entries int // how much has been read
}

// Open opens the directory dir, and no more than its name.
func Open(dir string) (*Root, error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open root directory %s: %w", dir, err)
	}
	name, err := os.Readlink(procPath(fd))
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("resolve root directory %s: %w; is /proc mounted?", dir, err)
	}
	return &Root{fd: fd, dir: name}, nil
}

// Close closes the directory.
func (r *Root) Close() error { return unix.Close(r.fd) }

// File is what was found under a path.
type File struct {
	Path   string      // as it was asked for
	Target string      // the path without links; equal to Path where there are none
	Data   []byte      // the whole content
	Err    error       // why Data is not there; nil for a file that was read
	Mode   fs.FileMode // its lowest 12 bits are those of stat(2)
	UID    uint32
	GID    uint32

	null bool // it is the device /dev/null
}

// Stat is the file at an absolute path without its content.
func (r *Root) Stat(path string) File {
	found := File{Path: path, Target: path}
	fd, err := r.open(path, 0)
	if err != nil {
		found.Err = err
		return found
	}
	defer func() { _ = unix.Close(fd) }()
	_, found.Err = r.describe(fd, &found)
	return found
}

// describe fills in what is known of an open file but its content, and returns its size.
func (r *Root) describe(fd int, found *File) (size int64, err error) {
	if name, err := os.Readlink(procPath(fd)); err == nil {
		found.Target = name
		if rest, below := strings.CutPrefix(name, strings.TrimSuffix(r.dir, "/")); below && filepath.IsAbs(rest) {
			found.Target = rest
		}
	}
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return 0, err
	}
	found.Mode, found.UID, found.GID = fs.FileMode(stat.Mode&0o7777)|kind(stat.Mode), stat.Uid, stat.Gid
	// Its number is in the kernel's Documentation/admin-guide/devices.txt.
	found.null = found.Mode&fs.ModeCharDevice != 0 && uint64(stat.Rdev) == unix.Mkdev(1, 3)
	return stat.Size, nil
}

// Read returns the file at an absolute path. The device /dev/null, which links to
// mask a file lead to, reads as empty; other devices are not opened.
func (r *Root) Read(path string) File {
	found := File{Path: path, Target: path}
	fd, err := r.open(path, 0)
	if err != nil {
		found.Err = err
		return found
	}
	defer func() { _ = unix.Close(fd) }()
	if r.files++; r.files > maxFiles || r.bytes > maxSum {
		found.Err = ErrSpent
		return found
	}
	size, err := r.describe(fd, &found)
	if err != nil {
		found.Err = err
		return found
	}
	switch {
	case found.Mode.IsRegular():
		found.Data, found.Err = r.slurp(fd, size)
	case found.Mode.IsDir():
		found.Err = unix.EISDIR
	case !found.null:
		found.Err = errors.New("not opened: neither a regular file nor a directory")
	}
	return found
}

// kind is the type of a file of stat(2) as Go has it.
func kind(mode uint32) fs.FileMode {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return 0
	case unix.S_IFDIR:
		return fs.ModeDir
	case unix.S_IFCHR:
		return fs.ModeDevice | fs.ModeCharDevice
	}
	return fs.ModeIrregular
}

// Names lists a directory. One that does not exist has none, and so has one with
// more than are listed, with an error.
func (r *Root) Names(path string) ([]string, error) {
	fd, err := r.open(path, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(fd) }()
	// O_DIRECTORY fails on all that is none before the driver of a device hears of it.
	list, err := unix.Open(procPath(fd), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	dir := os.NewFile(uintptr(list), path)
	defer func() { _ = dir.Close() }()
	names, err := dir.Readdirnames(maxEntries - r.entries + 1)
	if r.entries += len(names); r.entries > maxEntries {
		r.entries = maxEntries
		return nil, fmt.Errorf("not read: it has more entries than the %d that all directories together may have", maxEntries)
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return names, bare(err)
}

// Exists reports whether a path leads somewhere, links followed.
func (r *Root) Exists(path string) bool {
	fd, err := r.open(path, 0)
	if err != nil {
		return false
	}
	_ = unix.Close(fd)
	return true
}

// Link is where the link at path points to, "" if path is no link.
func (r *Root) Link(path string) string {
	fd, err := r.open(path, unix.O_NOFOLLOW)
	if err != nil {
		return ""
	}
	defer func() { _ = unix.Close(fd) }()
	target := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", target)
	if err != nil {
		return ""
	}
	return string(target[:n])
}

// renames is how often a path is tried that somebody renames meanwhile.
const renames = 100

// open opens a path as O_PATH, which touches nothing but the name.
func (r *Root) open(path string, flags int) (int, error) {
	flags |= unix.O_PATH | unix.O_CLOEXEC
	how := &unix.OpenHow{Flags: uint64(flags), Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	for attempt := 1; ; attempt++ {
		fd, err := unix.Openat2(r.fd, "."+path, how)
		switch {
		case errors.Is(err, unix.EAGAIN) && attempt < renames:
			continue
		case !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.EPERM):
			return fd, err
		case r.dir == "/": // a kernel before 5.6, or a seccomp filter that knows none later
			return unix.Open(path, flags, 0)
		}
		return -1, fmt.Errorf("openat2: %w; this kernel cannot keep links inside a directory, "+
			"use chroot(8) instead", err)
	}
}

// slurp reads a regular file that is open as O_PATH. Its size is taken at its word
// only where that is too large: it may grow, and those of /proc have none.
func (r *Root) slurp(path int, size int64) ([]byte, error) {
	if size > MaxFile {
		return nil, errTooLong
	}
	// O_NONBLOCK does not wait for whoever has a lease on the file (fcntl(2)).
	fd, err := unix.Open(procPath(path), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(fd) }()
	data := make([]byte, 0, size+1)
	for {
		n, err := unix.Read(fd, data[len(data):cap(data)])
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return nil, err
		}
		data = data[:len(data)+n]
		if r.bytes += n; r.bytes > maxSum {
			return nil, ErrSpent
		}
		switch {
		case n == 0:
			return data, nil
		case len(data) > MaxFile:
			return nil, errTooLong
		case len(data) == cap(data):
			data = append(data, 0)[:len(data)]
		}
	}
}

var errTooLong = fmt.Errorf("not read: it is over %d MiB", MaxFile>>20)

func procPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// bare drops the path of an error.
func bare(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}
