package netns

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"portrange/internal/port"
)

// Handle is an open namespace, which stays there until it is closed.
type Handle struct {
	Namespace
	file *os.File
}

// Close lets go of the namespace.
func (h *Handle) Close() error { return h.file.Close() }

// Open opens the namespace that a user refers to: by a name that ip-netns(8) or
// Docker knows, by a path, by the id of a process inside, or as "host". The
// error of an unknown name lists the known ones, the one of a lack of
// permission the capability that would help.
func Open(ref string) (*Handle, error) {
	f := newFinder()
	path, err := f.resolve(ref)
	if err != nil {
		return nil, err
	}
	h, err := f.openPath(path)
	if err != nil {
		return nil, err
	}
	h.Name = ref
	// Where it can be found, it has the same name however the user refers to it.
	namespaces, _ := f.find(context.Background())
	if at := slices.IndexFunc(namespaces, func(n Namespace) bool { return n.ID == h.ID }); at >= 0 {
		h.Namespace = namespaces[at]
	}
	return h, nil
}

// Open opens a namespace that [Find] has found. The error is [ErrGone] where it
// ended meanwhile.
func (n Namespace) Open() (*Handle, error) {
	h, err := newFinder().openPath(n.Path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return nil, fmt.Errorf("open network namespace %s: %w", n.Name, ErrGone)
	}
	if err != nil {
		return nil, err
	}
	if h.ID != n.ID {
		// The process has ended or moved, and its path leads elsewhere.
		h.Close()
		return nil, fmt.Errorf("open network namespace %s: %w", n.Name, ErrGone)
	}
	h.Namespace = n
	return h, nil
}

// openPath asks what the path is before it opens it: opening a terminal or a
// pipe has effects.
func (f finder) openPath(path string) (*Handle, error) {
	id, err := f.inode(path)
	if err != nil {
		return nil, explainOpen(path, err)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, explainOpen(path, err)
	}
	kind, err := unix.IoctlRetInt(int(file.Fd()), unix.NS_GET_NSTYPE)
	if err != nil || kind != unix.CLONE_NEWNET {
		file.Close()
		return nil, fmt.Errorf("open network namespace: %s is a namespace of another kind", path)
	}
	return &Handle{Namespace: Namespace{ID: id, Path: path}, file: file}, nil
}

func explainOpen(path string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("open network namespace %s: %w; run as root or with CAP_SYS_PTRACE", path, fs.ErrPermission)
	}
	return fmt.Errorf("open network namespace: %w", err)
}

// resolve turns what the user wrote into a path.
func (f finder) resolve(ref string) (string, error) {
	switch {
	case ref == "":
		return "", errors.New("find network namespace: the name is empty")
	case strings.Contains(ref, "/"):
		return ref, nil
	case isNumber(ref):
		return f.resolvePID(ref)
	}
	for _, dir := range []string{namedDir, dockerDir} {
		_, err := os.Lstat(f.path(dir, ref))
		if err == nil {
			return f.path(dir, ref), nil
		}
		if errors.Is(err, fs.ErrPermission) {
			return "", fmt.Errorf("find network namespace %s: %w; run as root", ref, err)
		}
	}
	if ref != port.Host {
		return "", f.unknownName(ref)
	}
	namespaces, _ := f.find(context.Background())
	for _, n := range namespaces {
		if n.Name == port.Host {
			return n.Path, nil
		}
	}
	return "", fmt.Errorf("find network namespace of process 1: %w; run as root or with CAP_SYS_PTRACE", fs.ErrPermission)
}

func isNumber(ref string) bool { return strings.Trim(ref, "0123456789") == "" }

func (f finder) resolvePID(ref string) (string, error) {
	pid, err := strconv.Atoi(ref)
	if err == nil {
		_, err = os.Stat(f.proc(pid))
	}
	if err != nil {
		return "", fmt.Errorf("find network namespace of process %s: there is no such process", ref)
	}
	return f.proc(pid, "ns", "net"), nil
}

func (f finder) unknownName(ref string) error {
	var known []string
	for _, dir := range []string{namedDir, dockerDir} {
		entries, err := os.ReadDir(f.path(dir))
		if err != nil {
			continue // it was looked into already; most machines have neither
		}
		for _, entry := range entries {
			known = append(known, entry.Name())
		}
	}
	hint := "no namespace has a name here; give a path or the id of a process"
	if len(known) > 0 {
		hint = "known are " + strings.Join(known, ", ")
	}
	return fmt.Errorf("find network namespace %q: no such name; %s", ref, hint)
}
