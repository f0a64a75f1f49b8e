package boot

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

// maxFile bounds what is read of one file. Setting files are a few kilobytes;
// an image may hold anything.
const maxFile = 16 << 20

// root is a directory taken for "/": of the host, of an image, of a chroot.
// Links, absolute ones included, resolve inside it as after chroot(2).
type root struct {
	fd  int
	dir string // as the kernel names it, for cutting it off resolved paths
}

func openRoot(dir string) (*root, error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open root directory %s: %w", dir, err)
	}
	name, err := os.Readlink(procPath(fd))
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("resolve root directory %s: %w; is /proc mounted?", dir, err)
	}
	return &root{fd: fd, dir: name}, nil
}

// file is what was found under a path.
type file struct {
	path   string // as the programs name it
	target string // the path without links; equal to path where there are none
	data   []byte
	err    error // why data could not be read, nil for a file that was read
}

// read returns the file at an absolute path. A file is never opened for
// reading before it is known to be a regular one: a FIFO would block, and the
// device nodes of an image may be anything. A character device reads as empty:
// the one found in such trees is /dev/null.
func (r *root) read(path string) file {
	found := file{path: path, target: path}
	fd, err := r.resolve(path)
	if err != nil {
		found.err = err
		return found
	}
	defer func() { _ = unix.Close(fd) }()
	if name, err := os.Readlink(procPath(fd)); err == nil {
		found.target = name
		if rest, below := strings.CutPrefix(name, strings.TrimSuffix(r.dir, "/")); below && filepath.IsAbs(rest) {
			found.target = rest
		}
	}
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		found.err = err
		return found
	}
	switch stat.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		found.data, found.err = slurp(fd)
	case unix.S_IFCHR:
	case unix.S_IFDIR:
		found.err = unix.EISDIR
	default:
		found.err = errors.New("neither a regular file nor a directory")
	}
	return found
}

// names lists a directory. One that does not exist has none.
func (r *root) names(path string) ([]string, error) {
	fd, err := r.resolve(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(fd) }()
	dir, err := os.Open(procPath(fd))
	if err != nil {
		return nil, bare(err)
	}
	defer func() { _ = dir.Close() }()
	names, err := dir.Readdirnames(-1)
	return names, bare(err)
}

// exists reports whether a path leads somewhere, links followed.
func (r *root) exists(path string) bool {
	fd, err := r.resolve(path)
	if err != nil {
		return false
	}
	_ = unix.Close(fd)
	return true
}

// link is where the link at path points to, "" if path is no link.
func (r *root) link(path string) string {
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

func (r *root) resolve(path string) (int, error) { return r.open(path, 0) }

// open opens a path as O_PATH, which touches nothing but the name.
func (r *root) open(path string, flags int) (int, error) {
	flags |= unix.O_PATH | unix.O_CLOEXEC
	how := &unix.OpenHow{Flags: uint64(flags), Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	for {
		fd, err := unix.Openat2(r.fd, "."+path, how)
		switch {
		case errors.Is(err, unix.EAGAIN): // something was renamed meanwhile
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

func slurp(fd int) ([]byte, error) {
	f, err := os.Open(procPath(fd))
	if err != nil {
		return nil, bare(err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, bare(err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("longer than %d bytes", maxFile)
	}
	return data, nil
}

func procPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// bare drops the path of an error, which names a descriptor and not the file.
func bare(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}
