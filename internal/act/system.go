package act

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"portrange/internal/act/journal"
	"portrange/internal/host"
	"portrange/internal/kernel/netns"
	"portrange/internal/kernel/sysctl"
	"portrange/internal/port"
)

// System is the host that the program runs on.
type System struct {
	boot   string
	known  map[uint64]netns.Namespace // the targets, and what the last search found, by inode number
	search func(context.Context) ([]netns.Namespace, []host.Gap)
	// searched is when the last search ended, unseen what it could not read.
	searched time.Time
	unseen   []string
}

// searchHolds is how long a namespace that a search did not find is taken to be gone:
// of hundreds that went, each would cost a search of its own.
const (
	searchHolds       = time.Minute
	brokenSearchHolds = time.Second // for one that could not read everything
)

// NewSystem returns the host the program runs on. The namespaces named are
// found without a search.
func NewSystem(targets ...netns.Namespace) (*System, error) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return nil, fmt.Errorf("read the boot id: %w", err)
	}
	s := &System{boot: strings.TrimSpace(string(id)), known: map[uint64]netns.Namespace{}, search: netns.Find}
	s.learn(targets)
	return s, nil
}

func (s *System) learn(namespaces []netns.Namespace) {
	for _, ns := range namespaces {
		s.known[ns.ID] = ns
	}
}

// Boot is kernel.random.boot_id.
func (s *System) Boot() string { return s.boot }

// Identify describes a namespace so that it can be told from others later.
func (s *System) Identify(ns netns.Namespace) (journal.Place, error) {
	place := journal.Place{ID: ns.ID, Boot: s.boot, Name: ns.Name, Host: ns.Name == port.Host}
	path, err := filepath.Abs(ns.Path)
	if err != nil {
		return place, fmt.Errorf("identify netns %s: %w", ns.Name, err)
	}
	place.Path = path
	err = ns.Do(func() (err error) {
		place.Cookie, err = cookie()
		return err
	})
	return place, err
}

// cookie is the number that the calling thread's network namespace has for as
// long as the machine runs, since Linux 5.14; 0 before.
func cookie() (uint64, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("identify the network namespace: %w", err)
	}
	defer unix.Close(fd)
	value, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	if errors.Is(err, unix.ENOPROTOOPT) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("identify the network namespace: %w", err)
	}
	return value, nil
}

// Get reads a setting.
func (s *System) Get(ns journal.Place, key string) (value string, err error) {
	err = s.within(ns, func() (err error) {
		value, err = sysctl.Get(key)
		return err
	})
	return value, err
}

// Set writes a setting.
func (s *System) Set(ns journal.Place, key, value string) error {
	return s.within(ns, func() error { return sysctl.Set(key, value) })
}

// within runs fn in a namespace that is the one meant.
func (s *System) within(ns journal.Place, fn func() error) error {
	target, err := s.find(ns)
	if err != nil {
		return err
	}
	err = target.Do(func() error {
		now, err := cookie()
		if err != nil {
			return err
		}
		if ns.Boot == s.boot && now != ns.Cookie {
			return ErrGone // and its number has been given to another one
		}
		return fn()
	})
	if errors.Is(err, netns.ErrGone) {
		err = ErrGone
	}
	if err != nil {
		return fmt.Errorf("netns %s: %w", ns.Name, err)
	}
	return nil
}

// find looks a namespace up: as long as the machine runs by its number, where
// it is likely to be and then everywhere, and after that the host's alone.
func (s *System) find(ns journal.Place) (netns.Namespace, error) {
	if ns.Boot != s.boot {
		return s.findHost(ns)
	}
	if known, is := s.known[ns.ID]; is {
		return known, nil
	}
	var unseen []string
	if ns.Path != "" { // an entry of an older version has none
		there := netns.Namespace{ID: ns.ID, Name: ns.Name, Path: ns.Path}
		handle, err := there.Open()
		if err == nil {
			s.learn([]netns.Namespace{there})
			return there, handle.Close()
		}
		if path := (*fs.PathError)(nil); errors.As(err, &path) {
			unseen = append(unseen, err.Error())
		}
	}
	s.lookAround()
	if known, is := s.known[ns.ID]; is {
		return known, nil
	}
	return netns.Namespace{}, s.notFound(ns, unseen)
}

// findHost finds the one namespace of an earlier boot that there is after it too.
func (s *System) findHost(ns journal.Place) (netns.Namespace, error) {
	if !ns.Host {
		return netns.Namespace{}, fmt.Errorf("netns %s: %w since the machine was booted", ns.Name, ErrGone)
	}
	for range 2 {
		for _, known := range s.known {
			if known.Name == port.Host {
				return known, nil
			}
		}
		s.lookAround()
	}
	return netns.Namespace{}, s.notFound(ns, nil)
}

// notFound is the error for a namespace that no search finds. Without what could not
// be read nobody can say that it is gone.
func (s *System) notFound(ns journal.Place, unseen []string) error {
	if unseen = append(unseen, s.unseen...); len(unseen) > 0 {
		return fmt.Errorf("look for netns %s: not found, but %s", ns.Name, strings.Join(unseen, ", "))
	}
	return fmt.Errorf("netns %s: %w", ns.Name, ErrGone)
}

// lookAround searches, unless that was done just now.
func (s *System) lookAround() {
	holds := searchHolds
	if len(s.unseen) > 0 {
		holds = brokenSearchHolds
	}
	if time.Since(s.searched) <= holds {
		return
	}
	found, gaps := s.search(context.Background())
	s.learn(found)
	s.searched, s.unseen = time.Now(), nil
	for _, gap := range gaps {
		// A name in the directory of names that leads nowhere is a gap for ever.
		if !strings.HasPrefix(gap.Object, "network namespace ") {
			s.unseen = append(s.unseen, gap.What()+": "+gap.Why)
		}
	}
}

// ReadFile reads a regular file with its owner and permissions.
func (s *System) ReadFile(path string) (*journal.Content, error) {
	var stat unix.Stat_t
	err := unix.Stat(path, &stat)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, &fs.PathError{Op: "stat", Path: path, Err: err}
	case stat.Mode&unix.S_IFMT != unix.S_IFREG:
		return nil, fmt.Errorf("read %s: not a regular file", path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	mode := fs.FileMode(stat.Mode & 0o7777)
	return &journal.Content{Mode: mode, UID: int(stat.Uid), GID: int(stat.Gid), Data: data}, nil
}

// Replaceable is an error where a new file in the place of the one at path would
// not be all that it was, and says what to do.
func (s *System) Replaceable(path string) error { return journal.Replaceable(path) }

// WriteFile replaces a file in one step that outlives a crash. The directory of
// a minimal system that has none is made.
func (s *System) WriteFile(path string, content *journal.Content) error {
	if content != nil {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("write %s: %w%s", path, err, fileHint(err))
		}
	}
	if err := journal.Replace(path, content); err != nil {
		return fmt.Errorf("write %s: %w%s", path, err, fileHint(err))
	}
	return nil
}

func fileHint(err error) string {
	switch {
	case errors.Is(err, unix.EROFS):
		return "; the file system is read-only: leave out --persist, or configure the image"
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return "; make room and try again"
	case errors.Is(err, unix.EPERM) && os.Geteuid() == 0:
		return "; lsattr tells whether it is immutable"
	case errors.Is(err, fs.ErrPermission):
		return "; run as root"
	}
	return ""
}
